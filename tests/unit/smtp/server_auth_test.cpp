// The server machine and AUTH (RFC 4954): the frame of every exchange, what is refused, and that no
// line of an exchange is ever a command.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "smtp/base64.hpp"
#include "unit/smtp/server_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string offered = "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n";
const std::string yes = "235 2.7.0 Authentication successful\r\n";
const std::string no = "535 5.7.8 Wrong\r\n";
const std::string not_base64 = "501 5.5.2 Not base64\r\n";
const std::string too_long = "500 5.5.6 Authentication exchange line is too long\r\n";
const std::string must = "530 5.7.0 Authentication required\r\n";
const std::string bad = "503 5.5.1 Bad sequence of commands\r\n";
const std::string sender_ok = "250 2.1.0 Sender ok\r\n";
const std::string prompts = "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n";
const Reply username = make_reply(334, "Username:");
const Reply password = make_reply(334, "Password:");
const Reply wrong = make_reply(535, {5, 7, 8}, "Wrong");

ServerScenario with_auth(std::vector<std::string> segments, std::deque<Reply> answers = {}) {
    ServerScenario scenario{std::move(segments)};
    scenario.answers.auth = std::move(answers);
    scenario.settings.auth_mechanisms = {"PLAIN", "LOGIN"};
    scenario.settings.max_errors = 20;
    return scenario;
}

// The octets that answer `line`, said after EHLO, and whether it was an event.
struct Outcome {
    std::string reply;
    bool told;
    bool alive;
};
Outcome outcome_of(const std::string& line) {
    const ServerScenario scenario = with_auth({});
    ServerPeer peer(scenario);
    peer.send("EHLO x\r\n");
    const std::string before = peer.result().output;
    peer.send(line);
    return {peer.result().output.substr(before.size()),
            peer.result().events.find("auth") != std::string::npos, !peer.server().finished()};
}

}  // namespace

TEST_CASE("auth: PLAIN with an initial response, in any case, after EHLO and after HELO") {
    for (const std::string_view verb : {"AUTH PLAIN"sv, "auth plain"sv, "Auth Plain"sv}) {
        CAPTURE(verb);
        const std::string line = std::string(verb) + " AHVzZXIAcGFzcw==\r\n";
        const std::string told = "auth PLAIN [\0user\0pass]\nmail <a@b.c>\n"s;
        expect_all(with_auth({"EHLO x\r\n", line, "MAIL FROM:<a@b.c>\r\n"}), "ehlo x\n" + told,
                   offered + yes + sender_ok);
        expect_all(with_auth({"HELO x\r\n", line, "MAIL FROM:<a@b.c>\r\n"}), "helo x\n" + told,
                   hello + yes + sender_ok);
    }
}

TEST_CASE("auth: PLAIN without an initial response gets an empty challenge") {
    expect_all(
        with_auth({"EHLO x\r\n", "AUTH PLAIN\r\n", "AHVzZXIAcGFzcw==\r\n"}, {make_reply(334, "")}),
        "ehlo x\nauth PLAIN\nresponse [\0user\0pass]\n"s, offered + "334 \r\n" + yes);
    // A space behind the mechanism is no initial response, "=" is an empty one.
    expect_all(
        with_auth({"EHLO x\r\n", "AUTH PLAIN \r\n", "AHVzZXIAcGFzcw==\r\n"}, {make_reply(334, "")}),
        "ehlo x\nauth PLAIN\nresponse [\0user\0pass]\n"s, offered + "334 \r\n" + yes);
    expect_all(with_auth({"EHLO x\r\n", "AUTH PLAIN =\r\n"}), "ehlo x\nauth PLAIN []\n",
               offered + yes);
}

TEST_CASE("auth: LOGIN, with and without the name in the command; empty lines are responses") {
    expect_all(with_auth({"HELO x\r\n", "AUTH LOGIN\r\n", "dXNlcg==\r\n", "cGFzcw==\r\n"},
                         {username, password}),
               "helo x\nauth LOGIN\nresponse [user]\nresponse [pass]\n", hello + prompts + yes);
    expect_all(with_auth({"EHLO x\r\n", "auth login dXNlcg==\r\n", "cGFzcw==\r\n"}, {password}),
               "ehlo x\nauth LOGIN [user]\nresponse [pass]\n",
               offered + "334 UGFzc3dvcmQ6\r\n" + yes);
    expect_all(
        with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", "\r\n", "\r\n"}, {username, password, wrong}),
        "ehlo x\nauth LOGIN\nresponse []\nresponse []\n", offered + prompts + no);
}

