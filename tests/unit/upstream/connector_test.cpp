// The connector: slot, dial, login; the next upstream when one fails; nothing left when it is
// dropped.
#include "upstream/connector.hpp"

#include "unit/upstream/place.hpp"
#include "upstream/probe.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;
using upstream::Connector;

TEST_CASE("the first upstream is taken when it works") {
    Place place;
    place.dialer(0).otherwise.after = 120ms;
    place.start();
    CHECK_FALSE(place.outcome.has_value());
    place.reactor.advance(120ms);
    CHECK(place.connected_to() == "first");
    CHECK((**place.outcome)->timings().connect == 120ms);
    CHECK((**place.outcome)->timings().queue == 0ms);
    CHECK(place.second.connections() == 0);
    CHECK(place.providers[0]->slots.in_use() == 1);
    CHECK(place.log.events().empty());
    place.expect_nothing_left();
}

TEST_CASE("each phase of the way is timed") {
    Place place;
    place.first.options.plan = TlsPlan::hangs;
    place.dialer(0).otherwise.after = 20ms;
    auto other = place.providers[0]->slots.request(nullptr);
    place.start(1);
    place.reactor.advance(5ms);
    CHECK(place.dialer(0).dials() == 0);
    other.reset();
    place.reactor.advance(20ms);
    REQUIRE(place.first.connections() == 1);
    place.reactor.advance(300ms);
    place.first.last().wire->finish_handshake(true);
    place.first.deviations = {{.step = Step::ehlo, .then = Then::stall}};
    place.reactor.advance(4ms);
    place.first.say(0, "250-smtp.example.com\r\n250 AUTH PLAIN\r\n");
    place.reactor.run_until_idle();
    place.first.say(0, "235 2.7.0 ok\r\n");
    place.reactor.run_until_idle();
    REQUIRE(place.connected_to() == "first");
    const upstream::Timings& timings = (**place.outcome)->timings();
    CHECK(timings.queue == 5ms);
    CHECK(timings.connect == 20ms);
    CHECK(timings.tls == 300ms);
    CHECK(timings.login == 4ms);
    place.expect_nothing_left();
}

TEST_CASE("upstreams are tried in order; the first failure is the one that is told") {
    const std::vector<FailureKind> kinds{FailureKind::name_lookup, FailureKind::connect,
                                         FailureKind::timeout, FailureKind::tls};
    for (const FailureKind kind : kinds) {
        CAPTURE(to_string(kind));
        for (const bool second_works : {true, false}) {
            Place place;
            place.dialer(0).otherwise.failure = Failure{kind, "number one"};
            if (!second_works)
                place.dialer(1).otherwise.failure = Failure{FailureKind::connect, "number two"};
            place.start();
            const auto events = place.log.of("upstream_failed");
            CHECK(place.connected_to() == (second_works ? "second" : ""));
            REQUIRE(events.size() == (second_works ? 1 : 2));
            CHECK(events[0]["upstream"] == "first");
            CHECK(events[0]["cause"] == to_string(kind));
            if (!second_works) {
                CHECK(place.failure().kind == kind);
                CHECK(place.failure().reason == "number one");
                CHECK(events[1]["upstream"] == "second");
                CHECK(events[1]["reason"] == "number two");
            }
            CHECK(place.dialer(0).dials() == 1);
            CHECK(place.providers[0]->slots.in_use() == 0);
            place.expect_nothing_left();
        }
    }
}

