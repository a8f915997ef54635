#include "upstream/prober.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace waxseal::upstream {

namespace {
constexpr Duration look_again = std::chrono::seconds(1);
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
    watched.probe = std::make_unique<Probe>(reactor_, watched.provider, [this, &watched](bool) {
        watched.probe.reset();
        rearm();
    });
}

void Prober::probe_due() {
    for (Watched& watched : watched_)
        if (!watched.probe && watched.provider->breaker.due(reactor_.now())) probe(watched);
    rearm();
}

// For the first that will be due and is not being asked already. One that is due has a session
// trying it, or had no slot free: it is looked at again soon.
void Prober::rearm() {
    std::optional<TimePoint> next;
    for (const Watched& watched : watched_) {
        const auto due = watched.provider->breaker.due_at();
        if (due && !watched.probe) next = std::min(*due, next.value_or(*due));
    }
    if (!next) return alarm_->disarm();
    const Duration wait = *next - reactor_.now();
    alarm_->arm(wait > Duration{} ? wait : look_again);
}

}  // namespace waxseal::upstream
