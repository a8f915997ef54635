// What a listener does to messages and for them: senders and recipients that are allowed, sender
// rules, the header editor in its place, repairs in the log.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;

namespace {

auth::AddressPattern pattern(std::string_view text) { return *auth::AddressPattern::parse(text); }

auth::SenderRule rule(std::string_view address, bool header = false) {
    return {smtp::parse_path("<" + std::string(address) + ">", smtp::PathKind::reverse)->path,
            header};
}

std::string send(Device& device, const std::string& message,
                 const std::string& from = "<a@example.com>",
                 const std::vector<std::string>& to = {"<b@example.com>"}) {
    std::string said = device.say("EHLO printer\r\n");
    said = device.say("MAIL FROM:" + from + "\r\n");
    for (const std::string& one : to) said += device.say("RCPT TO:" + one + "\r\n");
    said += device.say("DATA\r\n");
    return said + device.say(message + "\r\n.\r\n");
}

bool has_command(World& world, const std::string& command) {
    const auto& all = world.upstream.last().commands;
    return std::find(all.begin(), all.end(), command) != all.end();
}

constexpr std::string_view plain = "From: a@example.com\r\nDate: x\r\nMessage-ID: <y@z>\r\n\r\nHi";

}  // namespace

TEST_CASE("messages: senders that are not allowed, and recipients") {
    World world;
    world.settings->messages.senders = {pattern("*@example.com")};
    world.settings->messages.recipients = {pattern("*@corp.example"), pattern("b@example.com")};
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    CHECK(device.say("MAIL FROM:<a@example.org>\r\n").starts_with("553 5.7.1 This sender"));
    CHECK(device.say("MAIL FROM:<>\r\n").starts_with("553 5.7.1 "));
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("250 "));
    CHECK(device.say("RCPT TO:<x@example.org>\r\n").starts_with("550 5.7.1 Mail to this"));
    CHECK(device.say("RCPT TO:<x@CORP.example>\r\n").starts_with("250 "));
    CHECK(device.say("RCPT TO:<c@example.com>\r\n").starts_with("550 5.7.1 "));
    CHECK(device.say("DATA\r\n").starts_with("354 "));
    CHECK(device.say("x\r\n.\r\n").starts_with("250 "));
    CHECK(world.upstream.last().count("RCPT") == 1);
    CHECK(world.log.count("sender_refused") == 2);
    CHECK(world.log.count("recipient_refused") == 2);
    device.say("QUIT\r\n");
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("messages: refused recipients are told in their turn") {
    World world;
    world.settings->messages.recipients = {pattern("*@example.com")};
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    CHECK(device.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"
                     "RCPT TO:<x@other.example>\r\nRCPT TO:<c@example.com>\r\n"
                     "RCPT TO:<y@other.example>\r\nRCPT TO:<z@other.example>\r\n") ==
          "250 2.1.0 Ok\r\n250 2.1.5 Recipient ok\r\n"
          "550 5.7.1 Mail to this recipient is not allowed from here\r\n"
          "250 2.1.5 Recipient ok\r\n"
          "550 5.7.1 Mail to this recipient is not allowed from here\r\n"
          "550 5.7.1 Mail to this recipient is not allowed from here\r\n");
    device.say("RSET\r\n");
    // Nobody is left: nothing is asked of the upstream.
    const std::size_t before = world.upstream.last().commands.size();
    CHECK(device.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@other.example>\r\nDATA\r\n")
              .ends_with("554 5.5.1 No valid recipients\r\n"));
    CHECK(world.upstream.last().count("MAIL") == 1);
    CHECK(world.upstream.last().commands.size() <= before + 1);
}

