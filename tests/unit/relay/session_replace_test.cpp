// A connection that was kept turns out to be dead: before a body octet is the upstream's the device
// hears nothing of it, afterwards it gets the one honest answer; and nothing is ever said twice.
#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

const std::vector<std::string> script{"MAIL FROM:<a@example.com>\r\n",
                                      "RCPT TO:<b@example.com>\r\n", "RCPT TO:<c@example.com>\r\n",
                                      "DATA\r\n", "body\r\n.\r\n"};
const std::string accepted = "250 2.0.0 Ok: queued as 1\r\n";

// A session whose upstream connection has carried a message already.
struct Kept : World {
    explicit Kept(ScriptedUpstream::Options options = {}, std::size_t slots = 10)
        : World(options, slots), device(connect()) {
        device.say("EHLO printer\r\n");
        for (const std::string& line : script) device.say(line);
        REQUIRE(device.last() == accepted);
    }
    std::string say_all(std::size_t from = 0, std::size_t to = script.size()) {
        std::string all;
        for (std::size_t i = from; i < to; ++i) all += device.say(script[i]);
        return all;
    }
    void expect_unseen(std::size_t connections = 2) {
        CHECK(device.last() == accepted);
        CHECK(upstream.connections() == connections);
        CHECK(upstream.last().messages == std::vector<std::string>{"body\r\n"});
        CHECK(upstream.last().count("RSET") == 0);
        CHECK(log.count("upstream_replaced") == 1);
        CHECK(log.count("upstream_failed") == 0);
        CHECK(provider().breaker.closed());
        device.say("QUIT\r\n");
        const std::string line = log.of("session_end").at(0).line;
        CHECK(line.find("transactions.1.connection=replaced") != std::string::npos);
        CHECK(listed(check_all(*this)) == "");
    }
    Device& device;
};

const std::string good =
    "250 2.1.0 Ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n"
    "354 End data with <CR><LF>.<CR><LF>\r\n" +
    accepted;

}  // namespace

TEST_CASE("replaced: whatever goes wrong at the first commands, the device gets its 250") {
    const std::vector<Deviation> ends{
        {.then = Then::end_clean},
        {.then = Then::end_cut},
        {.then = Then::reset},
        {.say = "421 4.4.2 idle too long\r\n"},
        {.say = "421 4.4.2 idle too long\r\n", .then = Then::end_clean}};
    for (const Step step : {Step::rset, Step::mail, Step::rcpt, Step::data}) {
        for (Deviation end : ends) {
            CAPTURE(to_string(step));
            CAPTURE(end.say);
            CAPTURE(static_cast<int>(end.then));
            end.step = step;
            Kept world;
            world.upstream.deviations = {end};
            CHECK(world.say_all() == good);
            world.expect_unseen();
        }
    }
}

TEST_CASE("replaced: an upstream that has forgotten who we are") {
    Kept world;
    SUBCASE("RSET refused") {
        world.upstream.deviations = {{.step = Step::rset, .say = "500 5.5.1 what?\r\n"}};
    }
    SUBCASE("MAIL refused for now") {
        world.upstream.deviations = {{.step = Step::mail, .say = "451 4.3.0 no\r\n"}};
    }
    SUBCASE("MAIL refused for good") {
        world.upstream.deviations = {{.step = Step::mail, .say = "530 5.7.0 log in first\r\n"}};
    }
    CHECK(world.say_all() == good);
    world.expect_unseen();
}

TEST_CASE("replaced: a firewall that has dropped the connection without a word") {
    Kept world({}, 1);
    world.upstream.last().wire->set_window(0);
    CHECK(world.device.say(script[0]).starts_with("250 "));
    CHECK(world.device.say(script[1]) == "");
    world.reactor.advance(5s);
    CHECK(world.device.listen() == "250 2.1.5 Recipient ok\r\n");  // over the one slot there is
    world.say_all(2);
    world.expect_unseen();
}

