// Replies that do not arrive: the message is not sent twice when it is offered again, and never
// swallowed when it was not accepted, or when its reply has arrived.
#include <doctest/doctest.h>

#include <string>

#include "smtp/base64.hpp"
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

    Device& offer(const std::string& body = "Alarm\r\n", const std::string& to = "<b@example.com>",
                  const std::string& from = "<a@example.com>",
                  const std::string& address = "192.0.2.1") {
        Device& device = connect(false, address);
        device.say("EHLO alarm\r\nMAIL FROM:" + from + "\r\nRCPT TO:" + to + "\r\n");
        device.say("DATA\r\n");
        device.say(body + ".\r\n");
        return device;
    }
    // The first one of all; the reply to it is on its way.
    Device& offer_on_the_way() {
        upstream.deviations.push_back({.step = Step::message});
        Device& device = offer();
        device.wire->set_delivery(Delivery::pending);
        upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
        reactor.run_until_idle();
        return device;
    }
    // Gives up, and its system answers what comes then with RST.
    Device& give_up(Device& device) {
        device.wire->lose_output();
        device.hang_up();
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
    Device& deaf = world.connect();
    deaf.wire->lose_output();
    deaf.say("EHLO alarm\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    deaf.say("DATA\r\n");
    deaf.say("Alarm\r\n.\r\n");
    deaf.hang_up();
    world.reactor.advance(3s);
    CHECK(world.offer().last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.completed() == 1);
}

TEST_CASE("lost reply: any difference makes it another message") {
    Remembering world;
    world.give_up();
    const std::string body = "Alarm\r\n", to = "<b@example.com>", from = "<a@example.com>";
    CHECK(world.offer("Alarm!\r\n").last().starts_with(sent));
    CHECK(world.offer(body, "<c@example.com>").last().starts_with(sent));
    CHECK(world.offer(body, to + " NOTIFY=FAILURE").last().starts_with(sent));
    CHECK(world.offer(body, to, "<c@example.com>").last().starts_with(sent));
    CHECK(world.offer(body, to, from + " RET=HDRS").last().starts_with(sent));
    CHECK(world.offer(body, to, from, "192.0.2.2").last().starts_with(sent));
    world.settings->listener = "127.0.0.1:2526";
    CHECK(world.offer().last().starts_with(sent));
    world.settings->listener = "127.0.0.1:2525";
    CHECK(world.completed() == 8);
    // But not a size that is said, or is not.
    CHECK(world.offer(body, to, from + " SIZE=7").last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.completed() == 8);
}

TEST_CASE("lost reply: of another user it is another message") {
    Remembering world;
    auth::AuthenticatorOptions options;
    options.mode = auth::Mode::local;
    std::vector<auth::User> users;
    for (const char* name : {"one", "two"})
        users.push_back({name, auth::Verifier(Secret("s3cret")), {}, {}, ""});
    options.users = std::make_shared<const auth::Users>(std::move(users));
    options.hostname = "relay.test";
    options.seed = Secret(std::string(32, 's'));
    world.settings->authenticator = std::make_shared<const auth::Authenticator>(std::move(options));
    world.settings->server.auth_mechanisms = {"PLAIN"};
    const auto as = [&](const std::string& user) -> Device& {
        Device& device = world.connect();
        device.say("EHLO alarm\r\n");
        const std::string login = '\0' + user + '\0' + "s3cret";
        CHECK(device.say("AUTH PLAIN " + smtp::base64_encode(login) + "\r\n").starts_with("235 "));
        device.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
        device.say("DATA\r\n");
        device.say("Alarm\r\n.\r\n");
        return device;
    };
    world.upstream.deviations.push_back({.step = Step::message});
    world.give_up(as("one"));
    world.upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
    world.reactor.advance(3s);
    CHECK(as("two").last().starts_with(sent));
    CHECK(as("one").last().starts_with("250 2.0.0 Accepted before"));
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

TEST_CASE("lost reply: however often it is offered meanwhile, and in whatever phase it looks") {
    for (const Duration phase : {0ms, 10ms, 20ms, 30ms, 40ms, 49ms}) {
        CAPTURE(phase.count());
        Remembering world;
        world.give_up("");
        for (int i = 0; i < 4; ++i) {
            world.give_up(world.offer());
            world.reactor.advance(517ms + phase);
        }
        Device& last = world.offer();
        world.reactor.advance(phase);
        world.upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
        world.reactor.run_until_idle();
        world.reactor.advance(10s);
        CHECK(last.last().starts_with("250 2.0.0 Accepted before"));
        CHECK(world.completed() == 1);
        last.say("QUIT\r\n");
        Device& other = world.offer();
        CHECK(other.last().starts_with(sent));
        other.say("QUIT\r\n");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("lost reply: when the first is refused, one of those that wait goes on") {
    Remembering world;
    world.give_up("");
    for (int i = 0; i < 3; ++i) {
        world.give_up(world.offer());
        world.reactor.advance(517ms);
    }
    Device& last = world.offer();
    // Of the next that goes up the answer takes its time, too.
    world.upstream.deviations.push_back({.step = Step::message});
    world.upstream.say(0, "451 4.3.0 Later\r\n");
    world.reactor.run_until_idle();
    world.reactor.advance(3s);
    CHECK_FALSE(last.last().starts_with("250 2.0.0"));
    for (std::size_t i = 1; i < world.upstream.connections(); ++i)
        if (!world.upstream[i].messages.empty()) world.upstream.say(i, "250 2.0.0 Ok: second\r\n");
    world.reactor.run_until_idle();
    world.reactor.advance(3s);
    CHECK(last.last().starts_with("250 2.0.0 "));
    // The one that was refused, and one more.
    CHECK(world.completed() == 2);
}

TEST_CASE(
    "lost reply: a device that gives up while its collected message is being sent is seen to") {
    Remembering world;
    world.settings->messages.buffer = relay::Buffer::whole;
    std::string large;
    while (large.size() < 300'000) large += std::string(70, 'x') + "\r\n";
    // The upstream takes a part of it, and for the time being no more.
    Device& device = world.connect();
    device.say("EHLO alarm\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    world.upstream.last().wire->set_window(100'000);
    device.say("DATA\r\n");
    device.say(large + ".\r\n");
    world.give_up(device);
    world.reactor.advance(3s);
    Device& again = world.offer(large);
    world.reactor.advance(1s);
    CHECK(world.completed() == 0);
    world.upstream[0].wire->widen_window(1'000'000);
    world.reactor.run_until_idle();
    world.reactor.advance(3s);
    CHECK(again.last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.completed() == 1);
}

TEST_CASE("lost reply: of two messages that were pipelined none is forgotten") {
    Remembering world;
    Device& device = world.connect();
    device.say("EHLO alarm\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    device.say("DATA\r\n");
    device.wire->set_delivery(Delivery::pending);
    device.say(
        "One\r\n.\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
        "Two\r\n.\r\n");
    CHECK(world.completed() == 2);
    world.reactor.advance(20ms);
    device.wire->lose_output();
    device.hang_up(EndOfInput::failed);
    world.reactor.advance(3s);
    CHECK(world.log.count("client_gone_after_eod") == 2);
    CHECK(world.offer("One\r\n").last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.offer("Two\r\n").last().starts_with("250 2.0.0 Accepted before"));
    CHECK(world.completed() == 2);
}

TEST_CASE("lost reply: one that is held has its copy, whatever its upstream does meanwhile") {
    Remembering world;
    world.settings->messages.buffer = relay::Buffer::automatic;
    world.give_up("");
    Device& again = world.offer();
    REQUIRE(world.upstream.connections() == 2);
    world.upstream[1].wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    world.reactor.advance(1s);
    CHECK(again.last().starts_with("354 "));
    world.upstream.say(0, "451 4.3.0 Later\r\n");
    world.reactor.run_until_idle();
    world.reactor.advance(3s);
    CHECK(again.last().starts_with(sent));
    CHECK(world.completed() == 2);
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
    Device& device = world.offer_on_the_way();
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

TEST_CASE("lost reply: a device that goes on has heard it, whatever its system says") {
    Remembering world;
    Device& device = world.offer_on_the_way();
    device.say("NOOP\r\n");
    world.reactor.advance(3s);
    CHECK(world.log.count("client_gone_after_eod") == 0);
    CHECK(world.offer().last().starts_with(sent));
}

TEST_CASE("lost reply: while it is not known whether it has arrived, the message waits") {
    for (const Delivery outcome : {Delivery::failed, Delivery::arrived}) {
        Remembering world;
        world.upstream.deviations.push_back({.step = Step::message});
        Device& device = world.offer();
        device.hang_up();
        device.wire->set_delivery(Delivery::pending);
        world.upstream.say(0, "250 2.0.0 Ok: queued as X\r\n");
        world.reactor.run_until_idle();
        Device& again = world.offer();
        world.reactor.advance(1s);
        CHECK(again.last().starts_with("354 "));
        device.wire->set_delivery(outcome);
        world.reactor.advance(1s);
        CHECK(again.last().starts_with(outcome == Delivery::failed ? "250 2.0.0 Accepted before"
                                                                   : sent));
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
