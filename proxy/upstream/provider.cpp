#include "upstream/provider.hpp"

#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

namespace {

void note_failure(const Provider& provider, Breaker::Change change, const Failure& failure,
                  TimePoint now) {
    if (change == Breaker::Change::opened) {
        const Duration wait = provider.breaker.due_at().value_or(now) - now;
        log::warn("upstream_down", {{"upstream", provider.name},
                                    {"cause", to_string(failure.kind)},
                                    {"reason", failure.reason},
                                    {"retry_ms", wait.count()}});
    }
    if (provider.on_failure) provider.on_failure();
}

bool same(const smtp::Credentials& one, const smtp::Credentials& other) {
    return one.username == other.username && one.password.reveal() == other.password.reveal() &&
           one.token.reveal() == other.token.reveal();
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

std::expected<std::optional<smtp::Credentials>, Error> Provider::login_credentials() {
    if (credential_source) {
        auto now = credential_source();
        if (!now) return std::unexpected(std::move(now).error());
        last_used = now->clone();
        return std::optional(*std::move(now));
    }
    if (!credentials) return std::nullopt;
    return credentials->clone();
}

void Provider::look_for_other_credentials(TimePoint now) {
    if (!credential_source || !breaker.login_refused()) return;
    const auto used = last_used.latest();
    if (!used) return;
    const auto current = credential_source();
    if (current && !same(*current, *used)) breaker.other_credentials(now);
}

}  // namespace waxseal::upstream