TEST_CASE("messages: a sender rule for everybody") {
    World world;
    world.settings->messages.sender = rule("scanner@corp.example");
    Device& device = world.connect();
    CHECK(send(device, std::string(plain)).ends_with("250 2.0.0 Ok: queued as 1\r\n"));
    CHECK(has_command(world, "MAIL FROM:<scanner@corp.example> BODY=8BITMIME"));
    CHECK(send(device, std::string(plain), "<>").contains("250 2.0.0"));
    // What must never be answered stays so.
    CHECK(has_command(world, "MAIL FROM:<> BODY=8BITMIME"));
    // The header was to be kept.
    CHECK(world.upstream.last().messages[0] == std::string(plain) + "\r\n");
    device.say("QUIT\r\n");
    const std::string line = world.log.of("session_end").at(0).line;
    CHECK(line.contains("from=<a@example.com>"));
    CHECK(line.contains("sent_as=<scanner@corp.example>"));
    CHECK(line.contains("envelope_rewritten"));
}

TEST_CASE("messages: a rule for foreign senders leaves our own alone") {
    World world;
    world.settings->messages.sender = rule("scanner@corp.example", true);
    world.settings->messages.sender->own_domains = {"corp.example"};
    Device& device = world.connect();
    send(device, "From: Bob <bob@Corp.example>\r\n\r\nHi", "<bob@Corp.example>");
    CHECK(has_command(world, "MAIL FROM:<bob@Corp.example> BODY=8BITMIME"));
    CHECK(world.upstream.last().messages[0] == "From: Bob <bob@Corp.example>\r\n\r\nHi\r\n");
    send(device, "From: Bob <bob@example.org>\r\n\r\nHi", "<bob@corp.example.org>");
    CHECK(has_command(world, "MAIL FROM:<scanner@corp.example> BODY=8BITMIME"));
    CHECK(world.upstream.last().messages[1] ==
          "From: Bob <scanner@corp.example>\r\nReply-To: Bob <bob@example.org>\r\n\r\nHi\r\n");
}

TEST_CASE("messages: a header too large to be rewritten is refused, and nothing of it goes on") {
    const std::string padding = "X-Pad: " + std::string(900, 'x') + "\r\n";
    std::string large = "From: boss@bank.example\r\n";
    while (large.size() <= 256 * 1024) large += padding;
    large += "\r\nHi";
    for (const auto buffer : {relay::Buffer::stream, relay::Buffer::whole}) {
        for (const bool header : {true, false}) {
            World world;
            world.settings->messages.buffer = buffer;
            world.settings->messages.sender = rule("scanner@corp.example", header);
            world.settings->messages.repair = true;
            Device& device = world.connect();
            const std::string said = send(device, large);
            const bool refused =
                said.ends_with("552 5.3.4 Header too large for its sender to be rewritten\r\n");
            CHECK(refused == header);
            const auto& got = world.upstream.last().messages;
            CHECK(got.size() == (header ? 0 : 1));
            if (!header) CHECK(got[0] == large + "\r\n");
            // The session goes on, with the next message.
            CHECK(send(device, std::string(plain)).contains("250 2.0.0 Ok: queued"));
            device.say("QUIT\r\n");
            CHECK(listed(check_all(world)) == "");
        }
    }
}

TEST_CASE("messages: a rule, and a message without From") {
    World world;
    world.settings->messages.sender = rule("scanner@corp.example", true);
    world.settings->messages.repair = true;
    Device& device = world.connect();
    const auto got = [&](const std::string& from) {
        CHECK(send(device, "Subject: x\r\n\r\nHi", from).contains("250 2.0.0"));
        return world.upstream.last().messages.back();
    };
    const std::string header = got("<printer@local.example>");
    CHECK(header.contains("From: scanner@corp.example\r\n"));
    CHECK(header.contains("Reply-To: printer@local.example\r\n"));
    CHECK_FALSE(got("<scanner@corp.example>").contains("Reply-To"));
    CHECK_FALSE(got("<>").contains("Reply-To"));
    // Who is of ours may stay, there as anywhere.
    auto settings = std::make_shared<relay::SessionSettings>(*world.settings);
    settings->messages.sender->own_domains = {"corp.example"};
    world.settings = settings;
    Device& other = world.connect();
    CHECK(send(other, "Subject: x\r\n\r\nHi", "<bob@corp.example>").contains("250 2.0.0"));
    CHECK(world.upstream.last().messages.back().contains("From: bob@corp.example\r\n"));
    CHECK_FALSE(world.upstream.last().messages.back().contains("Reply-To"));
}