TEST_CASE("auth: a response is never a command") {
    for (const std::string_view line :
         {"QUIT"sv, "RSET"sv, "NOOP"sv, "DATA"sv, "EHLO x"sv, "MAIL FROM:<a@b.c>"sv, "STARTTLS"sv,
          "GET / HTTP/1.1"sv, "BDAT 5 LAST"sv, "AUTH PLAIN AGEAYg=="sv}) {
        CAPTURE(line);
        const auto decoded = base64_decode(line);
        const std::string response = std::string(line) + "\r\n";
        expect_all(
            with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", response, "NOOP\r\n"}, {username, wrong}),
            "ehlo x\nauth LOGIN\n" +
                (decoded ? "response [" + *decoded + "]\n" : "auth cancelled: not base64\n"s),
            offered + "334 VXNlcm5hbWU6\r\n" + (decoded ? no : not_base64) + ok);
    }
}

TEST_CASE("auth: * cancels, and nothing else does") {
    expect_all(with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", "*\r\n", "AUTH LOGIN\r\n", "dXNlcg==\r\n",
                          "*\r\n", "NOOP\r\n"},
                         {username, username, password}),
               "ehlo x\nauth LOGIN\nauth cancelled: cancelled\nauth LOGIN\nresponse [user]\n"
               "auth cancelled: cancelled\n",
               offered + "334 VXNlcm5hbWU6\r\n501 5.0.0 Authentication cancelled\r\n" + prompts +
                   "501 5.0.0 Authentication cancelled\r\n" + ok);
    for (const std::string_view line : {"**\r\n"sv, "* \r\n"sv, " *\r\n"sv}) {
        expect_all(with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", std::string(line)}, {username}),
                   "ehlo x\nauth LOGIN\nauth cancelled: not base64\n",
                   offered + "334 VXNlcm5hbWU6\r\n" + not_base64);
    }
    CHECK(outcome_of("AUTH PLAIN *\r\n").reply == not_base64);
}

