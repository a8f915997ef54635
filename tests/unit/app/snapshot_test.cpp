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
    made.upstreams.push_back({.name = "one",
                              .dial = {},
                              .client = {},
                              .credentials = std::nullopt,
                              .credential_source = {},
                              .timeouts = {},
                              .slots = upstream::Slots(reactor, 1),
                              .account = std::move(account)});
    return made;
}

}  // namespace

TEST_CASE("a reload keeps what is known of an upstream as long as its account is the same") {
    FakeReactor reactor;
    Snapshot before = snapshot(reactor, "account");
    BuiltUpstream& old = before.upstreams[0];
    old.last_offer = smtp::Capabilities{.size_limit = 42, .limits = {}, .auth_mechanisms = {}};
    old.last_used = smtp::Credentials{.username = "refused"};
    static_cast<void>(old.breaker.failed(old.breaker.begin({}),
                                         {FailureKind::credentials, "535 no"},
                                         Breaker::Caution::account, {}));
    Snapshot after = snapshot(reactor, "account");
    const BuiltUpstream& now = after.upstreams[0];
    SUBCASE("the same") {
        carry_over(before, after);
        CHECK(now.breaker.login_refused());
        REQUIRE(now.last_used.has_value());
        CHECK(now.last_used->username == "refused");
        CHECK(now.last_offer->size_limit == 42);
        // What sessions of before find out still counts.
        CHECK(old.breaker.succeeded(old.breaker.begin({})) == Breaker::Change::closed);
        CHECK(now.breaker.closed());
    }
    SUBCASE("another password or certificate") {
        after.upstreams[0].account = "other";
        carry_over(before, after);
        CHECK(now.breaker.closed());
        CHECK_FALSE(now.last_used.has_value());
        CHECK(now.last_offer->size_limit == 42);
    }
    SUBCASE("another TLS") {
        after.config.upstream[0].pin_only = true;
        carry_over(before, after);
        CHECK(now.breaker.closed());
        CHECK_FALSE(now.last_offer.has_value());
    }
    SUBCASE("another place") {
        after.config.upstream[0].address.host = "elsewhere.example";
        carry_over(before, after);
        CHECK(now.breaker.closed());
        CHECK_FALSE(now.last_offer.has_value());
    }
}
