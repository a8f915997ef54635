// The server machine against hostile and broken devices: octets that may not be in a command, lines
// without end, too many errors, other protocols, injection through parameters.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/smtp/server_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string illegal =
    "500 5.5.2 Commands must end in CRLF and hold no control characters; closing\r\n";
const std::string unknown = "500 5.5.2 Command not recognized\r\n";
const std::string tls = "554 5.7.0 TLS has to wait for STARTTLS here; closing\r\n";
const std::string too_long = "500 5.5.2 Line too long\r\n";
const std::string too_many = "421 4.7.0 Too many errors; closing\r\n";

// The first reply after EHLO (and after MAIL, for RCPT) to a line.
std::string answer_to(const std::string& line) {
    ServerScenario scenario{{"EHLO x\r\n", line}};
    if (line.starts_with("RCPT")) scenario.segments[0] += "MAIL FROM:<a@b.c>\r\n";
    ServerPeer peer(scenario);
    peer.run();
    peer.send(scenario.segments[0]);
    const std::size_t before = peer.result().output.size();
    peer.send(line);
    return peer.result().output.substr(before);
}

}  // namespace

TEST_CASE("server: bare LF, bare CR and NUL in a command end the session") {
    struct Row {
        std::string input, reason;
    };
    const Row rows[] = {
        {"NOOP\n", "bare LF"},
        {"EHLO x\nMAIL FROM:<a@b.c>\r\n", "bare LF"},
        {"NOOP\rQUIT\r\n", "bare CR"},
        {"NOOP\r\r\n", "bare CR"},
        {"NO\0OP\r\n"s, "NUL"},
        {"\0\r\n"s, "NUL"},
        {"\n", "bare LF"},
        {"NOOP\r\0\n"s, "bare CR"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.input);
        expect_all({{row.input}}, "violation " + row.reason + "\n", illegal);
    }
}

TEST_CASE("server: the tail of an overlong line is never a command") {
    const std::string tail = "MAIL FROM:<evil@x>\r\n";
    for (const std::size_t length : {limits::command_line - 1, limits::command_line,
                                     limits::command_line + 1, 3 * limits::command_line}) {
        CAPTURE(length);
        // A line of exactly `length` octets with its CRLF, the end of which looks like a command.
        std::string line = "NOOP ";
        line += std::string(length - line.size() - tail.size(), 'x') + tail;
        const ServerRun run = play({{line + "NOOP y\r\n"}});
        const bool fits = length <= limits::command_line;
        CHECK(run.output == greeting + (fits ? ok : too_long) + ok);
        CHECK(run.events.empty());
        // Octet by octet it is the same.
        const ServerScenario scenario{{}};
        ServerPeer peer(scenario);
        peer.run();
        for (const char c : line + "NOOP y\r\n") peer.send({&c, 1});
        CHECK(peer.result() == run);
    }
}

TEST_CASE("server: a line without end costs no memory, and then the session") {
    const ServerScenario scenario{{}};
    ServerPeer peer(scenario);
    peer.run();
    const std::string block(1000, 'x');
    std::size_t sent = 0;
    while (!peer.server().finished() && sent < 10 * limits::command_discard) {
        peer.send(block);
        sent += block.size();
        CHECK(peer.server().buffered() <= limits::command_line + block.size());
    }
    CHECK(sent <= limits::command_discard + 2 * block.size());
    CHECK(peer.result().events == "violation endless line\n");
    CHECK(peer.result().output == greeting + "500 5.5.2 Line too long; closing\r\n");
}

TEST_CASE("server: after max_errors the next command is the last") {
    const std::string error = "BLAH\r\n";
    ServerScenario scenario{{error + error + error + error + error, "NOOP\r\n"}};
    expect_all(scenario, "violation too many errors\n",
               unknown + unknown + unknown + unknown + unknown + too_many);
    // Successes in between excuse nothing.
    scenario.segments = {error + "NOOP\r\n" + error + "RSET\r\n" + error + "NOOP\r\n" + error +
                         "EHLO x\r\n" + error + "QUIT\r\n"};
    CHECK(play(scenario).output.ends_with(unknown + too_many));
}