TEST_CASE("auth: strict base64, in the command and in a response") {
    for (const std::string_view text :
         {"=AAA"sv, "AAA=BBB"sv, "AAA=BBBB"sv, "A"sv, "AAAAA"sv, "dGVzdA"sv, "dGVzdA="sv, "=="sv,
          "dGVzdA== "sv, " dGVzdA=="sv, "dGVz dA=="sv, "dGVzdB=="sv, "dGVz-A=="sv, "dGVz\tdA=="sv,
          "AGEAYg==\xff"sv, "= "sv, " ="sv}) {
        CAPTURE(text);
        const std::string line = std::string(text) + "\r\n";
        expect_all(with_auth({"EHLO x\r\n", "AUTH PLAIN " + line, "NOOP\r\n"}), "ehlo x\n",
                   offered + not_base64 + ok);
        expect_all(with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", line, "NOOP\r\n"}, {username}),
                   "ehlo x\nauth LOGIN\nauth cancelled: not base64\n",
                   offered + "334 VXNlcm5hbWU6\r\n" + not_base64 + ok);
    }
    // What stands for an empty response in the command is nothing in a response.
    CHECK(play(with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", "=\r\n"}, {username}))
              .output.ends_with(not_base64));
    // Line ends other than CRLF end the session, as everywhere.
    const std::string illegal =
        "500 5.5.2 Commands must end in CRLF and hold no control characters; closing\r\n";
    using Row = std::pair<std::string, std::string>;
    for (const auto& [text, reason] :
         {Row{"dGVz\ndA==", "bare LF"}, Row{"dGVz\rdA==", "bare CR"}, Row{"dGVz\0dA=="s, "NUL"}}) {
        expect_all(with_auth({"EHLO x\r\n", "AUTH PLAIN " + text + "\r\n"}),
                   "ehlo x\nviolation " + reason + "\n", offered + illegal);
        expect_all(with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", text + "\r\n"}, {username}),
                   "ehlo x\nauth LOGIN\nviolation " + reason + "\n",
                   offered + "334 VXNlcm5hbWU6\r\n" + illegal);
    }
}

TEST_CASE("auth: what was decoded is not looked at here") {
    for (const std::string_view octets :
         {"\0u\0p\0extra"sv, "no NULs"sv, "u\r\nRCPT TO:<x@y>"sv, "\xff\xfe"sv, "a\0b\0c"sv}) {
        const std::string line = "AUTH PLAIN " + base64_encode(octets) + "\r\n";
        expect_all(with_auth({"EHLO x\r\n", line}, {wrong}),
                   "ehlo x\nauth PLAIN [" + std::string(octets) + "]\n", offered + no);
    }
}

TEST_CASE("auth: no mechanism, an unknown one, and lists of two") {
    CHECK(outcome_of("AUTH\r\n").reply == "501 5.5.4 Syntax: AUTH mechanism\r\n");
    CHECK(outcome_of("AUTH  \r\n").reply == "501 5.5.4 Syntax: AUTH mechanism\r\n");
    for (const std::string_view name :
         {"CRAM-MD5"sv, "PLAI"sv, "PLAINX"sv, "PLAIN\t"sv, "=LOGIN"sv, "PLAIN,LOGIN"sv, "*"sv}) {
        CAPTURE(name);
        for (const std::string_view behind : {""sv, " AGEAYg=="sv, " !"sv}) {
            const Outcome outcome =
                outcome_of("AUTH " + std::string(name) + std::string(behind) + "\r\n");
            CHECK(outcome.reply == "504 5.5.4 This mechanism is not offered\r\n");
            CHECK_FALSE(outcome.told);
        }
    }
}

TEST_CASE("auth: out of order") {
    expect_all(
        with_auth({"AUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\nEHLO x\r\n", "AUTH PLAIN AGEAYg==\r\n",
                   "AUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\nAUTH\r\n", "NOOP\r\n"}),
        "ehlo x\nauth PLAIN [\0a\0b]\n"s,
        "503 5.5.1 Say EHLO or HELO first\r\n503 5.5.1 Say EHLO or HELO first\r\n" + offered + yes +
            "503 5.5.1 Already authenticated\r\n503 5.5.1 Already authenticated\r\n"
            "503 5.5.1 Already authenticated\r\n" +
            ok);
    // In a transaction it is not legal, and does it no harm.
    expect_all(with_auth({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "AUTH PLAIN AGEAYg==\r\n",
                          "RCPT TO:<d@e.f>\r\n", "AUTH LOGIN\r\n", "DATA\r\n",
                          "AUTH PLAIN\r\n.\r\n", "AUTH PLAIN AGEAYg==\r\n"}),
               "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\ndata\nbody AUTH PLAIN\r\n\n"
               "end acceptable octets=12\nauth PLAIN [\0a\0b]\n"s,
               offered + sender_ok + bad + "250 2.1.5 Recipient ok\r\n" + bad + go_on +
                   "250 2.0.0 Queued\r\n" + yes);
    // After a MAIL that was deferred there is no transaction.
    ServerScenario scenario =
        with_auth({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "AUTH PLAIN AGEAYg==\r\n",
                   "RCPT TO:<d@e.f>\r\n", "MAIL FROM:<a@b.c>\r\n"});
    scenario.answers.mail = {make_reply(451, {4, 4, 1}, "Later")};
    expect_all(scenario, "ehlo x\nmail <a@b.c>\nauth PLAIN [\0a\0b]\nmail <a@b.c>\n"s,
               offered + "451 4.4.1 Later\r\n" + yes + bad + sender_ok);
}

TEST_CASE("auth: not offered, it is answered as ever, and what came with it is not looked at") {
    ServerScenario scenario{{"AUTH PLAIN !\r\nEHLO x\r\nAUTH LOGIN\r\ndXNlcg==\r\n"}};
    const std::string absent = "502 5.5.1 AUTH is not offered here\r\n";
    expect_all(scenario, "ehlo x\n",
               absent + hello + absent + "500 5.5.2 Command not recognized\r\n");
}

TEST_CASE("auth: commands behind it wait for the verdict") {
    const std::string batch =
        "EHLO x\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRSET\r\n";
    for (const bool required : {false, true}) {
        ServerScenario scenario = with_auth({batch});
        scenario.settings.require_auth = required;
        expect_all(scenario, "ehlo x\nauth PLAIN [\0a\0b]\nmail <a@b.c>\nrcpt <d@e.f>\nreset\n"s,
                   offered + yes + sender_ok + "250 2.1.5 Recipient ok\r\n" + ok);
    }
    ServerScenario scenario = with_auth({batch}, {wrong});
    scenario.settings.require_auth = true;
    expect_all(scenario, "ehlo x\nauth PLAIN [\0a\0b]\n"s, offered + no + must + bad + ok);
    // Behind a command that gets a challenge they are the response.
    expect_all(with_auth({"EHLO x\r\nAUTH LOGIN\r\nQUIT\r\nNOOP\r\nNOOP\r\n"},
                         {username, password, wrong}),
               "ehlo x\nauth LOGIN\nresponse [" + *base64_decode("QUIT") + "]\nresponse [" +
                   *base64_decode("NOOP") + "]\n",
               offered + prompts + no + ok);
    // A whole dialogue in one write, as device scripts do it.
    expect_all(with_auth({"EHLO x\r\nAUTH LOGIN\r\ndXNlcg==\r\ncGFzcw==\r\nMAIL FROM:<a@b.c>\r\n"},
                         {username, password}),
               "ehlo x\nauth LOGIN\nresponse [user]\nresponse [pass]\nmail <a@b.c>\n",
               offered + prompts + yes + sender_ok);
}

TEST_CASE("auth required: MAIL has to wait for it, whatever ends the login") {
    ServerScenario scenario =
        with_auth({"MAIL FROM:<a@b.c>\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\nMAIL FROM:<!\r\n",
                   "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\n",
                   "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\n", "AUTH LOGIN\r\n",
                   "*\r\nMAIL FROM:<a@b.c>\r\n", "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\n",
                   "RSET\r\nEHLO y\r\nMAIL FROM:<a@b.c>\r\n"},
                  {wrong, make_reply(454, {4, 7, 0}, "Later"), username});
    scenario.settings.require_auth = true;
    const std::string auth = "auth PLAIN [\0a\0b]\n"s;
    expect_all(scenario,
               "ehlo x\n" + auth + auth + "auth LOGIN\nauth cancelled: cancelled\n" + auth +
                   "mail <a@b.c>\nreset\nehlo y\nmail <a@b.c>\n",
               "503 5.5.1 Say EHLO or HELO first\r\n" + offered + must + must + no + must +
                   "454 4.7.0 Later\r\n" + must +
                   "334 VXNlcm5hbWU6\r\n501 5.0.0 Authentication cancelled\r\n" + must + yes +
                   sender_ok + ok + offered + sender_ok);
}

TEST_CASE("auth: after three failures the next command is the last") {
    const std::string line = "AUTH PLAIN AGEAYg==\r\n";
    const std::string auth = "auth PLAIN [\0a\0b]\n"s;
    const std::string over = "421 4.7.0 Too many failed logins; closing\r\n";
    for (const std::string& last : {line, "NOOP\r\n"s, "QUIT\r\n"s, "EHLO x\r\n"s}) {
        expect_all(with_auth({"EHLO x\r\n", line, line, line, last + "MAIL FROM:<a@b.c>\r\n"},
                             {wrong, wrong, wrong}),
                   "ehlo x\n" + auth + auth + auth + "violation too many failed logins\n",
                   offered + no + no + no + over);
    }
    // Neither success of other commands nor "not now" changes the count.
    const Reply later = make_reply(454, {4, 7, 0}, "Later");
    const ServerScenario scenario =
        with_auth({"EHLO x\r\n", line, line, "EHLO x\r\nRSET\r\n", line, line, line},
                  {wrong, later, later, wrong});
    ServerPeer peer(scenario);
    for (const std::string& segment : scenario.segments) peer.send(segment);
    CHECK(peer.server().authenticated());
    CHECK(peer.server().auth_failures() == 2);
    CHECK(peer.server().errors() == 2);
}

TEST_CASE("auth: logins that come to nothing are limited between two messages") {
    ServerScenario scenario = with_auth({"EHLO x\r\n"});
    for (int i = 0; i < 200; ++i) {
        scenario.segments.emplace_back("AUTH PLAIN AGEAYg==\r\n");
        scenario.answers.auth.push_back(make_reply(454, {4, 7, 0}, "Later"));
    }
    CHECK(play(scenario).output.ends_with("421 4.7.0 Too many errors; closing\r\n"));
}

TEST_CASE("auth: lines as long as a mechanism needs, and not longer") {
    // What does not end in time is cut off; the tail that looks like a command is none.
    const std::string evil = "\r\nNOOP\r\n";
    const std::string longest(limits::sasl_line, 'A');
    for (const auto& [text, fits] :
         {std::pair(longest, true), std::pair(longest + "A", false),
          std::pair(longest + "AAAA", false), std::pair(longest + " MAIL FROM:<a@b.c>", false),
          std::pair(std::string(60000, 'A') + " QUIT", false)}) {
        CAPTURE(text.size());
        const ServerScenario scenario =
            with_auth({"EHLO x\r\n", "AUTH LOGIN\r\n", text + evil}, {username, wrong});
        const ServerRun run = play(scenario);
        const std::string before = greeting + offered + "334 VXNlcm5hbWU6\r\n";
        CHECK(run.output == before + (fits ? no : too_long) + ok);
        CHECK(run.events.ends_with(fits ? "]\n" : "auth cancelled: line too long\n"));
        ServerPeer peer(scenario);
        peer.send(scenario.segments[0]);
        peer.send(scenario.segments[1]);
        for (const char c : scenario.segments[2]) {
            peer.send({&c, 1});
            if (peer.server().buffered() > limits::sasl_line + 2) FAIL("too much is kept");
        }
        CHECK(peer.result() == run);
    }
    // The same in the command itself, which may be longer than others.
    const std::string verb = "auth plain ";
    const std::string fitting(limits::sasl_line - 12, 'A');
    for (const auto& [text, fits] : {std::pair(fitting, true), std::pair(fitting + "AAAA", false),
                                     std::pair(std::string(12289, 'A'), false),
                                     std::pair(std::string(60000, 'A') + " QUIT", false)}) {
        CAPTURE(text.size());
        const ServerScenario scenario = with_auth({"EHLO x\r\n", verb + text + evil}, {wrong});
        const ServerRun run = play(scenario);
        CHECK(run.output == greeting + offered + (fits ? no : too_long) + ok);
        ServerPeer peer(scenario);
        peer.send(scenario.segments[0]);
        for (const char c : scenario.segments[1]) peer.send({&c, 1});
        CHECK(peer.result() == run);
    }
    // Other commands have the limit they always had, and so has AUTH where it is not offered.
    const std::string line(limits::command_line - 1, 'A');
    CHECK(outcome_of(line + "\r\n").reply == "500 5.5.2 Line too long\r\n");
    CHECK(play({{"AUTH " + line + "\r\n"}}).output == greeting + "500 5.5.2 Line too long\r\n");
    CHECK(outcome_of("AUTH\r\n" + line + "\r\n").reply ==
          "501 5.5.4 Syntax: AUTH mechanism\r\n500 5.5.2 Line too long\r\n");
}

TEST_CASE("auth: a response without end costs no memory, and then the session") {
    const ServerScenario scenario = with_auth({}, {username});
    ServerPeer peer(scenario);
    peer.send("EHLO x\r\nAUTH LOGIN\r\n");
    const std::string block(1000, 'A');
    std::size_t sent = 0;
    while (!peer.server().finished() && sent < 10 * limits::command_discard) {
        peer.send(block);
        sent += block.size();
        CHECK(peer.server().buffered() <= limits::sasl_line + 2 + block.size());
    }
    CHECK(sent <= limits::command_discard + 2 * block.size());
    CHECK(peer.result().events.ends_with("auth LOGIN\nviolation endless line\n"));
}

TEST_CASE("auth: phases and timers") {
    const ServerScenario scenario = with_auth({});
    Server server(scenario.settings);
    server.greet();
    server.receive("EHLO x\r\nAUTH LOGIN\r\n");
    REQUIRE(std::holds_alternative<server_event::Hello>(server.next()));
    server.hello({});
    const ServerEvent told = server.next();
    REQUIRE(std::holds_alternative<server_event::Auth>(told));
    CHECK_FALSE(std::get<server_event::Auth>(told).initial.has_value());
    CHECK(to_string(server.phase()) == "authenticating");
    CHECK(server.timer() == Timer::none);
    CHECK_FALSE(server.idle());
    server.challenge("Username:");
    CHECK(server.timer() == Timer::downstream_idle);
    CHECK(server.idle());  // nobody is kept waiting but by the device itself
    CHECK(std::holds_alternative<server_event::NeedInput>(server.next()));
    server.receive("dXNlcg==\r\n");
    REQUIRE(std::holds_alternative<server_event::AuthResponse>(server.next()));
    CHECK(server.timer() == Timer::none);
    CHECK_FALSE(server.authenticated());
    server.reply(make_reply(235, {2, 7, 0}, "Ok"));
    CHECK(server.authenticated());
    CHECK(server.phase() == Server::Phase::ready);
    CHECK(server.timer() == Timer::downstream_idle);
    // Late answers are ignored.
    server.shut_down(make_reply(421, {4, 3, 2}, "Bye"));
    server.challenge("x");
    server.reply(make_reply(535, {5, 7, 8}, "Wrong"));
    CHECK(server.output().ends_with("421 4.3.2 Bye\r\n"));
}
