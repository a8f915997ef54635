// What each worker makes of a snapshot: providers of its own that share what counts.
#include "app/share.hpp"

#include <doctest/doctest.h>

using namespace waxseal;
using namespace waxseal::app;
using upstream::Breaker;

namespace {

struct Building {
    net::Loop loop;
    net::Loop other;
    net::Resolver resolver;
    Secret seed{"0123456789abcdef0123456789abcdef"};
    config::Config config;

    Building() {
        config.hostname = "mail.example.test";
        for (const char* name : {"one", "two"}) {
            config::Upstream upstream;
            upstream.name = name;
            upstream.address = {"127.0.0.1", 25};
            upstream.tls = config::UpstreamTls::none;
            upstream.max_connections = 1;
            config.upstream.push_back(upstream);
        }
        config.listen.emplace_back().upstream = {"two", "one"};
        config.route.push_back({.listen = {}, .user = {}, .sender = {}, .upstream = {"one"}});
    }
    [[nodiscard]] std::shared_ptr<Snapshot> snapshot() {
        auto built = build({loop, seed, 2}, config, Missing::leave);
        REQUIRE(built.has_value());
        return *built;
    }
};

}  // namespace

TEST_CASE("each worker has providers of its own, and they know the same") {
    Building building;
    const auto snapshot = building.snapshot();
    const Share first = make_share(snapshot, building.loop, building.resolver);
    const Share second = make_share(snapshot, building.other, building.resolver);
    REQUIRE(first.providers.size() == 2);
    REQUIRE(second.providers.size() == 2);
    CHECK(first.providers[0] != second.providers[0]);

    first.providers[0]->last_offer =
        smtp::Capabilities{.size_limit = 7, .limits = {}, .auth_mechanisms = {}};
    CHECK(second.providers[0]->last_offer->size_limit == 7);
    CHECK_FALSE(second.providers[1]->last_offer.has_value());
    (void)first.providers[0]->breaker.failed(first.providers[0]->breaker.begin({}),
                                             {FailureKind::connect, "refused"},
                                             Breaker::Caution::usual, {});
    CHECK_FALSE(second.providers[0]->breaker.closed());
    CHECK(second.providers[1]->breaker.closed());
    const auto slot = first.providers[0]->slots.request([] {});
    CHECK(slot->granted());
    CHECK_FALSE(second.providers[0]->slots.request([] {})->granted());
    CHECK(second.providers[1]->slots.request([] {})->granted());
}

TEST_CASE("its sessions go to its own providers") {
    Building building;
    const auto snapshot = building.snapshot();
    const Share share = make_share(snapshot, building.other, building.resolver);
    REQUIRE(share.listeners.size() == 1);
    const relay::SessionSettings& session = *share.listeners[0].session;
    REQUIRE(session.providers.size() == 2);
    CHECK(session.providers[0] == share.providers[1]);
    CHECK(session.providers[1] == share.providers[0]);
    CHECK(session.by_name.at("two").front() == share.providers[1]);
    const auto& routed =
        session.routes->choose({session.listener, "", nullptr}, {}, session.providers);
    REQUIRE(routed.size() == 1);
    CHECK(routed.front() == share.providers[0]);
    CHECK(session.server.hostname == "mail.example.test");
    CHECK(snapshot->listeners[0].settings.session->providers.empty());
}

TEST_CASE("after a reload connections of before still count") {
    Building building;
    const Share before = make_share(building.snapshot(), building.loop, building.resolver);
    auto slot = before.providers[0]->slots.request([] {});
    building.config.upstream.erase(building.config.upstream.begin() + 1);
    building.config.listen[0].upstream = {"one"};
    const Share after = make_share(building.snapshot(), building.loop, building.resolver);
    take_over(before, after);
    CHECK(after.providers[0]->slots.in_use() == 1);
    CHECK_FALSE(after.providers[0]->slots.request([] {})->granted());
    slot.reset();
    CHECK(after.providers[0]->slots.request([] {})->granted());
}