TEST_CASE("server: overlong lines count as errors") {
    const std::string line = std::string(limits::command_line, 'x') + "\r\n";
    ServerScenario scenario{{}};
    for (int i = 0; i < 20; ++i) scenario.segments.push_back(line);
    const ServerRun run = play(scenario);
    CHECK(run.events == "violation too many errors\n");
    CHECK(run.output == greeting + too_long + too_long + too_long + too_long + too_long + too_many);
}

TEST_CASE("server: refused commands of every kind count as errors") {
    for (const std::string_view line :
         {"DATA\r\n"sv, "RCPT TO:<a@b.c>\r\n"sv, "MAIL\r\n"sv, "MAIL FROM:<a@\r\n"sv,
          "MAIL FROM:<a@b.c> FOO=1\r\n"sv, "EHLO\r\n"sv, "RSET x\r\n"sv, "EXPN x\r\n"sv,
          "AUTH LOGIN\r\n"sv, "STARTTLS\r\n"sv, "\r\n"sv, " NOOP\r\n"sv, "RCPT\r\n"sv,
          "MAIL FROM:<a@b.c> SIZE=999999999\r\n"sv}) {
        CAPTURE(line);
        ServerScenario scenario{{"EHLO x\r\n"}};
        for (int i = 0; i < 6; ++i) scenario.segments.emplace_back(line);
        const ServerRun run = play(scenario);
        CHECK(run.events == "ehlo x\nviolation too many errors\n");
        CHECK(run.output.ends_with(too_many));
    }
}

TEST_CASE("server: idle chatter is limited between two messages") {
    for (const std::string_view line : {"NOOP\r\n"sv, "RSET\r\n"sv, "VRFY x\r\n"sv, "HELP\r\n"sv,
                                        "EHLO x\r\n"sv, "HELO x\r\n"sv}) {
        CAPTURE(line);
        ServerScenario scenario{{"EHLO x\r\n"}};
        for (int i = 0; i < 90; ++i) scenario.segments.emplace_back(line);
        CHECK_FALSE(play(scenario).finished);
        // A message makes it good.
        for (const std::string_view part :
             {"MAIL FROM:<a@b.c>\r\n"sv, "RCPT TO:<d@e.f>\r\n"sv, "DATA\r\n"sv, ".\r\n"sv})
            scenario.segments.emplace_back(part);
        for (int i = 0; i < 90; ++i) scenario.segments.emplace_back(line);
        CHECK_FALSE(play(scenario).finished);
        for (int i = 0; i < 90; ++i) scenario.segments.emplace_back(line);
        CHECK(play(scenario).finished);
    }
}

TEST_CASE("server: other protocols are not served") {
    const std::string web = "554 5.7.0 This is a mail server, not a web server; closing\r\n";
    for (const std::string_view verb :
         {"GET /"sv, "POST /"sv, "PUT /"sv, "HEAD /"sv, "CONNECT a:25"sv, "OPTIONS *"sv, "get /"sv,
          "DELETE /x"sv}) {
        CAPTURE(verb);
        const std::string request =
            std::string(verb) + " HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\n";
        expect_all({{request}}, "violation HTTP request\n", web);
    }
    // A TLS ClientHello, and the magic of the PROXY protocol.
    const auto hello_bytes = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s;
    expect_all({{hello_bytes}}, "violation TLS ClientHello on a cleartext listener\n", tls);
    // At once: it has no line end, and its sender waits for an answer.
    expect_all({{"\x16\x03"}}, "violation TLS ClientHello on a cleartext listener\n", tls);
    expect_all({{"EHLO x\r\n\x16\x03\x03"}},
               "ehlo x\nviolation TLS ClientHello on a cleartext listener\n", hello + tls);
    expect_all({{"\x16", "\r\n", "\x16\x02\r\n", "NOOP\x16\x03\r\n"}}, "",
               unknown + unknown + unknown);
    expect_all({.segments = {hello_bytes}, .tls = ServerScenario::Tls::implicit}, "violation NUL\n",
               illegal);
    const auto proxy_v2 = "\r\n\r\n\0\r\nQUIT\n"s;
    const std::string proxy = "violation PROXY header on a listener without proxy_protocol\n";
    const std::string header = "500 5.5.2 A PROXY header is not expected here; closing\r\n";
    expect_all({{proxy_v2}}, proxy, unknown + unknown + header);
    expect_all({{"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO x\r\n"}}, proxy, header);
    expect_all({{"PROXY UNKNOWN\r\n"}}, proxy, header);
    expect_all({{"\r\n\r\nNOOP\r\n\0"s}}, "violation NUL\n", unknown + unknown + ok + illegal);
    expect_all({{"XFORWARD ADDR=127.0.0.1\r\nETRN x\r\nTURN\r\n"}}, "",
               unknown + unknown + unknown);
}

