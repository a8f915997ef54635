// One upstream slot, two devices: the second gets it as soon as the first can do without, and
// nothing of the first (threats: cross-client isolation).
#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

const std::vector<std::string> script{"EHLO a\r\n",
                                      "MAIL FROM:<secret-a@example.com>\r\n",
                                      "RCPT TO:<secret-b@example.com>\r\n",
                                      "DATA\r\n",
                                      "secret body\r\n",
                                      ".\r\n"};

// The second device sends one message; what it and the upstream saw holds nothing of the first.
void expect_clean_message(World& world, Device& second, std::size_t connection) {
    CHECK(second.say("MAIL FROM:<c@example.com>\r\n") == "250 2.1.0 Sender ok\r\n");
    CHECK(second.say("RCPT TO:<d@example.com>\r\n") == "250 2.1.5 Recipient ok\r\n");
    CHECK(second.say("DATA\r\n").starts_with("354 "));
    CHECK(second.say("mine\r\n.\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    const Conversation& own = world.upstream[connection];
    CHECK(own.wire->sent().find("secret") == std::string::npos);
    CHECK(second.wire->sent().find("secret") == std::string::npos);
    CHECK(own.messages == std::vector<std::string>{"mine\r\n"});
}

}  // namespace

TEST_CASE("the first leaves in any state, the second comes at once") {
    for (std::size_t said = 2; said <= script.size(); ++said) {
        for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
            CAPTURE(said);
            World world({}, 1);
            Device& first = world.connect();
            for (std::size_t i = 0; i < said; ++i) first.say(script[i]);
            Device& second = world.connect();
            second.say("EHLO c\r\n");
            first.hang_up(how);
            expect_clean_message(world, second, 1);
            CHECK(world.upstream.connections() == 2);
            second.say("QUIT\r\n");
            CHECK(listed(check_all(world)) == "");
        }
    }
}

TEST_CASE("the second waits for the slot while the first is in a transaction") {
    for (std::size_t said = 2; said < script.size(); ++said) {
        CAPTURE(said);
        World world({}, 1);
        Device& first = world.connect();
        for (std::size_t i = 0; i < said; ++i) first.say(script[i]);
        Device& second = world.connect();
        second.say("EHLO c\r\n");
        CHECK(second.say("MAIL FROM:<x@example.com>\r\n") == "");
        world.reactor.advance(10s);
        CHECK(second.listen() == "");
        first.hang_up();
        CHECK(second.listen() == "250 2.1.0 Sender ok\r\n");
        CHECK(second.say("RSET\r\n") == "250 2.0.0 Ok\r\n");
        expect_clean_message(world, second, 1);
        second.say("QUIT\r\n");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("a slot that is only kept warm is handed over, and the first connects anew") {
    World world({}, 1);
    Device& first = world.connect();
    for (const std::string& line : script) first.say(line);
    CHECK(world.provider().slots.in_use() == 1);
    Device& second = world.connect();
    second.say("EHLO c\r\n");
    expect_clean_message(world, second, 1);  // at once, no time has passed
    CHECK(world.upstream[0].commands.back() == "QUIT");
    CHECK(world.upstream[0].wire->fate() == Fate::closed);
    for (std::size_t i = 1; i < script.size(); ++i) first.say(script[i]);
    CHECK(first.last() == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(world.upstream.connections() == 3);
    first.say("QUIT\r\n");
    second.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("after a 421 a session keeps no slot") {
    for (const Step step : {Step::mail, Step::rcpt, Step::data, Step::message}) {
        CAPTURE(to_string(step));
        World world({}, 1);
        world.upstream.deviations = {
            {.step = step, .say = "421 4.3.2 bye\r\n", .then = Then::stall}};
        Device& first = world.connect();
        for (const std::string& line : script) {
            if (first.say(line).starts_with("451")) break;
        }
        CHECK(first.last() == "451 4.3.2 bye\r\n");
        CHECK(world.provider().slots.in_use() == 0);
        CHECK(world.upstream.open() == 0);
        Device& second = world.connect();
        second.say("EHLO c\r\n");
        expect_clean_message(world, second, 1);
        first.hang_up();
        second.hang_up();
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("many sessions take turns over few slots, in order") {
    World world({}, 2);
    world.upstream.options.window = 1'000'000;
    std::vector<Device*> devices;
    for (int i = 0; i < 20; ++i) devices.push_back(&world.connect());
    for (Device* device : devices)
        device->wire->feed(
            "EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    world.reactor.run_until_idle();
    for (std::size_t i = 0; i < devices.size(); ++i) {
        CHECK(devices[i]->last().starts_with("354 "));
        CHECK(world.provider().slots.in_use() == (i + 1 == devices.size() ? 1 : 2));
        CHECK(devices[i]->say("x\r\n.\r\nQUIT\r\n").ends_with("221 2.0.0 Bye\r\n"));
    }
    CHECK(world.upstream.accepted() == 20);
    CHECK(listed(check_all(world)) == "");
}