TEST_CASE("messages: a message from nobody, without From, is a program's") {
    World world;
    world.settings->messages.repair = true;
    Device& device = world.connect();
    CHECK(send(device, "Subject: x\r\n\r\nHi", "<>").contains("250 2.0.0"));
    CHECK(world.upstream.last().messages[0].contains("From: MAILER-DAEMON@relay.test\r\n"));
}

TEST_CASE(
    "messages: UTF-8 in a header that was not declared is encoded, whatever the upstream has") {
    World world;
    world.settings->messages.repair = true;
    Device& device = world.connect();
    const std::string text =
        "Subject: Gr\xc3\xbc\xc3\x9f"
        "e\r\n" +
        std::string(plain);
    for (const bool declared : {false, true}) {
        send(device, text, declared ? "<a@example.com> SMTPUTF8" : "<a@example.com>");
        const std::string& got = world.upstream.last().messages.back();
        CHECK(got.contains("Gr\xc3\xbc") == declared);
        CHECK(got.contains("Subject: =?UTF-8?") == !declared);
    }
}

TEST_CASE("messages: a user's rule before the listener's, that before the upstream's") {
    World world;
    world.provider().sender = rule("upstream@example.com");
    Device& device = world.connect();
    send(device, std::string(plain));
    CHECK(has_command(world, "MAIL FROM:<upstream@example.com> BODY=8BITMIME"));
    World other;
    other.provider().sender = rule("upstream@example.com");
    other.settings->messages.sender = rule("listener@example.com");
    Device& second = other.connect();
    send(second, std::string(plain));
    CHECK(has_command(other, "MAIL FROM:<listener@example.com> BODY=8BITMIME"));
}

TEST_CASE("messages: repairs are made, and named with the commands'") {
    World world;
    world.settings->messages.repair = true;
    Device& device = world.connect();
    CHECK(device.say("\r\nHELO\r\n").starts_with("250 "));
    device.say(" MAIL FROM: a@example.com\r\n");
    device.say("RCPT TO:<'b@example.com'>\r\n");
    device.say("DATA\r\n");
    CHECK(device.say("Subject: x\n\nHi\r\n.\r\n").starts_with("250 "));
    const std::string message = world.upstream.last().messages.at(0);
    CHECK(message.starts_with("Subject: x\r\nDate: "));
    CHECK(message.contains("\r\nMessage-ID: <"));
    CHECK(message.contains("@relay.test>\r\nFrom: <a@example.com>\r\n\r\nHi\r\n") ==
          message.contains("From: <a@example.com>"));
    device.say("QUIT\r\n");
    const std::string line = world.log.of("session_end").at(0).line;
    CAPTURE(line);
    for (const std::string_view name :
         {"blank_line", "no_hello_name", "leading_space", "no_brackets", "path_extracted",
          "bare_lf", "no_date", "no_message_id", "no_from"})
        CHECK(line.contains(name));
}

TEST_CASE("messages: a Received field with the address, or without") {
    for (const auto trace : {relay::Trace::with_address, relay::Trace::without_address}) {
        World world;
        world.settings->messages.trace = trace;
        Device& device = world.connect();
        send(device, std::string(plain));
        const std::string message = world.upstream.last().messages.at(0);
        CAPTURE(message);
        CHECK(message.starts_with("Received: from "));
        CHECK(message.contains("by relay.test (waxseal) with ESMTP id "));
        CHECK(message.contains("([192.0.2.1])") == (trace == relay::Trace::with_address));
        CHECK(message.contains("printer") == (trace == relay::Trace::with_address));
        CHECK(message.ends_with(std::string(plain) + "\r\n"));
    }
}

TEST_CASE("messages: long lines refused where that is wanted") {
    World world;
    world.settings->server.long_lines = smtp::LongLines::reject;
    Device& device = world.connect();
    CHECK(send(device, "S: x\r\n\r\n" + std::string(999, 'x'))
              .ends_with("554 5.6.0 Message has a line that is too long\r\n"));
    CHECK(world.upstream.last().messages.empty());
    CHECK(send(device, "S: x\r\n\r\n" + std::string(998, 'x')).contains("250 2.0.0"));
}
