#include "app/snapshot.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "net/listener.hpp"

namespace waxseal::app {

std::expected<std::shared_ptr<const Snapshot>, std::vector<Error>> build(
    const Runtime& runtime, const config::Config& config, Missing missing,
    const Overrides& overrides) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->config = config;
    snapshot->room = net::max_sessions_for_rlimit();
    UpstreamBuilder upstreams(runtime, config, overrides);
    for (const config::Upstream& upstream : config.upstream) {
        BuiltUpstream built = upstreams.build(upstream);
        snapshot->providers.push_back(std::move(built.provider));
        snapshot->accounts.push_back(std::move(built.account));
    }
    snapshot->certificates = std::move(upstreams.notes());
    std::vector<Error> errors = std::move(upstreams.errors());
    ListenerBuilder listeners(config, runtime.seed, missing, snapshot->providers, snapshot->room);
    for (const config::Listen& listen : config.listen)
        snapshot->listeners.push_back(listeners.build(listen));
    snapshot->self_signed = listeners.kept();
    std::ranges::move(listeners.notes(), std::back_inserter(snapshot->certificates));
    std::ranges::move(listeners.errors(), std::back_inserter(errors));
    if (!errors.empty()) return std::unexpected(std::move(errors));
    return snapshot;
}

void carry_over(const Snapshot& previous, const Snapshot& next) {
    for (std::size_t i = 0; i < next.providers.size(); ++i) {
        const config::Upstream& now = next.config.upstream[i];
        for (std::size_t k = 0; k < previous.providers.size(); ++k) {
            const config::Upstream& before = previous.config.upstream[k];
            if (before.name != now.name || before.address != now.address) continue;
            next.providers[i]->slots.succeed(previous.providers[k]->slots);
            if (!same_offer(before, now)) continue;
            next.providers[i]->last_offer = previous.providers[k]->last_offer;
            // After a change of the password or a certificate the next attempt may well succeed.
            if (next.accounts[i] != previous.accounts[k]) continue;
            next.providers[i]->breaker = previous.providers[k]->breaker;
            next.providers[i]->last_used = previous.providers[k]->last_used;
        }
    }
}

}  // namespace waxseal::app
