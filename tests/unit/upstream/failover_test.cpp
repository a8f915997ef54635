// Several upstreams, some of them down: what a session pays for those, what it hears when all are,
// how one that works again is found.
#include <doctest/doctest.h>

#include "unit/upstream/place.hpp"
#include "upstream/prober.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;
using upstream::Connector;

namespace {

void down(Place& place, std::size_t i, FailureKind kind = FailureKind::connect) {
    place.dialer(i).otherwise.failure = Failure{kind, "number " + std::to_string(i)};
}
void up(Place& place, std::size_t i) { place.dialer(i).otherwise.failure.reset(); }

// A session after the other; each leaves nothing.
std::string next(Place& place, std::size_t how_many = 2) {
    place.outcome.reset();
    place.connector.reset();
    place.reactor.run_until_idle();
    place.start(how_many);
    REQUIRE(place.outcome.has_value());
    if (!*place.outcome) return place.failure().reason;
    return place.connected_to();
}

}  // namespace

TEST_CASE("a dead upstream is dialled once, not by every session") {
    Place place;
    down(place, 0);
    for (int i = 0; i < 100; ++i) {
        CHECK(next(place) == "second");
        place.reactor.advance(1min);
    }
    CHECK(place.dialer(0).dials() == 1);
    CHECK(place.log.count("upstream_failed") == 1);
    const auto events = place.log.of("upstream_down");
    REQUIRE(events.size() == 1);
    CHECK(events[0]["upstream"] == "first");
    CHECK(events[0]["cause"] == "connect");
    CHECK(events[0]["reason"] == "number 0");
    CHECK(events[0]["retry_ms"] == "1000");
    place.expect_nothing_left();
}

TEST_CASE("a dead upstream's slot is not waited for: not even by those who already wait") {
    Place place;
    auto other = place.providers[0]->slots.request(nullptr);
    place.start();
    REQUIRE_FALSE(place.outcome.has_value());
    auto attempt = place.providers[0]->breaker.begin(place.reactor.now());
    place.providers[0]->failed(std::move(attempt), {FailureKind::connect, "refused"},
                               upstream::Breaker::Caution::usual, place.reactor.now());
    other.reset();
    place.reactor.run_until_idle();
    CHECK(place.connected_to() == "second");
    CHECK(place.dialer(0).dials() == 0);
    place.expect_nothing_left();
}

TEST_CASE("with all down a session hears the first one's failure at once, and soon a new one") {
    Place place;
    down(place, 0);
    down(place, 1);
    CHECK(next(place) == "number 0");
    CHECK(place.dialer(0).dials() == 1);
    CHECK(place.dialer(1).dials() == 1);
    // One failure proves nothing; the second in a row does.
    CHECK(next(place) == "number 0");
    CHECK(place.dialer(0).dials() == 2);
    place.reactor.advance(1s);
    CHECK(next(place) == "number 0");
    CHECK(place.dialer(0).dials() == 3);
    for (int i = 0; i < 100; ++i) CHECK(next(place) == "number 0");
    CHECK(place.dialer(0).dials() == 3);
    CHECK(place.dialer(1).dials() == 3);
    CHECK(place.log.count("upstream_failed") == 6);

    SUBCASE("after the back-off each is probed") {
        place.reactor.advance(2s);
        CHECK(next(place) == "number 0");
        CHECK(place.dialer(0).dials() == 4);
        CHECK(place.dialer(1).dials() == 4);
        CHECK(next(place) == "number 0");
        CHECK(place.dialer(0).dials() == 4);
    }
    SUBCASE("however long the back-off, the first is tried again after five seconds") {
        for (int i = 0; i < 9; ++i) {
            place.reactor.advance(5min);
            next(place);
        }
        const std::size_t before = place.dialer(0).dials();
        REQUIRE(*place.providers[0]->breaker.due_at() - place.reactor.now() == 5min);
        up(place, 0);
        place.reactor.advance(5s - 1ms);
        CHECK(next(place) == "number 0");
        CHECK(place.dialer(0).dials() == before);
        place.reactor.advance(1ms);
        CHECK(next(place) == "first");
        CHECK(place.log.count("upstream_up") == 1);
        CHECK(next(place) == "first");
    }
    SUBCASE("the second works again: then that one, and the session is not told of the first") {
        up(place, 1);
        place.reactor.advance(2s);
        CHECK(next(place) == "second");
    }
    CHECK(place.log.count("upstream_down") == 2);
    place.expect_nothing_left();
}