TEST_CASE("a login that fails also leads to the next upstream") {
    struct Case {
        Deviation deviation;
        FailureKind kind;
    };
    const std::vector<Case> cases{
        {{.step = Step::greeting, .say = "554 5.7.1 go away\r\n"}, FailureKind::unavailable},
        {{.step = Step::greeting, .say = "421 4.3.2 later\r\n"}, FailureKind::unavailable},
        {{.step = Step::greeting, .say = "HTTP/1.1 400\r\n"}, FailureKind::protocol},
        {{.step = Step::greeting, .then = Then::end_clean}, FailureKind::lost},
        {{.step = Step::ehlo, .say = "502 5.5.1 no\r\n"}, FailureKind::unavailable},
        {{.step = Step::ehlo, .then = Then::reset}, FailureKind::lost},
        {{.step = Step::auth, .say = "535 5.7.8 wrong\r\n"}, FailureKind::credentials},
        {{.step = Step::auth, .say = "334 \r\n"}, FailureKind::credentials},
        {{.step = Step::auth, .say = "421 4.3.2 later\r\n"}, FailureKind::unavailable},
    };
    for (const Case& one : cases) {
        CAPTURE(one.deviation.say);
        CAPTURE(to_string(one.deviation.step));
        Place place;
        place.first.deviations = {one.deviation};
        place.start();
        CHECK(place.connected_to() == "second");
        const auto events = place.log.of("upstream_failed");
        REQUIRE(events.size() == 1);
        CHECK(events[0]["cause"] == to_string(one.kind));
        CHECK(place.log.all().find(password) == std::string::npos);
        place.expect_nothing_left();
    }
}

TEST_CASE("waiting for a slot has its limit: busy") {
    Place place;
    auto other = place.providers[0]->slots.request(nullptr);
    place.start(1);
    place.reactor.advance(30s - 1ms);
    CHECK_FALSE(place.outcome.has_value());
    CHECK(place.dialer(0).dials() == 0);
    SUBCASE("one is freed at the last moment") {
        other.reset();
        place.reactor.run_until_idle();
        CHECK(place.connected_to() == "first");
        CHECK((**place.outcome)->timings().queue == 30s - 1ms);
    }
    SUBCASE("none is freed") {
        place.reactor.advance(1ms);
        CHECK(place.failure().kind == FailureKind::busy);
        CHECK(place.providers[0]->slots.waiting() == 0);
    }
    other.reset();
    place.expect_nothing_left();
}

TEST_CASE("with the first upstream full the second is tried") {
    Place place;
    auto other = place.providers[0]->slots.request(nullptr);
    place.start();
    place.reactor.advance(30s);
    CHECK(place.connected_to() == "second");
    other.reset();
    place.expect_nothing_left();
}

TEST_CASE("dropped in any state it leaves nothing and says nothing") {
    Place place;
    std::unique_ptr<upstream::Slots::Request> other;
    SUBCASE("waiting for a slot") { other = place.providers[0]->slots.request(nullptr); }
    SUBCASE("slot granted, not yet told") {
        other = place.providers[0]->slots.request(nullptr);
        place.start();
        other.reset();
    }
    SUBCASE("dialling") { place.dialer(0).otherwise.hangs = true; }
    SUBCASE("dialled this moment") { place.dialer(0).otherwise.after = 1h; }
    SUBCASE("in the handshake") { place.first.options.plan = TlsPlan::hangs; }
    SUBCASE("before the greeting") {
        place.first.deviations = {{.step = Step::greeting, .then = Then::stall}};
    }
    SUBCASE("before the reply to AUTH") {
        place.first.deviations = {{.step = Step::auth, .then = Then::stall}};
    }
    SUBCASE("at the second upstream") {
        place.dialer(0).otherwise.failure = Failure{FailureKind::connect, "refused"};
        place.second.deviations = {{.step = Step::ehlo, .then = Then::stall}};
    }
    SUBCASE("ready") {}
    if (!place.connector) place.start();
    place.connector.reset();
    const int before = place.notified;
    place.reactor.advance(24h);
    CHECK(place.notified == before);
    for (std::size_t i = 0; i < place.first.connections(); ++i)
        CHECK(place.first[i].count("MAIL") == 0);
    other.reset();
    place.expect_nothing_left();
}

