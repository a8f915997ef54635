// What a reload hands on from the old upstreams to the new.
#include "app/snapshot.hpp"

#include <doctest/doctest.h>

#include "unit/support/sim.hpp"

using namespace waxseal;
using namespace waxseal::app;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using upstream::Breaker;

namespace {

Snapshot snapshot(FakeReactor& reactor, std::string account) {
    Snapshot made;
    made.config.upstream.emplace_back().name = "one";
    made.providers.push_back(std::make_shared<upstream::Provider>(
        upstream::Provider{.name = "one",
                           .dialer = nullptr,
                           .client = {},
                           .credentials = std::nullopt,
                           .timeouts = {},
                           .slots = upstream::Slots(reactor, 1),
                           .last_offer = std::nullopt}));
    made.accounts.push_back(std::move(account));
    return made;
}

}  // namespace

TEST_CASE("a reload keeps what is known of an upstream as long as its account is the same") {
    FakeReactor reactor;
    const Snapshot before = snapshot(reactor, "account");
    upstream::Provider& old = *before.providers[0];
    old.last_offer = smtp::Capabilities{.size_limit = 42, .limits = {}, .auth_mechanisms = {}};
    old.last_used = smtp::Credentials{.username = "refused"};
    static_cast<void>(old.breaker.failed(old.breaker.begin({}),
                                         {FailureKind::credentials, "535 no"},
                                         Breaker::Caution::account, {}));
    SUBCASE("the same") {
        const Snapshot after = snapshot(reactor, "account");
        carry_over(before, after);
        CHECK(after.providers[0]->breaker.login_refused());
        REQUIRE(after.providers[0]->last_used.has_value());
        CHECK(after.providers[0]->last_used->username == "refused");
        CHECK(after.providers[0]->last_offer->size_limit == 42);
    }
    SUBCASE("another password or certificate") {
        const Snapshot after = snapshot(reactor, "other");
        carry_over(before, after);
        CHECK(after.providers[0]->breaker.closed());
        CHECK_FALSE(after.providers[0]->last_used.has_value());
        CHECK(after.providers[0]->last_offer->size_limit == 42);
    }
    SUBCASE("another TLS") {
        Snapshot after = snapshot(reactor, "account");
        after.config.upstream[0].pin_only = true;
        carry_over(before, after);
        CHECK(after.providers[0]->breaker.closed());
        CHECK_FALSE(after.providers[0]->last_offer.has_value());
    }
    SUBCASE("another place") {
        Snapshot after = snapshot(reactor, "account");
        after.config.upstream[0].address.host = "elsewhere.example";
        carry_over(before, after);
        CHECK(after.providers[0]->breaker.closed());
        CHECK_FALSE(after.providers[0]->last_offer.has_value());
    }
}