TEST_CASE("replaced: lost while the device is silent, with recipients accepted and refused") {
    for (const EndOfInput how : {EndOfInput::clean, EndOfInput::truncated, EndOfInput::failed}) {
        Kept world;
        world.device.say(script[0]);
        world.upstream.deviations = {{.step = Step::rcpt, .say = "550 5.1.1 who?\r\n"}};
        CHECK(world.device.say("RCPT TO:<nobody@example.com>\r\n") == "550 5.1.1 who?\r\n");
        world.device.say(script[1]);
        world.upstream.last().wire->end(how);
        world.reactor.run_until_idle();
        CHECK(world.device.listen() == "");
        world.say_all(2);
        // Who was refused is not asked about again.
        CHECK(world.upstream.last().count("RCPT") == 2);
        world.expect_unseen();
    }
}

TEST_CASE("replaced: before DATA has its answer, and before the first octet of the body") {
    Kept world;
    world.say_all(0, 4);
    REQUIRE(world.device.last().starts_with("354 "));
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.device.say(script[4]) == accepted);
    world.expect_unseen();
}

TEST_CASE("not replaced: part of the body may be with the upstream") {
    Kept world;
    world.say_all(0, 4);
    world.device.say("half\r\n");
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.device.say(".\r\n").starts_with("451 4.4.2 "));
    CHECK(world.upstream.connections() == 1);
    CHECK(world.upstream.accepted() == 1);
    CHECK(world.log.count("upstream_replaced") == 0);
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("not replaced: the end of data was sent, so nobody knows") {
    Kept world;
    world.upstream.deviations = {{.step = Step::message, .then = Then::end_clean}};
    world.say_all();
    CHECK(world.device.last().starts_with("451 4.4.2 "));
    CHECK(world.upstream.connections() == 1);
    CHECK(world.log.count("outcome_unknown") == 1);
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("not replaced twice: the new connection's word is the last") {
    Kept world;
    world.upstream.deviations = {{.step = Step::rset, .then = Then::reset},
                                 {.step = Step::mail, .say = "451 4.3.0 later\r\n"}};
    world.device.say(script[0]);
    CHECK(world.device.say(script[1]) == "451 4.3.0 later\r\n");
    CHECK(world.upstream.connections() == 2);
    CHECK(world.log.count("upstream_replaced") == 1);
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("not replaced: a new connection has no such excuse") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    world.upstream.deviations = {{.step = Step::mail, .then = Then::reset}};
    device.say(script[0]);
    CHECK(device.say(script[1]).starts_with("451 4.4.2 "));
    CHECK(world.upstream.connections() == 1);
    CHECK(world.log.count("upstream_replaced") == 0);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("replaced, but a recipient that was accepted is not any more: for now, and for all") {
    Kept world;
    world.say_all(0, 3);
    world.upstream.deviations = {{.step = Step::rcpt, .say = "550 5.1.1 gone\r\n"}};
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.device.say(script[3]).starts_with("451 4.4.2 "));
    CHECK(world.upstream.accepted() == 1);
    world.device.say("RSET\r\n");
    CHECK(world.say_all().ends_with("250 2.0.0 Ok: queued as 1\r\n"));
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("replaced, but the new connection cannot do what was asked for") {
    Kept world;
    world.device.say("MAIL FROM:<a@example.com> SMTPUTF8\r\n");
    world.device.say(script[1]);
    std::size_t said = 2;
    SUBCASE("before DATA") {}
    SUBCASE("after DATA") {
        CHECK(world.device.say("DATA\r\n").starts_with("354 "));
        said = 4;
    }
    world.upstream.offer = {"PIPELINING"};
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.device.listen() == "");
    const std::string reply = world.device.say(said == 2 ? "DATA\r\n" : script[4]);
    CHECK(reply.starts_with("550 5.6.7 "));
    CHECK(world.upstream.accepted() == 1);
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("replaced where the upstream is away: its failure is the answer") {
    Kept world;
    world.upstream.deviations = {{.step = Step::rset, .then = Then::end_clean}};
    world.dialer().plans = {{.failure = Failure{FailureKind::connect, "refused"}}};
    world.device.say(script[0]);
    CHECK(world.device.say(script[1]) ==
          "451 4.4.1 The upstream cannot be reached; try again later\r\n");
    CHECK(world.log.count("upstream_replaced") == 1);
    CHECK(world.log.count("upstream_failed") == 1);
    world.device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}
