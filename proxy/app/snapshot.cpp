#include "app/snapshot.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "net/listener.hpp"

namespace waxseal::app {

std::expected<std::shared_ptr<Snapshot>, std::vector<Error>> build(const Runtime& runtime,
                                                                   const config::Config& config,
                                                                   Missing missing,
                                                                   const Overrides& overrides) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->config = config;
    // What is collected may need a file of its own.
    const bool collects = std::ranges::any_of(config.listen, [](const config::Listen& one) {
        return one.buffer != config::Buffer::stream;
    });
    snapshot->room = net::max_sessions_for_rlimit(runtime.workers, collects ? 3 : 2);
    UpstreamBuilder upstreams(runtime, config, overrides);
    for (const config::Upstream& upstream : config.upstream)
        snapshot->upstreams.push_back(upstreams.build(upstream));
    snapshot->certificates = std::move(upstreams.notes());
    std::vector<Error> errors = std::move(upstreams.errors());
    ListenerBuilder listeners(config, runtime.seed, missing, snapshot->room);
    for (const config::Listen& listen : config.listen)
        snapshot->listeners.push_back(listeners.build(listen));
    snapshot->self_signed = listeners.kept();
    std::ranges::move(listeners.notes(), std::back_inserter(snapshot->certificates));
    std::ranges::move(listeners.errors(), std::back_inserter(errors));
    if (!errors.empty()) return std::unexpected(std::move(errors));
    return snapshot;
}

bool same_place(const config::Upstream& before, const config::Upstream& now) {
    return before.name == now.name && before.address == now.address;
}

void carry_over(const Snapshot& previous, Snapshot& next) {
    for (std::size_t i = 0; i < next.upstreams.size(); ++i) {
        const config::Upstream& now = next.config.upstream[i];
        for (std::size_t k = 0; k < previous.upstreams.size(); ++k) {
            const config::Upstream& before = previous.config.upstream[k];
            if (!same_place(before, now) || !same_offer(before, now)) continue;
            BuiltUpstream& to = next.upstreams[i];
            const BuiltUpstream& from = previous.upstreams[k];
            to.last_offer = from.last_offer;
            // After a change of the password or a certificate the next attempt may well succeed.
            if (to.account != from.account) continue;
            to.breaker = from.breaker;
            to.last_used = from.last_used;
        }
    }
}

}  // namespace waxseal::app
