// One upstream slot, two devices: the second gets it as soon as the first can do without, and
// nothing of the first (threats: cross-client isolation).
#include <doctest/doctest.h>

#include <algorithm>

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

// What the upstream got on that connection since the last RSET, or at all.
std::vector<std::string> since_reset(const Conversation& one) {
    const auto last = std::find(one.commands.rbegin(), one.commands.rend(), "RSET");
    return {last.base(), one.commands.end()};
}

// The second device sends one message; what it and the upstream saw holds nothing of the first. If
// it is the same connection, an RSET stands between.
void expect_clean_message(World& world, Device& second) {
    CHECK(second.say("MAIL FROM:<c@example.com>\r\n") == "250 2.1.0 Ok\r\n");
    CHECK(second.say("RCPT TO:<d@example.com>\r\n") == "250 2.1.5 Recipient ok\r\n");
    CHECK(second.say("DATA\r\n").starts_with("354 "));
    CHECK(second.say("mine\r\n.\r\n").starts_with("250 2.0.0 Ok: queued as "));
    const Conversation& own = world.upstream.last();
    for (const std::string& command : since_reset(own))
        CHECK(command.find("secret") == std::string::npos);
    CHECK(second.wire->sent().find("secret") == std::string::npos);
    CHECK(own.messages.back() == "mine\r\n");
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
            expect_clean_message(world, second);
            // In the middle of a body nothing but a new connection is clean; before MAIL has gone
            // there is none yet.
            const bool in_body = said == 4 || said == 5;
            CHECK(world.upstream.connections() == (in_body ? 2 : 1));
            second.say("QUIT\r\n");
            CHECK(listed(check_all(world)) == "");
        }
    }
}

TEST_CASE("the second waits while the first is in a transaction") {
    for (std::size_t said = 3; said < script.size(); ++said) {
        CAPTURE(said);
        World world({}, 1);
        Device& first = world.connect();
        for (std::size_t i = 0; i < said; ++i) first.say(script[i]);
        Device& second = world.connect();
        second.say("EHLO c\r\n");
        second.say("MAIL FROM:<x@example.com>\r\n");
        CHECK(second.say("RCPT TO:<y@example.com>\r\n") == "");
        world.reactor.advance(10s);
        CHECK(second.listen() == "");
        first.hang_up();
        CHECK(second.listen() == "250 2.1.5 Recipient ok\r\n");
        CHECK(second.say("RSET\r\n") == "250 2.0.0 Ok\r\n");
        expect_clean_message(world, second);
        second.say("QUIT\r\n");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("two accounts and two devices take turns over one slot, aborting in every state") {
    World world({}, 1);
    ScriptedUpstream other(world.reactor);
    auto theirs = make_provider(world.reactor, other, "other", 1);
    theirs->credentials->username = "other@example.com";
    auto users = std::make_shared<relay::SessionSettings>(*world.settings);
    users->providers = {theirs};
    const auto mine = world.settings;
    std::size_t whole = 0;
    for (std::size_t round = 0; round < 1000; ++round) {
        const bool second = round % 2 != 0;
        world.settings = second ? users : mine;
        Device& device = world.connect();
        const std::string name = second ? "b" : "a";
        const std::vector<std::string> lines{"EHLO x\r\n",
                                             "MAIL FROM:<" + name + "@example.com>\r\n",
                                             "RCPT TO:<to-" + name + "@example.com>\r\n",
                                             "DATA\r\n",
                                             "body of " + name + "\r\n",
                                             ".\r\n"};
        const std::size_t said = 1 + round / 2 % lines.size();
        for (std::size_t i = 0; i < said; ++i) device.say(lines[i]);
        if (said == lines.size()) ++whole;
        device.hang_up(round % 3 == 0 ? EndOfInput::failed : EndOfInput::clean);
        CHECK(device.wire->sent().find(second ? "a@example.com" : "b@example.com") ==
              std::string::npos);
    }
    world.settings = mine;
    for (const auto* upstream : {&world.upstream, &other}) {
        const bool second = upstream == &other;
        CHECK(upstream->messages().size() == (whole + (second ? 0 : 1)) / 2);
        for (std::size_t i = 0; i < upstream->connections(); ++i) {
            const Conversation& one = (*upstream)[i];
            CHECK(one.wire->sent().find(second ? "a@example.com" : "b@example.com>") ==
                  std::string::npos);
            for (const std::string& message : one.messages)
                CHECK(message == (second ? "body of b\r\n" : "body of a\r\n"));
        }
    }
    theirs->pool->close();
    CHECK(listed(check_all(world)) == "");
    CHECK(other.open() == 0);
}

TEST_CASE("after a 421 a session keeps no slot") {
    for (const Step step : {Step::mail, Step::rcpt, Step::data, Step::message}) {
        CAPTURE(to_string(step));
        World world({}, 1);
        world.upstream.deviations = {
            {.step = step, .say = "421 4.3.2 bye\r\n", .then = Then::stall}};
        Device& first = world.connect();
        for (const std::string& line : script) {
            if (first.say(line).starts_with("451")) break;  // DATA's at the end of the body
        }
        CHECK(first.last() == "451 4.3.2 bye\r\n");
        CHECK(world.provider().slots.in_use() == 0);
        CHECK(world.upstream.open() == 0);
        Device& second = world.connect();
        second.say("EHLO c\r\n");
        expect_clean_message(world, second);
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
        CHECK(world.provider().slots.in_use() == 2);
        CHECK(devices[i]->say("x\r\n.\r\nQUIT\r\n").ends_with("221 2.0.0 Bye\r\n"));
    }
    CHECK(world.upstream.accepted() == 20);
    CHECK(world.upstream.connections() == 2);
    CHECK(listed(check_all(world)) == "");
}