TEST_CASE("refused credentials are not sent again at every transaction") {
    Place place;
    place.first.on_step = [](Step step, std::size_t) -> std::optional<Deviation> {
        if (step != Step::auth) return std::nullopt;
        return Deviation{.step = step, .say = "535 5.7.8 wrong\r\n"};
    };
    std::size_t logins = 0;
    for (int second = 0; second < 600; ++second) {
        static_cast<void>(next(place, 1));
        CHECK(place.failure().kind == FailureKind::credentials);
        logins = place.first.steps_of(Step::auth);
        place.reactor.advance(1s);
    }
    CHECK(logins == 4);
    CHECK(place.log.count("upstream_failed") == 4);
    CHECK(place.log.count("upstream_down") == 1);
    place.expect_nothing_left();
}

TEST_CASE("half-open: of many sessions one probes, and the others are not kept waiting") {
    Place place;
    down(place, 0);
    CHECK(next(place, 1) == "number 0");
    place.reactor.advance(1s);
    CHECK(next(place, 1) == "number 0");
    place.reactor.advance(2s);
    place.dialer(0).otherwise = {.hangs = true};
    place.outcome.reset();
    place.start(1);
    CHECK_FALSE(place.outcome.has_value());
    const auto probing = std::move(place.connector);
    for (int i = 0; i < 20; ++i) CHECK(next(place, 1) == "number 0");
    CHECK(place.dialer(0).under_way() == 1);
    CHECK(place.dialer(0).dials() == 3);
}

TEST_CASE("a session that goes away in the middle of its probe lets the next one probe") {
    Place place;
    down(place, 0);
    CHECK(next(place, 1) == "number 0");
    place.reactor.advance(1s);
    place.dialer(0).otherwise = {.hangs = true};
    place.outcome.reset();
    place.start(1);
    place.dialer(0).otherwise = {};
    CHECK(next(place, 1) == "first");
    place.expect_nothing_left();
}

TEST_CASE("each login asks for its credentials anew") {
    Place place;
    int asked = 0;
    place.providers[0]->credential_source = [&]() -> std::expected<smtp::Credentials, Error> {
        if (++asked == 2) return std::unexpected(Error{"token.txt: cannot be read"});
        return smtp::Credentials{"user" + std::to_string(asked), Secret(password)};
    };
    CHECK(next(place) == "first");
    CHECK((**place.outcome)->account() == "user1");

    // None to be had: nobody is dialled, the next upstream serves, and the file is looked at again
    // soon, since no login was refused.
    const std::size_t dials = place.dialer(0).dials();
    CHECK(next(place) == "second");
    CHECK(place.dialer(0).dials() == dials);
    const auto events = place.log.of("upstream_failed");
    REQUIRE(events.size() == 1);
    CHECK(events[0]["cause"] == "credentials");
    CHECK(events[0]["reason"] == "token.txt: cannot be read");
    CHECK(place.log.of("upstream_down").at(0)["retry_ms"] == "1000");
    CHECK(next(place, 1) == "first");
    CHECK((**place.outcome)->account() == "user3");
    place.expect_nothing_left();
}

