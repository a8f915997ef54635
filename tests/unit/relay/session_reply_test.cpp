// Replies that do not arrive: the message is not sent twice when it is offered again, and never
// swallowed when it was not accepted, or when its reply has arrived.
#include <doctest/doctest.h>

#include <string>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

constexpr std::string_view sent = "250 2.0.0 Ok: queued as ";

struct Remembering : World {
    Remembering() { settings->messages.lost_reply_memory = 10min; }

    Device& offer(const std::string& body = "Alarm\r\n", const std::string& to = "b",
                  bool deaf = false) {
        Device& device = connect();
        if (deaf) device.wire->lose_output();
        device.say("EHLO alarm\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<" + to +
                   "@example.com>\r\n");
        device.say("DATA\r\n");
        device.say(body + ".\r\n");
        return device;
    }
    // Gives up before the upstream has answered, which it then does.
    void give_up(const std::string& answer = "250 2.0.0 Ok: queued as X\r\n",
                 Then then = Then::go_on) {
        upstream.deviations.push_back({.step = Step::message});
        Device& device = offer();
        device.wire->lose_output();
        device.hang_up();
        reactor.advance(3s);
        if (then != Then::go_on) {
            upstream.last().wire->end(EndOfInput::failed);
        } else if (!answer.empty()) {
            upstream.say(upstream.connections() - 1, answer);
        }
        reactor.run_until_idle();
        reactor.advance(100ms);
    }
    [[nodiscard]] std::size_t completed() {
        std::size_t all = 0;
        for (std::size_t i = 0; i < upstream.connections(); ++i) all += upstream[i].messages.size();
        return all;
    }
};

}  // namespace

TEST_CASE("lost reply: the same message again gets it, and is not sent") {
    Remembering world;
    world.give_up();
    CHECK(world.log.count("client_gone_after_eod") == 1);
    Device& device = world.offer();
    CHECK(device.last() ==
          "250 2.0.0 Accepted before, but its reply was lost: 250 2.0.0 Ok: queued as X\r\n");
    CHECK(world.completed() == 1);
    CHECK(world.log.count("lost_reply_repeated") == 1);
    device.say("QUIT\r\n");
    // That has arrived: what comes now is another message, though it is the same.
    CHECK(world.offer().last().starts_with(sent));
    CHECK(world.completed() == 2);
}

TEST_CASE("lost reply: told again as often as it is lost") {
    Remembering world;
    world.give_up();
    world.offer("Alarm\r\n", "b", true).hang_up();
    world.reactor.advance(3s);
    CHECK(world.offer().last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.completed() == 1);
}

TEST_CASE("lost reply: any difference makes it another message") {
    Remembering world;
    world.give_up();
    CHECK(world.offer("Alarm!\r\n").last().starts_with(sent));
    CHECK(world.offer("Alarm\r\n", "c").last().starts_with(sent));
    CHECK(world.completed() == 3);
}

TEST_CASE("lost reply: forgotten after its time") {
    Remembering world;
    world.give_up();
    world.reactor.advance(11min);
    CHECK(world.offer().last().starts_with(sent));
    CHECK(world.completed() == 2);
}

TEST_CASE("lost reply: never after a refusal or an unknown outcome") {
    Remembering world;
    SUBCASE("refused") { world.give_up("554 5.6.0 No\r\n"); }
    SUBCASE("deferred") { world.give_up("451 4.3.0 Later\r\n"); }
    SUBCASE("lost") { world.give_up("", Then::reset); }
    CHECK(world.offer().last().starts_with(sent));
}

TEST_CASE("lost reply: off") {
    Remembering world;
    world.settings->messages.lost_reply_memory = {};
    world.give_up();
    CHECK(world.offer().last().starts_with(sent));
    CHECK(world.completed() == 2);
}

TEST_CASE("lost reply: one that comes again before the first is answered waits for that") {
    Remembering world;
    world.give_up("");  // no answer yet
    Device& again = world.offer();
    CHECK_FALSE(again.last().starts_with("250 2.0.0"));
    const std::size_t first = 0;
    SUBCASE("accepted") {
        world.upstream.say(first, "250 2.0.0 Ok: queued as X\r\n");
        world.reactor.advance(3s);
        CHECK(again.last().starts_with("250 2.0.0 Accepted before"));
        CHECK(world.completed() == 1);
    }
    SUBCASE("refused: it is sent itself") {
        world.upstream.say(first, "451 4.3.0 Later\r\n");
        world.reactor.advance(3s);
        CHECK(again.last().starts_with(sent));
    }
    SUBCASE("unknown: it is sent itself") {
        world.upstream[first].wire->end(EndOfInput::failed);
        world.reactor.advance(3s);
        CHECK(again.last().starts_with(sent));
    }
    again.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("lost reply: a device that has only ended its half is not gone") {
    Remembering world;
    world.upstream.deviations.push_back({.step = Step::message});
    Device& device = world.offer();
    device.hang_up();  // and goes on reading
    world.reactor.advance(3s);
    world.upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
    world.reactor.run_until_idle();
    world.reactor.advance(1s);
    CHECK(device.last() == "250 2.0.0 Ok: queued as X\r\n");
    CHECK(world.log.count("client_gone_after_eod") == 0);
    CHECK(world.offer().last().starts_with(sent));
    CHECK(world.completed() == 2);
}

TEST_CASE("lost reply: nobody has noticed that the device is gone") {
    Remembering world;
    world.upstream.deviations.push_back({.step = Step::message});
    Device& device = world.offer();
    device.wire->set_delivery(Delivery::pending);
    world.upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
    world.reactor.run_until_idle();
    world.reactor.advance(3s);
    CHECK(world.log.count("client_gone_after_eod") == 1);
    SUBCASE("it comes again") {
        CHECK(world.offer().last().starts_with("250 2.0.0 Accepted before"));
        CHECK(world.completed() == 1);
    }
    SUBCASE("the reply arrives late after all") {
        device.wire->set_delivery(Delivery::arrived);
        world.reactor.advance(2s);
        CHECK(world.offer().last().starts_with(sent));
        CHECK(world.completed() == 2);
    }
}

TEST_CASE("lost reply: the slowest phase is named") {
    Remembering world;
    world.give_up();
    world.reactor.advance(3s);
    const auto ends = world.log.of("session_end");
    REQUIRE_FALSE(ends.empty());
    CHECK(ends[0].line.contains("slowest=reply_ms"));
    CHECK(ends[0].line.contains("reply_ms=3000"));
}
