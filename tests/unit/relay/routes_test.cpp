// Routes: by listener, user and reverse-path; the first that fits; never by recipient.
#include "relay/routes.hpp"

#include <doctest/doctest.h>

#include "unit/support/provider.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using relay::Route;
using relay::RouteTable;
using Providers = upstream::Connector::Providers;

namespace {

smtp::Path sender(std::string_view text) {
    return smtp::parse_path(text, smtp::PathKind::reverse)->path;
}

struct Table {
    FakeReactor reactor;
    ScriptedUpstream server{reactor};
    Providers listeners{make_provider(reactor, server, "listener's")};
    Providers users{};
    std::vector<Route> routes;

    void add(const std::string& to, std::vector<std::string> listeners_,
             std::vector<std::string> users_, const std::vector<std::string>& senders) {
        Route route{std::move(listeners_), std::move(users_), {}, {}};
        for (const std::string& text : senders)
            route.senders.push_back(*auth::AddressPattern::parse(text));
        route.providers = {make_provider(reactor, server, to)};
        routes.push_back(std::move(route));
    }
    [[nodiscard]] std::string choose(std::string_view listener, std::string_view user,
                                     std::string_view from) const {
        const smtp::Path path = sender(from);
        return RouteTable(routes).choose({listener, user, &path}, users, listeners).front()->name;
    }
};

}  // namespace

TEST_CASE("without a route that fits: the listener's") {
    Table table;
    CHECK(table.choose("l", "", "<a@example.com>") == "listener's");
    table.add("r", {"other"}, {}, {});
    CHECK(table.choose("l", "", "<a@example.com>") == "listener's");
    CHECK(table.choose("other", "", "<a@example.com>") == "r");
}

TEST_CASE("all that a row names has to fit, and one of each is enough") {
    Table table;
    table.add("r", {"l1", "l2"}, {"u1", "u2"}, {"@example.com", "<>"});
    CHECK(table.choose("l1", "u1", "<a@example.com>") == "r");
    CHECK(table.choose("l2", "u2", "<>") == "r");
    CHECK(table.choose("l3", "u1", "<a@example.com>") == "listener's");
    CHECK(table.choose("l1", "u3", "<a@example.com>") == "listener's");
    CHECK(table.choose("l1", "", "<a@example.com>") == "listener's");
    CHECK(table.choose("l1", "U1", "<a@example.com>") == "listener's");
    CHECK(table.choose("l1", "u1", "<a@example.org>") == "listener's");
}

TEST_CASE("the first that fits; a row that names nothing fits all") {
    Table table;
    table.add("exact", {}, {}, {"boss@example.com"});
    table.add("domain", {}, {}, {"@example.com"});
    table.add("all", {}, {}, {});
    table.add("never", {}, {}, {"@example.org"});
    CHECK(table.choose("l", "u", "<boss@example.com>") == "exact");
    CHECK(table.choose("l", "u", "<a@example.com>") == "domain");
    CHECK(table.choose("l", "u", "<a@example.org>") == "all");
    CHECK(table.choose("l", "", "<>") == "all");
}

TEST_CASE("a route goes before the upstreams of a user, and those before the listener's") {
    Table table;
    table.users = {make_provider(table.reactor, table.server, "user's")};
    CHECK(table.choose("l", "u", "<a@example.com>") == "user's");
    table.add("r", {}, {}, {"@example.com"});
    CHECK(table.choose("l", "u", "<a@example.com>") == "r");
    CHECK(table.choose("l", "u", "<a@example.org>") == "user's");
}

TEST_CASE("before the sender is known only what asks for none fits") {
    Table table;
    table.add("sender", {}, {}, {"<>"});
    table.add("user", {}, {"u"}, {});
    const RouteTable routes(table.routes);
    CHECK(routes.choose({"l", "u", nullptr}, {}, table.listeners).front()->name == "user");
    CHECK(routes.choose({"l", "v", nullptr}, {}, table.listeners).front()->name == "listener's");
}