TEST_CASE("a token that has been renewed is tried at once, and the refused one is not") {
    Place place;
    std::string token = "old";
    place.providers[0]->credential_source = [&]() -> std::expected<smtp::Credentials, Error> {
        return smtp::Credentials{token, Secret(password)};
    };
    const auto refuse = [](Step step, std::size_t) -> std::optional<Deviation> {
        if (step != Step::auth) return std::nullopt;
        return Deviation{.step = step, .say = "535 5.7.8 expired\r\n"};
    };
    place.first.on_step = refuse;
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(next(place, 1));
        CHECK(place.failure().kind == FailureKind::credentials);
        place.reactor.advance(1s);
    }
    CHECK(place.first.steps_of(Step::auth) == 1);
    SUBCASE("by the next session") {
        token = "new";
        place.first.on_step = nullptr;
        CHECK(next(place, 1) == "first");
        CHECK((**place.outcome)->account() == "new");
    }
    SUBCASE("once, if it is refused as well") {
        token = "new";
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(next(place, 1));
            CHECK(place.failure().kind == FailureKind::credentials);
            place.reactor.advance(1s);
        }
        CHECK(place.first.steps_of(Step::auth) == 2);
    }
    SUBCASE("by the prober, when nobody sends") {
        std::optional<upstream::Prober> prober(std::in_place, place.reactor,
                                               upstream::Connector::Providers{place.providers[0]});
        place.reactor.advance(10s);
        const std::size_t before = place.first.steps_of(Step::auth);
        place.reactor.advance(20s);
        CHECK(place.first.steps_of(Step::auth) == before);
        token = "new";
        place.first.on_step = nullptr;
        place.reactor.advance(5s);
        CHECK(place.first.steps_of(Step::auth) == before + 1);
        CHECK(place.log.count("upstream_up") == 1);
        prober.reset();
    }
    place.expect_nothing_left();
}

TEST_CASE("the prober finds out that a dead upstream works again, and no session pays for it") {
    Place place;
    down(place, 0);
    auto prober = std::make_optional<upstream::Prober>(place.reactor, place.providers);
    place.reactor.run_until_idle();
    CHECK(place.dialer(0).dials() == 1);
    CHECK(place.dialer(1).dials() == 1);
    CHECK(next(place) == "second");
    place.reactor.advance(1s + 2s + 4s);
    CHECK(place.dialer(0).dials() == 4);
    CHECK(place.dialer(1).dials() == 2);
    CHECK(next(place) == "second");
    up(place, 0);
    place.reactor.advance(8s - 1ms);
    CHECK(next(place) == "second");
    place.reactor.advance(1ms);
    CHECK(next(place) == "first");
    CHECK(place.log.count("upstream_down") == 1);
    REQUIRE(place.log.count("upstream_up") == 1);
    CHECK(place.log.of("upstream_up")[0]["down_ms"] == "15000");
    // Those that work are let alone.
    const std::size_t dials = place.dialer(0).dials();
    place.reactor.advance(24h);
    CHECK(place.dialer(0).dials() == dials);
    prober.reset();
    place.expect_nothing_left();
}

TEST_CASE("the prober looks again when a session took its turn and went away") {
    Place place;
    upstream::Prober prober(place.reactor, place.providers);
    place.reactor.run_until_idle();
    down(place, 0);
    CHECK(next(place) == "second");
    up(place, 0);
    // As if a session had got there a moment before the prober.
    auto turn = place.providers[0]->breaker.begin(*place.providers[0]->breaker.due_at());
    place.reactor.advance(10s);
    CHECK(place.providers[0]->breaker.state() == upstream::Breaker::State::half_open);
    turn.reset();
    place.reactor.advance(1s);
    CHECK(place.providers[0]->breaker.closed());
}

TEST_CASE("a prober whose upstream has no slot free does not run hot") {
    Place place;
    place.providers[0]->timeouts.queue = 0ms;
    down(place, 0);
    upstream::Prober prober(place.reactor, {place.providers[0]});
    place.reactor.run_until_idle();
    const auto other = place.providers[0]->slots.request(nullptr);
    place.reactor.advance(1min);
    CHECK(place.log.count("upstream_failed") <= 62);
    CHECK(place.log.count("upstream_down") == 1);
}

TEST_CASE("a prober that is destroyed has taken its hands off the providers") {
    Place place;
    auto prober = std::make_optional<upstream::Prober>(place.reactor, place.providers);
    SUBCASE("at once") {}
    SUBCASE("later") { place.reactor.run_until_idle(); }
    prober.reset();
    down(place, 0);
    CHECK(next(place) == "second");
    place.reactor.advance(1h);
    CHECK(place.dialer(0).dials() <= 2);
    place.expect_nothing_left();
}
