#include "upstream/prober.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace waxseal::upstream {

namespace {
constexpr Duration look_again = std::chrono::seconds(1);
// How soon a token that has been renewed is noticed, whether anybody sends or not.
constexpr Duration token_watch = std::chrono::seconds(5);
}  // namespace

Prober::Prober(Reactor& reactor, std::vector<std::shared_ptr<Provider>> providers)
    : reactor_(reactor), alarm_(reactor.alarm([this] { probe_due(); })) {
    for (auto& provider : providers) {
        provider->on_failure = [this] { rearm(); };
        watched_.push_back({std::move(provider), nullptr});
    }
    for (Watched& watched : watched_) probe(watched);
}

Prober::~Prober() {
    for (Watched& watched : watched_) watched.provider->on_failure = nullptr;
}

void Prober::probe(Watched& watched) {
    watched.probe = std::make_unique<Probe>(reactor_, watched.provider, Probe::Why::unknown,
                                            [this, &watched](bool) {
                                                watched.probe.reset();
                                                rearm();
                                            });
}

void Prober::probe_due() {
    const TimePoint now = reactor_.now();
    for (Watched& watched : watched_) {
        watched.provider->look_for_other_credentials(now);
        if (!watched.probe && watched.provider->breaker.due(now)) probe(watched);
    }
    rearm();
}

// For the first that will be due and is not being asked already. One that is due has a session
// trying it, or had no slot free: it is looked at again soon.
void Prober::rearm() {
    const TimePoint now = reactor_.now();
    std::optional<TimePoint> next;
    for (const Watched& watched : watched_) {
        auto due = watched.provider->breaker.due_at();
        if (!due || watched.probe) continue;
        if (watched.provider->credential_source && watched.provider->breaker.login_refused())
            due = std::min(*due, now + token_watch);
        next = std::min(*due, next.value_or(*due));
    }
    if (!next) return alarm_->disarm();
    alarm_->arm(*next > now ? *next - now : look_again);
}

}  // namespace waxseal::upstream
