// Which upstreams a transaction goes to: rows of [[route]], the first that fits. Pure.
//
// A row names listeners, users and senders; what it does not name does not matter to it, of what it
// names one has to fit. It is never looked at who receives: whoever could choose a recipient would
// choose the account.
//
// In order: the first route that fits; the upstreams of the [[user]] who has logged in, if it names
// any; the listener's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/address_pattern.hpp"
#include "smtp/path.hpp"
#include "upstream/connector.hpp"

namespace waxseal::relay {

struct Route {
    std::vector<std::string> listeners;  // as SessionSettings names them
    std::vector<std::string> users;
    std::vector<auth::AddressPattern> senders;
    upstream::Connector::Providers providers;
};

class RouteTable {
  public:
    struct Query {
        std::string_view listener;
        std::string_view user;  // who has logged in; empty: nobody
        // Null: not known yet; then no row that names senders fits.
        const smtp::Path* reverse_path;
    };
    RouteTable() = default;
    explicit RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {}

    // Of these three the one that is meant; `of_user` may be empty.
    [[nodiscard]] const upstream::Connector::Providers& choose(
        const Query& query, const upstream::Connector::Providers& of_user,
        const upstream::Connector::Providers& of_listener) const;

  private:
    std::vector<Route> routes_;
};

}  // namespace waxseal::relay