TEST_CASE("an upstream that breaks off over an earlier TLS session is dialled once more, at once") {
    for (const auto tls : {ScriptedUpstream::Tls::implicit, ScriptedUpstream::Tls::starttls}) {
        Place place;
        place.first.options = {.tls = tls, .plan = TlsPlan::fails, .offers_session = true};
        place.providers[0] = make_provider(place.reactor, place.first, "first", 1);
        place.providers[0]->pool.reset();
        SUBCASE("it works without") {
            place.dialer(0).on_dial = [&, dials = 0]() mutable {
                if (++dials == 2) place.first.options.plan = TlsPlan::succeeds;
            };
            place.start();
            CHECK(place.connected_to() == "first");
            CHECK(place.log.count("upstream_failed") == 0);
            CHECK(place.providers[0]->breaker.closed());
        }
        SUBCASE("it works in no way") {
            place.start(1);
            CHECK(place.failure().kind == FailureKind::tls);
            CHECK(place.log.count("upstream_failed") == 1);
        }
        SUBCASE("it had answered") {
            place.first.options.plan = TlsPlan::succeeds;
            place.first.deviations = {{.step = Step::auth, .then = Then::end_cut}};
            place.start(1);
            CHECK(place.failure().kind == FailureKind::lost);
            CHECK(place.dialer(0).dials() == 1);
            place.expect_nothing_left();
            return;
        }
        CHECK(place.dialer(0).dials() == 2);
        place.expect_nothing_left();
    }
}

TEST_CASE("the probe learns what is offered, leaves its connection to the pool, and tells once") {
    Place place;
    place.keep_ready(0);
    std::vector<bool> done;
    std::optional<upstream::Probe> probe;
    const auto run = [&] {
        probe.emplace(place.reactor, place.providers[0], upstream::Probe::Why::unknown,
                      [&](bool ready) { done.push_back(ready); });
        place.reactor.run_until_idle();
    };
    SUBCASE("an upstream that works") {
        place.first.offer = {"8BITMIME"};
        run();
        CHECK(done == std::vector<bool>{true});
        REQUIRE(place.providers[0]->last_offer.has_value());
        CHECK(place.providers[0]->last_offer->has(smtp::Extension::eight_bit_mime));
        CHECK(place.providers[0]->pool->idle() == 1);
        place.reactor.advance(29s);
        CHECK(place.first[0].commands.back().starts_with("AUTH"));
        place.reactor.advance(1s);
        CHECK(place.first[0].commands.back() == "QUIT");
        const auto events = place.log.of("upstream_ready");
        REQUIRE(events.size() == 1);
        CHECK(events[0]["tls"] == "TLSv1.3");
        CHECK(events[0]["mechanism"] == "PLAIN");
    }
    SUBCASE("one that does not") {
        place.dialer(0).otherwise.failure = Failure{FailureKind::connect, "refused"};
        run();
        CHECK(done == std::vector<bool>{false});
        CHECK_FALSE(place.providers[0]->last_offer.has_value());
    }
    SUBCASE("one that dies late") {
        place.first.deviations = {{.step = Step::auth, .then = Then::end_cut}};
        run();
        CHECK(done == std::vector<bool>{false});
    }
    place.reactor.advance(1h);
    CHECK(done.size() == 1);
    place.expect_nothing_left();
}

TEST_CASE("a probe that is destroyed tells nothing") {
    Place place;
    bool done = false;
    auto probe = std::make_unique<upstream::Probe>(place.reactor, place.providers[0],
                                                   upstream::Probe::Why::unknown,
                                                   [&](bool) { done = true; });
    SUBCASE("at once") {}
    SUBCASE("with its word already on the way") {
        // Destroyed by what runs right before it.
        place.reactor.choose = [&](std::size_t) -> std::size_t {
            if (place.log.count("upstream_ready") != 0) probe.reset();
            return 0;
        };
        while (place.log.count("upstream_ready") == 0 && place.reactor.run_one()) {
        }
    }
    SUBCASE("in the login") {
        place.first.deviations = {{.step = Step::ehlo, .then = Then::stall}};
        place.reactor.run_until_idle();
    }
    probe.reset();
    place.reactor.advance(1h);
    if (place.log.count("upstream_ready") == 0) CHECK_FALSE(done);
    place.expect_nothing_left();
}
