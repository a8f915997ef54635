#include "app/share.hpp"

#include <utility>

namespace waxseal::app {

Share make_share(std::shared_ptr<const Snapshot> snapshot, net::Loop& loop,
                 net::Resolver& resolver) {
    Share share;
    for (const BuiltUpstream& built : snapshot->upstreams)
        share.providers.push_back(make_provider(built, loop, resolver));
    std::vector<Error> known;  // there were none when it was built
    const auto routes = make_routes(snapshot->config, share.providers, known);
    for (std::size_t i = 0; i < snapshot->listeners.size(); ++i) {
        relay::ListenerSettings settings = snapshot->listeners[i].settings;
        auto session = std::make_shared<relay::SessionSettings>(*settings.session);
        session->providers = named(share.providers, snapshot->config.listen[i].upstream);
        session->routes = routes;
        for (const auto& provider : share.providers) session->by_name[provider->name] = {provider};
        settings.session = std::move(session);
        share.listeners.push_back(std::move(settings));
    }
    share.snapshot = std::move(snapshot);
    return share;
}

void take_over(const Share& previous, const Share& next) {
    for (std::size_t i = 0; i < next.providers.size(); ++i) {
        for (std::size_t k = 0; k < previous.providers.size(); ++k) {
            if (same_place(previous.snapshot->config.upstream[k],
                           next.snapshot->config.upstream[i]))
                next.providers[i]->slots.succeed(previous.providers[k]->slots);
        }
    }
}

}  // namespace waxseal::app
