#include "relay/routes.hpp"

#include <algorithm>

namespace waxseal::relay {

namespace {

bool names(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::ranges::find(list, name) != list.end();
}

bool fits(const Route& route, const RouteTable::Query& query) {
    if (!names(route.listeners, query.listener) || !names(route.users, query.user)) return false;
    const auto& senders = route.senders;
    return senders.empty() ||
           std::any_of(senders.begin(), senders.end(), [&](const auth::AddressPattern& one) {
               return query.reverse_path != nullptr && one.fits(*query.reverse_path);
           });
}

}  // namespace

const upstream::Connector::Providers& RouteTable::choose(
    const Query& query, const upstream::Connector::Providers& of_user,
    const upstream::Connector::Providers& of_listener) const {
    const auto found = std::find_if(routes_.begin(), routes_.end(),
                                    [&](const Route& route) { return fits(route, query); });
    if (found != routes_.end()) return found->providers;
    return of_user.empty() ? of_listener : of_user;
}

}  // namespace waxseal::relay
