// Flow control and time: slow upstreams, slow devices, deadlines, octets that trickle.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

const std::string idle = "421 4.4.2 Idle for too long; closing\r\n";

std::string lines(std::size_t octets) {
    std::string text;
    for (std::size_t i = 0; text.size() < octets; ++i)
        text += "line " + std::to_string(i) + " of a long message\r\n";
    return text;
}

Device& in_body(World& world, bool writes_at_once = false) {
    Device& device = world.connect(writes_at_once);
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    REQUIRE(device.say("DATA\r\n").starts_with("354"));
    return device;
}

// What the relay holds of a body: taken from the device, not yet with the upstream.
std::size_t held(const World& world, const Device& device, std::size_t fed) {
    return fed - device.wire->unread() - world.upstream[0].unfinished.size();
}

}  // namespace

TEST_CASE("an upstream that takes nothing stops the reading, and what is held is bounded") {
    for (const bool at_once : {false, true}) {
        World world({.writes_at_once = at_once});
        Device& device = in_body(world, at_once);
        Wire& upstream = *world.upstream.last().wire;
        upstream.set_window(0);
        const std::string body = lines(700'000);
        CHECK(device.say(body) == "");
        CHECK_FALSE(device.wire->reading());
        CHECK(held(world, device, body.size()) >= limits::pending_high);
        // The high mark, the block that went over it, one in flight, one in the machine, and one or
        // two that were on their way.
        CHECK(held(world, device, body.size()) <= limits::pending_high + 5 * limits::read_block);

        // It goes on only under the low mark, and then by itself.
        const std::size_t unread = device.wire->unread();
        for (std::size_t taken = 0; taken < (limits::pending_high - limits::pending_low) / 2;
             taken += 4'096) {
            upstream.widen_window(4'096);
            world.reactor.run_until_idle();
            CHECK(device.wire->unread() == unread);
            CHECK_FALSE(device.wire->reading());
        }
        std::size_t steps = 0;
        for (; device.wire->unread() == unread && steps < 20; ++steps) {
            upstream.widen_window(16'384);
            world.reactor.run_until_idle();
        }
        CHECK(steps < 20);

        upstream.widen_window(100'000'000);
        CHECK(device.say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
        CHECK(world.upstream.messages() == std::vector<std::string>{body});
        device.say("QUIT\r\n");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("a body of any size and any window arrives word for word, with bounded memory") {
    for (const std::size_t window : {1U, 100U, 16'384U, 50'000U}) {
        World world;
        Device& device = in_body(world);
        Wire& upstream = *world.upstream.last().wire;
        upstream.set_window(0);
        const std::string body = lines(window < 100 ? 20'000 : 600'000);
        device.say(body + ".\r\n");
        std::size_t rounds = 0;
        for (; world.upstream.accepted() == 0 && rounds < 100'000; ++rounds) {
            upstream.widen_window(window);
            world.reactor.run_until_idle();
            REQUIRE(held(world, device, body.size() + 3) <=
                    limits::pending_high + 6 * limits::read_block +
                        body.size() * static_cast<std::size_t>(world.upstream.accepted()));
        }
        CHECK(device.listen() == "250 2.0.0 Ok: queued as 1\r\n");
        CHECK(world.upstream.messages() == std::vector<std::string>{body});
    }
}

TEST_CASE("while the body waits for the upstream only the upstream is late") {
    World world;
    Device& device = in_body(world);
    Wire& upstream = *world.upstream.last().wire;
    upstream.set_window(0);
    const std::string body = lines(500'000);
    device.say(body + ".\r\n");
    SUBCASE("it takes a little in each of its five minutes") {
        for (int i = 0; i < 10; ++i) {
            world.reactor.advance(4min + 59s);
            CHECK(device.listen() == "");
            upstream.widen_window(16'384);
            world.reactor.run_until_idle();
        }
        upstream.widen_window(100'000'000);
        CHECK(device.listen() == "250 2.0.0 Ok: queued as 1\r\n");
    }
    SUBCASE("it takes nothing at all") {
        world.reactor.advance(5min - 1ms);
        CHECK(device.wire->unread() != 0);
        world.reactor.advance(1ms);
        CHECK(device.listen() ==
              "451 4.4.1 The upstream did not answer in time; try again later\r\n");
        CHECK(device.wire->unread() == 0);
        CHECK(upstream.fate() == Fate::aborted);
    }
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world, nullptr)) == "");
}

TEST_CASE("an idle device gets 421 after its five minutes, wherever it is") {
    struct Place {
        std::string said;
        std::string last_reply;
    };
    const std::vector<std::vector<std::string>> places{
        {},
        {"EHLO x\r\n"},
        {"EHLO x\r\n", "MAIL FRO"},
        {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n"},
        {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n"},
        {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n"},
        {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n",
         "half a"},
    };
    for (const auto& place : places) {
        CAPTURE(place.size());
        World world;
        Device& device = world.connect();
        for (const std::string& line : place) device.say(line);
        world.reactor.advance(5min - 1ms);
        CHECK(device.listen() == "");
        world.reactor.advance(1ms);
        CHECK(device.listen() == idle);
        CHECK(device.closed());
        CHECK(world.upstream.messages().empty());
        CHECK(world.log.of("session_end").at(0)["end"] == "idle");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("each command starts the device's time anew; octets of one do not") {
    World world;
    Device& device = world.connect();
    SUBCASE("commands") {
        for (int i = 0; i < 5; ++i) {
            world.reactor.advance(4min + 59s);
            CHECK(device.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
        }
        world.reactor.advance(5min);
    }
    SUBCASE("a command that trickles") {
        for (int i = 0; i < 5; ++i) {
            CHECK_FALSE(device.closed());
            device.say("E");
            world.reactor.advance(1min);
        }
    }
    SUBCASE("a body that trickles is let live: its octets are what is waited for") {
        Device& other = in_body(world);
        for (int i = 0; i < 5; ++i) {
            other.say("x\r\n");
            world.reactor.advance(4min);
        }
        CHECK_FALSE(other.closed());
        other.hang_up();
    }
    CHECK(device.listen() == idle);
    CHECK(device.closed());
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a device that does not read its replies is not listened to, and then cut off") {
    World world;
    world.settings->server.max_errors = 1'000'000;
    Device& device = world.connect();
    device.wire->set_window(0);
    device.say("NOOP\r\n");
    std::string flood;
    for (int i = 0; i < 100'000; ++i) flood += "VRFY x\r\n";
    device.say(flood);
    CHECK_FALSE(device.wire->reading());
    CHECK(device.wire->unread() > flood.size() - 4 * limits::read_block);
    world.reactor.advance(5min);
    CHECK_FALSE(device.closed());  // the farewell waits to be read
    world.reactor.advance(10s);
    CHECK(device.wire->fate() == Fate::aborted);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a device that reads its replies slowly gets all of them, once each") {
    for (const bool at_once : {false, true}) {
        World world;
        world.settings->server.max_errors = 1'000'000;
        Device& device = world.connect(at_once);
        device.wire->set_window(0);
        std::string commands;
        for (int i = 0; i < 3000; ++i) commands += "NOOP\r\n";
        device.wire->feed(commands + "QUIT\r\n");
        for (int i = 0; i < 10'000 && !device.closed(); ++i) {
            device.wire->widen_window(100);
            world.reactor.run_until_idle();
        }
        const auto replies = device.replies();
        REQUIRE(replies.size() == 3002);
        CHECK(replies.back() == "221 2.0.0 Bye\r\n");
        CHECK(device.wire->fate() == Fate::closed);
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE(
    "replies to one batch, more than wait for room, on a connection that takes them at once") {
    World world;
    std::string reply;
    std::size_t taken = 0;
    SUBCASE("the upstream is away") {
        world.dialer().otherwise = {.failure = Failure{FailureKind::connect, "refused"}};
        reply = "451 4.4.1 ";
        taken = 1;  // MAIL
    }
    SUBCASE("beyond the limit") {
        world.settings->server.max_recipients = 3;
        reply = "452 4.5.3 ";
        taken = 4;  // MAIL, and as many recipients
    }
    Device& device = world.connect(true);
    std::string batch = "EHLO x\r\nMAIL FROM:<a@example.com>\r\n";
    for (int i = 0; i < 900; ++i) batch += "RCPT TO:<b@example.com>\r\n";
    device.say(batch);
    const auto replies = device.replies();
    REQUIRE(replies.size() == 903);
    for (std::size_t i = 2 + taken; i < replies.size(); ++i) CHECK(replies[i].starts_with(reply));
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a farewell that is not read is given up after ten seconds, whatever still comes in") {
    World world;
    Device& device = world.connect();
    device.wire->set_window(0);
    device.say("NOOP\r\n");  // is on its way, and the way is blocked
    device.say("QUIT\r\n");
    for (int second = 0; second < 10; ++second) {
        CHECK_FALSE(device.closed());
        device.wire->feed("more and more\r\n");
        world.reactor.advance(1s);
    }
    CHECK(device.wire->fate() == Fate::aborted);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("the device goes away, in every way, at every step") {
    const std::vector<std::string> script{"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n",
                                          "RCPT TO:<b@example.com>\r\n", "DATA\r\n", "half\r\n"};
    for (std::size_t said = 0; said <= script.size(); ++said) {
        for (const EndOfInput how :
             {EndOfInput::clean, EndOfInput::failed, EndOfInput::truncated}) {
            CAPTURE(said);
            World world;
            Device& device = world.connect();
            for (std::size_t i = 0; i < said; ++i) device.say(script[i]);
            device.hang_up(how);
            CHECK(world.proxy->sessions() == 0);
            CHECK(world.upstream.messages().empty());
            CHECK(world.log.of("session_end").at(0)["end"] ==
                  (said == script.size() || said == 4 ? "disconnected_in_body" : "disconnected"));
            CHECK(listed(check_all(world)) == "");
        }
    }
}

TEST_CASE("the device goes away while something is under way for it") {
    World world;
    bool sent = false;
    SUBCASE("dialling") { world.dialer().otherwise.after = 5s; }
    SUBCASE("MAIL") { world.upstream.deviations = {{.step = Step::mail, .then = Then::stall}}; }
    SUBCASE("RCPT") { world.upstream.deviations = {{.step = Step::rcpt, .then = Then::stall}}; }
    SUBCASE("the message") {
        world.upstream.deviations = {{.step = Step::message, .then = Then::stall}};
        sent = true;
    }
    for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
        const auto deviations = world.upstream.deviations;
        Device& device = world.connect();
        for (const char* line : {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n",
                                 "RCPT TO:<b@example.com>\r\n", "DATA\r\n", "x\r\n.\r\n"}) {
            if (device.say(line).empty()) break;
        }
        if (sent) device.wire->lose_output();
        device.hang_up(how);
        if (sent) {
            world.upstream.say(world.upstream.connections() - 1, "250 2.0.0 queued\r\n");
            world.reactor.advance(100ms);
            CHECK(world.log.count("client_gone_after_eod") >= 1);
        }
        world.reactor.advance(10min);
        CHECK(world.proxy->sessions() == 0);
        world.upstream.deviations = deviations;
    }
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("QUIT and half-close: the replies still come") {
    World world;
    Device& device = world.connect();
    device.wire->feed("EHLO x\r\nNOOP\r\nQUIT\r\n");
    device.hang_up();
    CHECK(device.replies().size() == 4);
    CHECK(device.last() == "221 2.0.0 Bye\r\n");
    CHECK(device.wire->fate() == Fate::closed);
}

TEST_CASE("a device that is reset with replies unread is seen to be gone") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    world.upstream.on_step = [](Step step, std::size_t) -> std::optional<Deviation> {
        if (step != Step::rcpt) return std::nullopt;
        return Deviation{.step = step, .say = "450 4.2.1 " + std::string(400, 'x') + "\r\n"};
    };
    device.wire->set_window(0);
    std::string many;
    for (int i = 0; i < 200; ++i) many += "RCPT TO:<b@example.com>\r\n";
    device.say(many);
    CHECK(world.proxy->sessions() == 1);
    device.wire->end(EndOfInput::failed);
    world.reactor.run_until_idle();
    CHECK(world.proxy->sessions() == 0);
    CHECK(listed(check_all(world)) == "");
}
