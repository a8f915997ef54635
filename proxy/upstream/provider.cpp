#include "upstream/provider.hpp"

#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

namespace {

void note_failure(const Provider& provider, Breaker::Change change, const Failure& failure,
                  TimePoint now) {
    if (change == Breaker::Change::opened) {
        log::warn("upstream_down", {{"upstream", provider.name},
                                    {"cause", to_string(failure.kind)},
                                    {"reason", failure.reason},
                                    {"retry_ms", (*provider.breaker.due_at() - now).count()}});
    }
    if (provider.on_failure) provider.on_failure();
}

}  // namespace

void Provider::succeeded(std::unique_ptr<Breaker::Attempt> attempt, TimePoint now) {
    if (breaker.succeeded(std::move(attempt)) != Breaker::Change::closed) return;
    log::info("upstream_up",
              {{"upstream", name}, {"down_ms", (now - breaker.down_since()).count()}});
}

void Provider::failed(std::unique_ptr<Breaker::Attempt> attempt, const Failure& failure,
                      Breaker::Caution caution, TimePoint now) {
    const auto change = breaker.failed(std::move(attempt), failure, caution, now);
    note_failure(*this, change, failure, now);
}

void Provider::lost(const Failure& failure, TimePoint now) {
    note_failure(*this, breaker.lost(failure, now), failure, now);
}

std::expected<std::optional<smtp::Credentials>, Error> credentials_of(const Provider& provider) {
    if (provider.credential_source) {
        auto credentials = provider.credential_source();
        if (!credentials) return std::unexpected(std::move(credentials).error());
        return std::optional(*std::move(credentials));
    }
    if (!provider.credentials) return std::nullopt;
    return provider.credentials->clone();
}

}  // namespace waxseal::upstream
