#include "upstream/keeper.hpp"

#include <utility>

namespace waxseal::upstream {

Keeper::Keeper(Reactor& reactor, std::vector<std::shared_ptr<Provider>> providers)
    : reactor_(reactor) {
    for (auto& provider : providers) {
        if (!provider->shares()) continue;
        Kept& kept = kept_.emplace_back(Kept{std::move(provider), nullptr});
        kept.provider->pool->on_lack([this, &kept] { open_ahead(kept); });
    }
}

Keeper::~Keeper() {
    for (Kept& kept : kept_) {
        kept.opening.reset();
        kept.provider->pool->close();
    }
}

void Keeper::open_ahead(Kept& kept) {
    if (kept.opening || !kept.provider->breaker.closed() || !kept.provider->pool->lacks()) return;
    kept.opening =
        std::make_unique<Probe>(reactor_, kept.provider, Probe::Why::ahead, [this, &kept](bool) {
            kept.opening.reset();
            open_ahead(kept);
        });
}

}  // namespace waxseal::upstream
