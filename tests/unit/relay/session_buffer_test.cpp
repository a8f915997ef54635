// A message that is collected before it is sent, and one that is streamed with a copy: whatever the
// upstream does in the middle, the device gets the upstream's own answer to the whole, once.
#include <doctest/doctest.h>

#include <string>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::literals;
using Then = Deviation::Then;

namespace {

struct Buffered : World {
    explicit Buffered(relay::Buffer buffer, std::vector<std::string> offer = {}) {
        settings->messages.buffer = buffer;
        if (!offer.empty()) upstream.offer = std::move(offer);
        device = &connect();
    }
    void to_body() {
        device->say("EHLO scanner\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
        CHECK(device->say("DATA\r\n").starts_with("354 "));
    }
    void expect(const std::string& message) {
        std::size_t messages = 0;
        for (std::size_t i = 0; i < upstream.connections(); ++i)
            messages += upstream[i].messages.size();
        CHECK(messages == 1);
        CHECK(upstream.last().messages == std::vector<std::string>{message});
        device->say("QUIT\r\n");
        CHECK(listed(check_all(*this)) == "");
    }
    Device* device = nullptr;
};

const std::vector<std::string> chunks{"PIPELINING", "CHUNKING", "8BITMIME", "SIZE 1000000000"};
const std::vector<std::string> no_pipelining{"8BITMIME"};
const std::string line = std::string(76, 'x') + "\r\n";

std::string lines(std::size_t octets) {
    std::string all;
    while (all.size() < octets) all += line;
    return all;
}

}  // namespace

TEST_CASE("buffer whole: the upstream hears nothing until all of it has come") {
    for (const auto& offer :
         {std::vector<std::string>{"PIPELINING", "8BITMIME"}, chunks, no_pipelining}) {
        Buffered world(relay::Buffer::whole, offer);
        world.to_body();
        for (int i = 0; i < 10; ++i) {
            CHECK(world.device->say(line).empty());
            world.reactor.advance(20s);
        }
        CHECK(world.upstream.last().count("DATA") == 0);
        CHECK(world.upstream.last().count("BDAT") == 0);
        CHECK(world.device->say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
        std::string all;
        for (int i = 0; i < 10; ++i) all += line;
        world.expect(all);
    }
}

TEST_CASE("buffer whole: a large one, in pieces that the upstream takes") {
    Buffered world(relay::Buffer::whole);
    world.to_body();
    const std::string body = lines(900'000);
    CHECK(world.device->say(body + ".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    world.expect(body);
}

TEST_CASE("buffer whole: the answer is the upstream's") {
    for (const Step step : {Step::mail, Step::rcpt, Step::data, Step::body, Step::message}) {
        Buffered world(relay::Buffer::whole);
        world.to_body();
        world.device->say(line);
        world.reactor.advance(2s);  // the connection is given back
        world.upstream.deviations = {{.step = step, .say = "552 5.2.2 Mailbox full\r\n"}};
        const std::string said = world.device->say(".\r\n");
        CAPTURE(to_string(step));
        CAPTURE(said);
        // A used connection that does not take a MAIL is replaced; a recipient that was accepted,
        // and is not any more, is no refusal of the message.
        const std::string expected = step == Step::mail   ? "250 2.0.0"
                                     : step == Step::rcpt ? "451 4.4.2"
                                                          : "552 5.2.2 Mailbox full";
        CHECK(said.starts_with(expected));
        CHECK(world.upstream.last().accepted == (step == Step::mail ? 1 : 0));
        world.device->say("QUIT\r\n");
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("buffer whole: an upstream that is lost while it takes the message is asked once more") {
    for (const Step step : {Step::mail, Step::rcpt, Step::data, Step::body}) {
        CAPTURE(to_string(step));
        Buffered world(relay::Buffer::whole);
        world.to_body();
        world.device->say(lines(300'000));
        world.upstream.deviations = {{.step = step, .then = Then::reset}};
        CHECK(world.device->say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
        world.expect(lines(300'000));
    }
}

TEST_CASE("buffer whole: lost twice while it takes the message is a failure") {
    Buffered world(relay::Buffer::whole);
    world.to_body();
    world.device->say(lines(300'000));
    world.upstream.deviations = {{.step = Step::body, .then = Then::reset},
                                 {.step = Step::body, .then = Then::reset}};
    CHECK(world.device->say(".\r\n").starts_with("451 4.4.2 "));
    CHECK(world.upstream.connections() == 2);
}

TEST_CASE("buffer whole: what can not be read any more is not completed") {
    Buffered world(relay::Buffer::whole);
    world.to_body();
    world.device->say(lines(2'000'000));
    world.spills.until_failure = 0;
    CHECK(world.device->say(".\r\n").starts_with("452 4.3.1 "));
    CHECK(world.upstream.last().wire->fate() != Fate::open);
    CHECK(world.upstream.last().messages.empty());
    CHECK(world.log.count("spool_failed") == 1);
}

TEST_CASE("buffer whole: lost after the end mark is unknown, and not sent again") {
    Buffered world(relay::Buffer::whole);
    world.to_body();
    world.upstream.deviations = {{.step = Step::message, .then = Then::reset}};
    CHECK(world.device->say(line + ".\r\n").starts_with("451 4.4.2 "));
    CHECK(world.upstream.connections() == 1);
    CHECK(world.log.count("outcome_unknown") == 1);
}

TEST_CASE("buffer auto: an upstream that does not wait for a slow device is asked again") {
    for (const auto& offer : {std::vector<std::string>{"PIPELINING", "8BITMIME"}, chunks}) {
        for (const auto then : {Then::end_clean, Then::end_cut, Then::reset}) {
            Buffered world(relay::Buffer::automatic, offer);
            world.to_body();
            CHECK(world.device->say(lines(40'000)).empty());
            world.upstream.deviations = {{.step = Step::body, .then = then}};
            CHECK(world.device->say(lines(40'000)).empty());
            world.reactor.advance(60s);
            CHECK(world.device->say(line + ".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
            CHECK(world.upstream.connections() == 2);
            world.expect(lines(40'000) + lines(40'000) + line);
        }
    }
}

TEST_CASE("buffer auto: its patience is not tried") {
    Buffered world(relay::Buffer::automatic);
    world.to_body();
    CHECK(world.device->say(line).empty());
    world.reactor.advance(5s);
    CHECK(world.upstream.last().wire->fate() == Fate::open);
    world.reactor.advance(4s);
    CHECK(world.device->say(line).empty());
    world.reactor.advance(60s);
    CHECK(world.device->say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(world.upstream.connections() == 2);
    world.expect(line + line);
}

TEST_CASE("buffer auto: a device that has to wait for the upstream tries nobody's patience") {
    Buffered world(relay::Buffer::automatic);
    world.to_body();
    world.upstream.last().wire->set_window(10'000);
    world.device->say(lines(900'000));
    world.reactor.advance(30s);
    CHECK(world.upstream.connections() == 1);
    CHECK(world.upstream.last().wire->fate() == Fate::open);
    world.upstream.last().wire->widen_window(10'000'000);
    CHECK(world.device->say(line + ".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    world.expect(lines(900'000) + line);
}

TEST_CASE("buffer auto: what is quick is streamed, and a refusal in the middle stays one") {
    Buffered world(relay::Buffer::automatic);
    world.to_body();
    world.device->say(lines(100'000));
    CHECK(world.upstream.last().count("DATA") == 1);
    CHECK_FALSE(world.upstream.last().unfinished.empty());
    world.upstream.say(0, "554 5.6.0 No\r\n");
    world.reactor.run_until_idle();
    CHECK(world.device->say(line + ".\r\n") == "554 5.6.0 No\r\n");
    CHECK(world.upstream.connections() == 1);
}

TEST_CASE("buffer auto: of a large one there is no copy; the next one is collected") {
    for (const std::string& farewell : {""s, "421 4.4.2 timeout exceeded\r\n"s}) {
        for (const Duration pause : {20s, 2s}) {
            CAPTURE(farewell);
            Buffered world(relay::Buffer::automatic);
            world.to_body();
            world.device->say(lines(1'200'000));
            world.reactor.advance(pause);
            CHECK(world.upstream.connections() == 1);
            if (!farewell.empty()) world.upstream.say(0, farewell);
            world.upstream.last().wire->end(EndOfInput::clean);
            world.reactor.run_until_idle();
            CHECK(world.device->say(".\r\n").starts_with(farewell.empty() ? "451 4.4.2 " : "451 "));
            world.device->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
            CHECK(world.device->say("DATA\r\n").starts_with("354 "));
            const std::size_t before = world.upstream.last().messages.size();
            world.device->say(lines(1'200'000));
            world.reactor.advance(60s);
            // More than a copy would have: nothing of it has been sent.
            CHECK(world.upstream.last().unfinished.empty());
            CHECK(world.device->say(".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
            CHECK(world.upstream.last().messages.size() == before + 1);
        }
    }
}

TEST_CASE(
    "buffer auto: an upstream that goes while the device is quick says nothing of the device") {
    Buffered world(relay::Buffer::automatic);
    world.to_body();
    world.device->say(lines(1'200'000));
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.device->say(".\r\n").starts_with("451 4.4.2 "));
    world.device->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    CHECK(world.device->say("DATA\r\n").starts_with("354 "));
    world.device->say(lines(1'200'000));
    CHECK_FALSE(world.upstream.last().unfinished.empty());
}

TEST_CASE("buffer: a device that goes in the middle has sent nothing") {
    for (const auto buffer : {relay::Buffer::whole, relay::Buffer::automatic}) {
        Buffered world(buffer);
        world.to_body();
        world.device->say(line);
        world.reactor.advance(20s);
        world.device->hang_up();
        for (std::size_t i = 0; i < world.upstream.connections(); ++i)
            CHECK(world.upstream[i].messages.empty());
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("buffer whole: no room is 452, and the next message may come") {
    Buffered world(relay::Buffer::whole);
    world.spills.until_failure = 2;  // the file, and one piece
    world.to_body();
    CHECK(world.device->say(lines(2'000'000) + ".\r\n").starts_with("452 4.3.1 "));
    CHECK(world.log.count("spool_failed") == 1);
    CHECK(world.upstream.last().messages.empty());
    world.device->say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n");
    world.device->say("DATA\r\n");
    CHECK(world.device->say(line + ".\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    world.device->say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}
