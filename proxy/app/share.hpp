// A worker's share of a snapshot: what is bound to its loop. Made, used and destroyed on the
// worker's thread.
//
// Flow: make_share(); at a reload take_over() what the share before it has, then drop that one. Its
// providers live on as long as sessions of before use them.
#pragma once

#include <memory>
#include <vector>

#include "app/logins.hpp"
#include "app/snapshot.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "relay/proxy.hpp"

namespace waxseal::app {

struct Share {
    std::shared_ptr<const Snapshot> snapshot;
    Providers providers;                             // beside its upstreams
    std::vector<relay::ListenerSettings> listeners;  // beside its listeners
};

[[nodiscard]] Share make_share(std::shared_ptr<const Snapshot> snapshot, net::Loop& loop,
                               net::Resolver& resolver);

// The connections that exist count for the upstreams of the same name and address.
void take_over(const Share& previous, const Share& next);

}  // namespace waxseal::app
