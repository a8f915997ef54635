// Good sessions, as the device and the upstream see them, and what the log keeps of them.
#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;

namespace {

const std::string ok = "250 2.0.0 Ok\r\n";

// From MAIL to the reply to the message.
std::string send_message(Device& device, std::string_view body = "Subject: x\r\n\r\nx\r\n.\r\n") {
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    device.say("DATA\r\n");
    return device.say(body);
}

std::vector<std::string> expected_log_keys() {
    return {"session",
            "listener",
            "client",
            "helo",
            "downstream_tls",
            "downstream_cipher",
            "user",
            "upstream_tls",
            "upstream_cipher",
            "upstream_resumed",
            "upstream_address",
            "account",
            "mechanism",
            "end",
            "ms",
            "last_refusal",
            "transactions"};
}

}  // namespace

TEST_CASE("one message goes through, word for word") {
    World world;
    Device& device = world.connect();
    CHECK(device.last() == "220 relay.test ESMTP waxseal\r\n");
    CHECK(device.say("EHLO printer\r\n").starts_with("250-relay.test\r\n"));
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n") == "250 2.1.0 Ok\r\n");
    CHECK(world.upstream.connections() == 0);  // nothing before a recipient
    CHECK(device.say("RCPT TO:<b@example.com>\r\n") == "250 2.1.5 Recipient ok\r\n");
    CHECK(device.say("DATA\r\n") == "354 End data with <CR><LF>.<CR><LF>\r\n");
    CHECK(device.say("Subject: x\r\n\r\n..dot\r\n.\r\n") == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(device.say("QUIT\r\n") == "221 2.0.0 Bye\r\n");
    CHECK(device.wire->fate() == Fate::closed);
    world.reactor.advance(30s);  // idle_timeout
    REQUIRE(world.upstream.messages() == std::vector<std::string>{"Subject: x\r\n\r\n.dot\r\n"});
    const auto& commands = world.upstream[0].commands;
    REQUIRE(commands.size() == 6);
    CHECK(commands[0] == "EHLO relay.test");  // our name, never the device's
    CHECK(commands[2] == "MAIL FROM:<a@example.com> BODY=8BITMIME");
    CHECK(commands[3] == "RCPT TO:<b@example.com>");
    CHECK(commands[4] == "DATA");
    CHECK(commands[5] == "QUIT");
    CHECK(world.upstream[0].wire->fate() == Fate::closed);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("session_end says everything once, and never a secret or the message") {
    World world;
    world.dialer().otherwise.after = 20ms;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    world.reactor.advance(20ms);
    device.listen();
    world.upstream.deviations = {{.step = Step::rcpt, .say = "550 5.1.1 no such user\r\n"}};
    device.say("RCPT TO:<c@example.com>\r\n");
    world.reactor.advance(30ms);
    device.say("DATA\r\n");
    world.reactor.advance(400ms);
    world.upstream.deviations = {{.step = Step::message, .then = Deviation::Then::stall}};
    device.say("secret text\nbare\r\n.\r\n");
    world.reactor.advance(5000ms);
    world.upstream.say(0, "250 2.0.0 queued\r\n");
    device.say("QUIT\r\n");
    const auto events = world.log.of("session_end");
    REQUIRE(events.size() == 1);
    std::vector<std::string> keys;
    for (const log::Field& field : events[0].fields) keys.push_back(field.key());
    CHECK(keys == expected_log_keys());
    CHECK(events[0]["listener"] == "127.0.0.1:2525");
    CHECK(events[0]["client"] == "192.0.2.1");
    CHECK(events[0]["helo"] == "printer");
    CHECK(events[0]["downstream_tls"] == "none");
    CHECK(events[0]["upstream_tls"] == "TLSv1.3");
    CHECK(events[0]["account"] == username);
    CHECK(events[0]["mechanism"] == "PLAIN");
    CHECK(events[0]["end"] == "quit");
    CHECK(events[0]["ms"] == "5450");
    CHECK(events[0]["last_refusal"] == "550 5.1.1 no such user");
    const std::string line = events[0].line;
    const std::string transaction = line.substr(line.find("transactions.0.from"));
    CHECK(transaction ==
          "transactions.0.from=<a@example.com> transactions.0.to=<b@example.com> "
          "transactions.0.recipients=1 transactions.0.size=19 transactions.0.upstream=default "
          "transactions.0.outcome=accepted "
          "transactions.0.reply=\"250 2.0.0 queued\" transactions.0.refused_recipients=1 "
          "transactions.0.refused=\"<c@example.com> 550 5.1.1 no such user\" "
          "transactions.0.repairs=bare_lf transactions.0.connection=new transactions.0.queue_ms=0 "
          "transactions.0.connect_ms=20 "
          "transactions.0.tls_ms=0 transactions.0.login_ms=0 transactions.0.envelope_ms=30 "
          "transactions.0.body_ms=400 transactions.0.reply_ms=5000 "
          "transactions.0.slowest=reply_ms");
    CHECK(world.log.all().find("secret text") == std::string::npos);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("the offer is cut to what the upstream offered last time") {
    World world;
    Device& first = world.connect();
    const std::string before = first.say("EHLO printer\r\n");
    CHECK(before.find("8BITMIME") == std::string::npos);  // not known yet
    CHECK(before.find("250-SIZE 52428800\r\n") != std::string::npos);
    world.upstream.offer = {"PIPELINING",   "SIZE 1000", "8BITMIME", "CHUNKING",
                            "XCLIENT NAME", "BURL",      "ETRN",     "LIMITS RCPTMAX=7"};
    send_message(first);
    const std::string after = world.connect().say("EHLO printer\r\n");
    CHECK(after ==
          "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250-8BITMIME\r\n250 LIMITS RCPTMAX=7\r\n");
    CHECK(first.say("EHLO again\r\n") == after);
}

TEST_CASE("a device that says HELO, and one that pipelines everything it may") {
    World world;
    Device& old = world.connect();
    CHECK(old.say("HELO printer\r\n") == "250 relay.test\r\n");
    CHECK(send_message(old) == "250 2.0.0 Ok: queued as 1\r\n");
    Device& fast = world.connect();
    const std::string replies = fast.say(
        "EHLO f\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<bad\r\n"
        "RCPT TO:<c@example.com>\r\nDATA\r\n");
    CHECK(replies.find(ok + "250 2.1.0 Ok\r\n250 2.1.5 Recipient ok\r\n501 5.1.3 Bad ") !=
          std::string::npos);
    CHECK(
        replies.ends_with("\r\n250 2.1.5 Recipient ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"));
    CHECK(fast.replies().size() == 8);
    CHECK(fast.say("x\r\n.\r\nQUIT\r\n") == "250 2.0.0 Ok: queued as 2\r\n221 2.0.0 Bye\r\n");
    // On the connection that the old one has used: RSET first.
    const auto& commands = world.upstream[0].commands;
    CHECK(commands[5] == "RSET");
    CHECK(commands[6].starts_with("MAIL FROM:<>"));
    CHECK(world.upstream.connections() == 1);
}

TEST_CASE("two messages over one upstream connection, with RSET, EHLO and refusals between") {
    World world;
    std::size_t connections = 1;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    CHECK(send_message(device) == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(send_message(device) == "250 2.0.0 Ok: queued as 2\r\n");
    // One before each message but the first.
    CHECK(world.upstream[0].count("RSET") == 1);
    SUBCASE("RSET after nothing is not told on") {
        CHECK(device.say("RSET\r\n") == ok);
        CHECK(world.upstream[0].count("RSET") == 1);
    }
    SUBCASE("RSET in an envelope") {
        device.say("MAIL FROM:<gone@example.com>\r\n");
        device.say("RCPT TO:<gone@example.com>\r\n");
        CHECK(device.say("RSET\r\n") == ok);
        CHECK(world.upstream[0].count("RSET") == 3);
    }
    SUBCASE("RSET and the next MAIL in one segment") {
        device.say("MAIL FROM:<gone@example.com>\r\n");
        CHECK(device.say("RSET\r\nMAIL FROM:<c@example.com>\r\nRSET\r\n") ==
              ok + "250 2.1.0 Ok\r\n" + ok);
        CHECK(world.upstream[0].count("RSET") == 1);
        CHECK(world.upstream[0].count("MAIL") == 2);
    }
    SUBCASE("RSET, and the next envelope in one segment") {
        device.say("MAIL FROM:<gone@example.com>\r\n");
        device.say("RCPT TO:<gone@example.com>\r\n");
        CHECK(device.say(
                  "RSET\r\nMAIL FROM:<c@example.com>\r\nRCPT TO:<c@example.com>\r\nRSET\r\n") ==
              ok + "250 2.1.0 Ok\r\n250 2.1.5 Recipient ok\r\n" + ok);
    }
    SUBCASE("EHLO in an envelope") {
        device.say("MAIL FROM:<gone@example.com>\r\n");
        device.say("RCPT TO:<gone@example.com>\r\n");
        CHECK(device.say("EHLO printer\r\n").starts_with("250-"));
        CHECK(world.upstream[0].count("RSET") == 3);
    }
    SUBCASE("MAIL refused") {
        // Twice, since the connection that was used before might have been to blame.
        const Deviation refusal{.step = Step::mail, .say = "550 5.7.1 not you\r\n"};
        world.upstream.deviations = {refusal, refusal};
        CHECK(device.say("MAIL FROM:<evil@example.com>\r\n") == "250 2.1.0 Ok\r\n");
        CHECK(device.say("RCPT TO:<b@example.com>\r\n") == "550 5.7.1 not you\r\n");
        CHECK(device.say("RCPT TO:<c@example.com>\r\n") == "550 5.7.1 not you\r\n");
        CHECK(device.say("DATA\r\n") == "550 5.7.1 not you\r\n");
        CHECK(device.say("RSET\r\n") == ok);
        CHECK(world.log.count("upstream_replaced") == 1);
        connections = 2;
    }
    SUBCASE("DATA refused") {
        world.upstream.deviations = {{.step = Step::data, .say = "554 5.5.0 no\r\n"}};
        device.say("MAIL FROM:<a@example.com>\r\n");
        device.say("RCPT TO:<b@example.com>\r\n");
        CHECK(device.say("DATA\r\n").starts_with("354 "));
        CHECK(device.say("x\r\n.\r\n") == "554 5.5.0 no\r\n");
        CHECK(world.upstream[0].count("RSET") == 3);
    }
    SUBCASE("no recipient accepted") {
        world.upstream.deviations = {{.step = Step::rcpt, .say = "550 5.1.1 who?\r\n"}};
        device.say("MAIL FROM:<a@example.com>\r\n");
        CHECK(device.say("RCPT TO:<b@example.com>\r\n") == "550 5.1.1 who?\r\n");
        CHECK(device.say("DATA\r\n") == "554 5.5.1 No valid recipients\r\n");
        CHECK(device.say("RSET\r\n") == ok);
    }
    SUBCASE("the message refused") {
        world.upstream.deviations = {{.step = Step::message, .say = "554 5.7.1 spam\r\n"}};
        CHECK(send_message(device) == "554 5.7.1 spam\r\n");
    }
    CHECK(send_message(device).starts_with("250 2.0.0 Ok: queued as "));
    CHECK(world.upstream.connections() == connections);
    CHECK(world.upstream.accepted() == 3);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("the kept upstream connection goes: idle too long, or closed over there") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    send_message(device);
    SUBCASE("idle_timeout") {
        world.reactor.advance(30s - 1ms);
        CHECK(world.upstream.open() == 1);
        world.reactor.advance(1ms);
        CHECK(world.upstream[0].commands.back() == "QUIT");
        CHECK(world.upstream[0].wire->fate() == Fate::closed);
    }
    SUBCASE("closed with close_notify") { world.upstream.last().wire->end(EndOfInput::clean); }
    SUBCASE("cut") { world.upstream.last().wire->end(EndOfInput::truncated); }
    SUBCASE("reset") { world.upstream.last().wire->end(EndOfInput::failed); }
    SUBCASE("421 and closed") {
        world.upstream.say(0, "421 4.4.2 idle\r\n");
        world.upstream.last().wire->end(EndOfInput::clean);
    }
    SUBCASE("a reply to nothing") { world.upstream.say(0, "250 2.0.0 what?\r\n"); }
    world.reactor.run_until_idle();
    CHECK(world.upstream.open() == 0);
    CHECK(world.provider().slots.in_use() == 0);
    CHECK_FALSE(device.closed());
    CHECK(device.listen() == "");  // the device hears nothing of it
    CHECK(send_message(device) == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(world.upstream.connections() == 2);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("what a second upstream cannot do, though the first offered it, is an error for now") {
    World world;
    ScriptedUpstream plain(world.reactor);
    plain.offer = {"SIZE 100"};
    world.settings->providers.push_back(make_provider(world.reactor, plain, "plain"));
    Device& first = world.connect();
    first.say("EHLO printer\r\n");
    CHECK(send_message(first) == "250 2.0.0 Ok: queued as 1\r\n");
    first.say("QUIT\r\n");
    world.dialer().otherwise.failure = Failure{FailureKind::connect, "refused"};
    Device& device = world.connect();
    CHECK(device.say("EHLO printer\r\n").contains("SMTPUTF8"));
    world.provider(0).pool->close();
    CHECK(device.say("MAIL FROM:<a@example.com> SMTPUTF8\r\n").starts_with("250 "));
    const std::string no =
        "451 4.6.7 The upstream does not support SMTPUTF8 at the moment; try again later\r\n";
    CHECK(device.say("RCPT TO:<b@example.com>\r\n") == no);
    CHECK(device.say("DATA\r\n") == no);
    // From then on it is known at MAIL.
    CHECK(device.say("MAIL FROM:<a@example.com> BODY=8BITMIME\r\n") ==
          "451 4.6.3 The upstream does not support 8BITMIME at the moment; try again later\r\n");
    CHECK(
        device.say("MAIL FROM:<a@example.com> SIZE=101\r\n") ==
        "451 4.3.4 Message is larger than the upstream's limit at the moment; try again later\r\n");
    CHECK(plain.connections() == 1);
    CHECK(plain[0].count("MAIL") == 0);
    CHECK(send_message(device) == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(plain[0].commands[3] == "MAIL FROM:<a@example.com>");
}

TEST_CASE("what no upstream ever offered is refused for good: at MAIL, once that is known") {
    World world;
    world.upstream.offer = {"SIZE 100"};
    Device& device = world.connect();
    SUBCASE("after EHLO") { CHECK_FALSE(device.say("EHLO printer\r\n").contains("SMTPUTF8")); }
    SUBCASE("after HELO") { device.say("HELO printer\r\n"); }
    CHECK(device.say("MAIL FROM:<a@example.com> SMTPUTF8\r\n").starts_with("250 "));
    CHECK(device.say("RCPT TO:<b@example.com>\r\n") ==
          "550 5.6.7 The upstream does not support SMTPUTF8\r\n");
    device.say("RSET\r\n");
    CHECK(device.say("MAIL FROM:<a@example.com> SMTPUTF8\r\n") ==
          "550 5.6.7 The upstream does not support SMTPUTF8\r\n");
    CHECK(device.say("MAIL FROM:<a@example.com> BODY=8BITMIME\r\n") ==
          "550 5.6.3 The upstream does not support 8BITMIME\r\n");
    CHECK(world.upstream[0].count("MAIL") == 0);
}

TEST_CASE("an upstream's MAILMAX: no connection carries more") {
    World world;
    world.upstream.offer.emplace_back("LIMITS MAILMAX=2");
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    for (int i = 0; i < 3; ++i) {
        CHECK(send_message(device).starts_with("250 "));
        // A refused MAIL and a reset transaction are counted by the upstream, too.
        CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("250 "));
        CHECK(device.say("RCPT TO:<b@example.com>\r\n").starts_with("250 "));
        CHECK(device.say("RSET\r\n") == ok);
    }
    REQUIRE(world.upstream.connections() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(world.upstream[i].count("MAIL") == 2);
    CHECK(world.upstream.messages().size() == 3);
}

TEST_CASE("bodies that are refused here: the upstream never gets an end mark") {
    World world;
    world.settings->server.max_message_size = 1000;
    std::string body;
    std::string reply;
    SUBCASE("NUL") {
        body = std::string("x\r\n\0\r\n", 6);
        reply = "550 5.6.0 Message has a NUL octet\r\n";
    }
    SUBCASE("too big") {
        for (int i = 0; i < 100; ++i) body += "0123456789\r\n";
        reply = "552 5.3.4 Message is larger than the limit\r\n";
    }
    SUBCASE("bare LF where they are refused") {
        world.settings->server.line_endings = smtp::LineEndings::reject;
        body = "x\n.\nMAIL FROM:<evil@example.com>\r\n";
        reply = "550 5.6.11 Message has bare CR or bare LF; lines must end in CRLF\r\n";
    }
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    device.say("DATA\r\n");
    device.say("innocent first line\r\n");
    device.say(body);
    CHECK(device.listen() == "");  // the reply is for the end
    CHECK(device.say("more\r\n.\r\n") == reply);
    CHECK(world.upstream[0].wire->fate() == Fate::aborted);
    CHECK(world.upstream[0].messages.empty());
    CHECK(send_message(device) == "250 2.0.0 Ok: queued as 1\r\n");
    device.say("QUIT\r\n");
    const auto line = world.log.of("session_end").at(0).line;
    CHECK(line.find("transactions.0.outcome=refused") != std::string::npos);
    CHECK(line.find("transactions.1.outcome=accepted") != std::string::npos);
    CHECK(listed(check_all(world)) == "");
}