TEST_CASE("server: BDAT that was not offered ends the session: its octets are no commands") {
    const std::string closing = "502 5.5.1 BDAT is not offered here; closing\r\n";
    for (const std::string_view chunk :
         {"BDAT 19 LAST\r\nMAIL FROM:<a@b.c>\r\n"sv, "BDAT 18446744073709551616\r\nx"sv,
          "bdat -1\r\n"sv, "BDAT\r\n"sv, "BDAT 0 LAST\r\n"sv, "BDAT 5 LAST x\r\nRSET\r\n"sv}) {
        CAPTURE(chunk);
        expect_all({{"EHLO x\r\n", std::string(chunk)}},
                   "ehlo x\nviolation BDAT without CHUNKING\n", hello + closing);
    }
}

TEST_CASE("server: injection through addresses and parameters") {
    for (const std::string_view line :
         {"MAIL FROM:<a@b.c\x0bX: y>\r\n"sv, "MAIL FROM:<a@b.c> SIZE=1\tBODY=8BITMIME\r\n"sv,
          "MAIL FROM:<a@b.c> SIZE=-1\r\n"sv, "MAIL FROM:<a@b.c> SIZE=1 SIZE=2\r\n"sv,
          "MAIL FROM:<a@b.c> BODY=X\r\n"sv, "MAIL FROM:<a@b.c> FOO=BAR\r\n"sv,
          "MAIL FROM:<a@b.c> ENVID=+0D+0A\r\n"sv, "MAIL FROM:<a@b.c> ENVID=+00\r\n"sv,
          "MAIL FROM:<a@b.c> AUTH=+0Ax\r\n"sv, "MAIL FROM: a@b.c\r\n"sv,
          "MAIL FROM:<a@b.c>RCPT TO:<x@y>\r\n"sv, "MAIL FROM:<a@b.c> RCPT TO:<x@y>\r\n"sv,
          "RCPT TO:<a@b.c> ORCPT=rfc822;+0D+0Ax\r\n"sv, "RCPT TO:<a@b.c> NOTIFY=NEVER,DELAY\r\n"sv,
          "RCPT TO:<>\r\n"sv, "RCPT TO:<a@b.c> <d@e.f>\r\n"sv}) {
        CAPTURE(line);
        const std::string reply = answer_to(std::string(line));
        CHECK(reply.starts_with("5"));
        CHECK(reply.find("\r\n") == reply.size() - 2);
        // Nothing of what the device wrote is in the reply.
        for (const std::string_view theirs : {"x@y"sv, "BAR"sv, "d@e.f"sv, "\x0b"sv, "+0"sv})
            CHECK(reply.find(theirs) == std::string::npos);
    }
    std::string many = "MAIL FROM:<a@b.c>";
    for (int i = 0; i < 200; ++i) many += " X" + std::to_string(i);
    CHECK(answer_to(many + "\r\n").starts_with("5"));
}

TEST_CASE("server: no command is reflected") {
    for (const std::string_view line :
         {"zyxwv\x1b[2J\r\n"sv, "EHLO zyxwv\r\n"sv, "VRFY zyxwv\r\n"sv, "HELP zyxwv\r\n"sv,
          "AUTH zyxwv\r\n"sv, "EXPN zyxwv\r\n"sv, "MAIL FROM:<zyxwv\r\n"sv}) {
        CAPTURE(line);
        CHECK(answer_to(std::string(line)).find("zyxwv") == std::string::npos);
    }
}
