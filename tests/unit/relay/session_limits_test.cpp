// Limits inside a session: the pace of a body, the delay of refusals; and sessions with an upstream
// that is down.
#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

const std::string too_slow = "421 4.4.2 The message comes too slowly; closing\r\n";
const std::string wrong = "RCPT TO:<b@example.com>\r\n";  // before MAIL
const std::string no_sequence = "503 5.5.1 Bad sequence of commands\r\n";

Device& in_body(World& world) {
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    REQUIRE(device.say("DATA\r\n").starts_with("354"));
    return device;
}

// Refused, until one more would be delayed.
Device& half_way(World& world) {
    world.settings->server.max_errors = 4;
    world.settings->server.prompt_errors = world.settings->server.max_errors / 2;
    world.settings->error_delay = 1s;
    Device& device = world.connect();
    device.say("EHLO x\r\n");
    for (int i = 0; i < 2; ++i) CHECK(device.say(wrong) == no_sequence);
    return device;
}

}  // namespace

TEST_CASE("a body that trickles is ended, and the upstream gets no end mark") {
    World world;
    world.settings->min_data_rate = 500;
    Device& device = in_body(world);
    std::string heard;
    int seconds = 0;
    for (; heard.empty() && seconds < 1000; seconds += 10) {
        world.reactor.advance(10s);
        heard = device.listen();
        if (heard.empty()) device.wire->feed("x");
    }
    CHECK(heard == too_slow);
    CHECK(seconds == 310);
    CHECK(device.closed());
    CHECK(world.upstream.messages().empty());
    CHECK(world.log.of("session_end").at(0)["end"] == "too_slow");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a body that is slow, but not too slow, arrives") {
    World world;
    world.settings->min_data_rate = 500;
    Device& device = in_body(world);
    std::string body;
    for (int i = 0; i < 100; ++i) {
        const std::string line = std::string(4998, 'x') + "\r\n";
        body += line;
        CHECK(device.say(line) == "");
        world.reactor.advance(10s);
    }
    CHECK(device.say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(world.upstream.messages() == std::vector<std::string>{body});
    // The pace is the body's alone.
    world.reactor.advance(4min);
    CHECK(device.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("while the upstream takes nothing it is not the device that is slow") {
    World world;
    world.settings->min_data_rate = 500;
    world.settings->downstream_idle = 10s;
    Device& device = in_body(world);
    Wire& upstream = *world.upstream.last().wire;
    upstream.set_window(0);
    std::string body;
    while (body.size() < 500'000) body += "a line of a long message\r\n";
    CHECK(device.say(body) == "");
    world.reactor.advance(4min);
    CHECK_FALSE(device.closed());
    upstream.widen_window(100'000'000);
    world.reactor.run_until_idle();
    SUBCASE("and then it is its turn again") {
        world.reactor.advance(10s);
        CHECK(device.listen() != "");
        CHECK(device.closed());
        CHECK(world.upstream.messages().empty());
    }
    SUBCASE("it goes on") {
        CHECK(device.say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
        device.say("QUIT\r\n");
    }
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("after half of the errors each refusal is delayed, and nothing is read meanwhile") {
    World world;
    Device& device = half_way(world);
    CHECK(device.say(wrong + "NOOP\r\n") == "");
    CHECK_FALSE(device.wire->reading());
    world.reactor.advance(1s - 1ms);
    CHECK(device.listen() == "");
    world.reactor.advance(1ms);
    CHECK(device.listen() == no_sequence + "250 2.0.0 Ok\r\n");
    CHECK(device.wire->reading());
    CHECK(device.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
    CHECK(device.say(wrong) == "");
    world.reactor.advance(1s);
    CHECK(device.listen() == no_sequence);
    CHECK(device.say("NOOP\r\n").starts_with("421 4.7.0 "));
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("what is refused here is delayed one by one, however much comes at once") {
    World world;
    Device& device = half_way(world);
    std::string batch = wrong + "NOOP\r\n" + wrong + "NOOP\r\n" + wrong;
    CHECK(device.say(batch) == "");
    for (int i = 0; i < 2; ++i) {
        world.reactor.advance(1s - 1ms);
        CHECK(device.listen() == "");
        world.reactor.advance(1ms);
        CHECK(device.listen() == (i == 0 ? no_sequence
                                         : "250 2.0.0 Ok\r\n" + no_sequence +
                                               "421 4.7.0 Too many errors; closing\r\n"));
    }
    CHECK(device.closed());
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("recipients that are refused cost a delay each, pipelined or not") {
    World world;
    world.settings->server.max_errors = 6;
    world.settings->server.prompt_errors = world.settings->server.max_errors / 2;
    world.settings->error_delay = 1s;
    world.upstream.on_step = [](Step step, std::size_t) -> std::optional<Deviation> {
        if (step != Step::rcpt) return std::nullopt;
        return Deviation{.step = step, .say = "550 5.1.1 No such user\r\n"};
    };
    Device& device = world.connect();
    device.say("EHLO x\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    const std::string refusal = "550 5.1.1 No such user\r\n";
    SUBCASE("one by one") {
        for (int i = 0; i < 3; ++i) CHECK(device.say(wrong) == refusal);
        for (int i = 0; i < 3; ++i) {
            CHECK(device.say(wrong) == "");
            world.reactor.advance(1s - 1ms);
            CHECK(device.listen() == "");
            world.reactor.advance(1ms);
            CHECK(device.listen() == refusal);
        }
    }
    SUBCASE("pipelined: the same for all of them together") {
        device.wire->feed(wrong + wrong + wrong + wrong + wrong + wrong);
        CHECK(device.listen() == refusal + refusal + refusal);
        world.reactor.advance(3s - 1ms);
        CHECK(device.listen() == "");
        world.reactor.advance(1ms);
        CHECK(device.listen() == refusal + refusal + refusal);
    }
    CHECK(world.upstream[0].count("RCPT") == 6);
    device.hang_up();
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a delay harms nothing else") {
    World world;
    Device& device = half_way(world);
    SUBCASE("a message is accepted at once") {
        device.say("MAIL FROM:<a@example.com>\r\n");
        device.say("RCPT TO:<b@example.com>\r\n");
        CHECK(device.say("DATA\r\n").starts_with("354"));
        CHECK(device.say("x\r\n.\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
        device.say("QUIT\r\n");
    }
    SUBCASE("the device goes away meanwhile") {
        device.say(wrong);
        device.hang_up(EndOfInput::failed);
        world.reactor.advance(1s);
    }
    SUBCASE("drain meanwhile") {
        device.say(wrong);
        world.proxy->drain([] {});
        world.reactor.advance(1s);
        CHECK(device.replies().size() == 6);
        CHECK(device.last().starts_with("421 4.3.2 "));
    }
    SUBCASE("stop meanwhile") {
        device.say(wrong);
        world.proxy->stop_all();
        CHECK(device.listen().ends_with("421 4.3.2 Service is shutting down; try again later\r\n"));
    }
    CHECK(world.proxy->sessions() == 0);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a connection lost in a transaction sends the next one to the other upstream") {
    World world;
    ScriptedUpstream other(world.reactor);
    world.settings->providers.push_back(make_provider(world.reactor, other, "other"));
    Device& device = in_body(world);
    world.upstream.last().wire->end(EndOfInput::failed);
    world.reactor.run_until_idle();
    CHECK(device.say("x\r\n.\r\n").starts_with("451 4.4.2 "));
    CHECK(world.log.of("upstream_down").at(0)["cause"] == "lost");
    for (const char* line :
         {"MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n", "x\r\n.\r\n"})
        device.say(line);
    CHECK(device.last().starts_with("250 2.0.0 "));
    CHECK(other.accepted() == 1);
    CHECK(world.upstream.connections() == 1);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("one that is lost between transactions is nobody's fault") {
    World world;
    Device& device = in_body(world);
    CHECK(device.say("x\r\n.\r\n").starts_with("250"));
    world.upstream.last().wire->end(EndOfInput::failed);
    world.reactor.run_until_idle();
    CHECK(world.log.count("upstream_down") == 0);
    CHECK(world.provider().breaker.closed());
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("EHLO offers what the upstream that is up can do") {
    World world;
    ScriptedUpstream other(world.reactor);
    world.settings->providers.push_back(make_provider(world.reactor, other, "other"));
    world.provider(0).last_offer = smtp::Capabilities{};
    other.offer = {"8BITMIME"};
    world.dialer(0).otherwise.failure = Failure{FailureKind::connect, "refused"};
    Device& device = world.connect();
    CHECK(device.say("EHLO x\r\n").find("8BITMIME") == std::string::npos);
    device.say("MAIL FROM:<a@example.com>\r\n");
    CHECK(device.say("RCPT TO:<b@example.com>\r\n").starts_with("250"));
    device.say("RSET\r\n");
    CHECK(device.say("EHLO x\r\n").find("8BITMIME") != std::string::npos);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}
