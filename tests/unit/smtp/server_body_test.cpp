// The server machine in a body: the end of data and nothing else ends it, faults are told at the
// true end, and the session stays in step.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/smtp/server_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string head = "EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n";
const std::string head_events = "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\ndata\n";
const std::string head_output = hello + "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n" + go_on;
const std::string attack = "MAIL FROM:<evil@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nB\r\n.\r\n";

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + 1))
        ++n;
    return n;
}

}  // namespace

TEST_CASE("server: only CRLF . CRLF ends a body") {
    for (const std::string_view variant :
         {"\n.\n"sv,       "\n.\r\n"sv,       "\r.\r"sv,         "\r.\r\n"sv,
          "\r\n.\n"sv,     "\r\n.\r"sv,       "\n.\r"sv,         "\r.\n"sv,
          "\r\n.\r\r\n"sv, "\r\r\n.\r\r\n"sv, "\r\n\0.\r\n"sv,   "\r\n.\0\r\n"sv,
          "\r\0\n.\r\n"sv, "\r\n.\r\0\n"sv,   "\n..\r\n"sv,      "\r\n..\n"sv,
          "\x0b.\r\n"sv,   "\x0c.\r\n"sv,     "\xC2\x85.\r\n"sv, "\xE2\x80\xA8.\r\n"sv}) {
        for (const LineEndings mode : {LineEndings::repair, LineEndings::reject}) {
            CAPTURE(variant);
            ServerScenario scenario{{head, "A" + std::string(variant) + attack + "RSET\r\n"}};
            scenario.settings.line_endings = mode;
            const ServerRun run = play(scenario);
            // One message, one reply to it; what looked like commands was content.
            CHECK(count(run.events, "\nend ") == 1);
            CHECK(count(run.events, "evil@x") <= 1);
            CHECK(count(run.events, "mail <evil@x>") == 0);
            CHECK(run.output == greeting + head_output + "250 2.0.0 Queued\r\n" + ok);
        }
    }
}

TEST_CASE("server: the same at every cut") {
    ServerScenario scenario{{head, "A\n.\n\r\n.\r.\r\n..\r\n.x\r\n.\r\nRSET\r\n"}};
    expect_all(scenario,
               head_events +
                   "body A\r\n.\r\n\r\n .\r\n.\r\nx\r\n\n"
                   "end acceptable octets=18 lf=2 cr=1\n",
               head_output + "250 2.0.0 Queued\r\n" + ok);
    scenario.settings.line_endings = LineEndings::reject;
    expect_all(scenario, head_events + "body refused\nend line_endings octets=18 lf=2 cr=1\n",
               head_output + "250 2.0.0 Queued\r\n" + ok);
}

TEST_CASE("server: real ends beside NUL") {
    // E15: the NUL is content and refused; the end is real. E16: the NUL begins a command line.
    expect_all({{head, "A\0\r\n.\r\nNOOP\r\n"s}}, head_events + "body refused\nend nul octets=4\n",
               head_output + "250 2.0.0 Queued\r\n" + ok);
    const ServerRun run = play({{head, "A\r\n.\r\n\0NOOP\r\n"s}});
    CHECK(run.events == head_events + "body A\r\n\nend acceptable octets=3\nviolation NUL\n");
}

TEST_CASE("server: every fault has its verdict, and is told at the true end") {
    struct Row {
        std::string body;
        BodyVerdict verdict;
        std::string_view reply;
    };
    const std::string endless(limits::text_line + 1, 'x');
    const Row rows[] = {
        {"a\nb\r\n", BodyVerdict::line_endings, "550 5.6.11 "},
        {"a\rb\r\n", BodyVerdict::line_endings, "550 5.6.11 "},
        {"a\0b\r\n"s, BodyVerdict::nul, "550 5.6.0 "},
        {endless + "\r\n", BodyVerdict::line_too_long, "554 5.6.0 "},
        {std::string(300, 'x') + "\r\n", BodyVerdict::too_big, "552 5.3.4 "},
        // A lone dot after a bare LF in a message that is too big (E21).
        {std::string(300, 'x') + "\n.\nMAIL FROM:<evil@x>\r\n", BodyVerdict::line_endings,
         "550 5.6.11 "},
    };
    for (const Row& row : rows) {
        CAPTURE(to_string(row.verdict));
        ServerScenario scenario{{head, row.body, "more\r\n.\r\n", "MAIL FROM:<a@b.c>\r\n"}};
        scenario.settings.line_endings = LineEndings::reject;
        if (row.verdict != BodyVerdict::line_too_long) scenario.settings.max_message_size = 200;
        scenario.answers.message = {refusal(row.verdict)};
        const ServerRun run = play(scenario);
        CHECK(run.events.starts_with(head_events + "body refused\nend " +
                                     std::string(to_string(row.verdict)) + " "));
        CHECK(run.events.ends_with("\nmail <a@b.c>\n"));
        const std::string after = run.output.substr((greeting + head_output).size());
        CHECK(after.starts_with(row.reply));
        CHECK(after.ends_with("\r\n250 2.1.0 Sender ok\r\n"));
    }
}

TEST_CASE("server: a message that does not end is given up") {
    ServerScenario scenario{{}};
    scenario.settings.max_message_size = 1000;
    Server server(scenario.settings);
    server.greet();
    server.receive("HELO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
    (void)server.next();
    server.hello({});
    for (int i = 0; i < 3; ++i) {
        (void)server.next();
        server.reply(make_reply(i == 2 ? 354 : 250, "Ok"));
    }
    server.sent(server.output().size());
    const std::string block(limits::read_block - 2, 'x');
    std::size_t sent = 0;
    std::string end;
    while (end.empty() && sent < 2 * limits::body_discard) {
        server.receive(block + "\r\n");
        sent += limits::read_block;
        for (ServerEvent told = server.next();
             !std::holds_alternative<server_event::NeedInput>(told); told = server.next()) {
            if (const auto* bad = std::get_if<server_event::Violation>(&told)) end = bad->reason;
            if (server.finished()) break;
        }
    }
    CHECK(end == "message does not end");
    CHECK(sent > limits::body_discard);
    CHECK(sent <= limits::body_discard + 1500 + limits::read_block);
    CHECK(server.output() == "552 5.3.4 Message is too large and does not end; closing\r\n");
}

TEST_CASE("server: a message may be exactly as big as allowed") {
    ServerScenario scenario{{head, "12345678\r\n..\r\n.\r\n"}};
    scenario.settings.max_message_size = 13;  // 10 and ".", CRLF: the dot added is not counted
    CHECK(play(scenario).events.ends_with("end acceptable octets=13\n"));
    scenario.settings.max_message_size = 12;
    CHECK(play(scenario).events.ends_with("body refused\nend too_big octets=13\n"));
}

TEST_CASE("server: what was passed on before a fault is a beginning of the message") {
    ServerScenario scenario{{}};
    scenario.settings.max_message_size = 20;
    Server server(scenario.settings);
    server.greet();
    server.receive("HELO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
    (void)server.next();
    server.hello({});
    for (int i = 0; i < 2; ++i) {
        (void)server.next();
        server.reply(make_reply(250, {2, 0, 0}, "Ok"));
    }
    (void)server.next();
    server.reply(make_reply(354, "Go"));
    server.receive("0123456789\r\n");
    const ServerEvent first = server.next();
    REQUIRE(std::holds_alternative<server_event::Body>(first));
    CHECK(std::get<server_event::Body>(first).content == "0123456789\r\n");
    server.receive("0123456789\r\n0123\0"s);
    REQUIRE(std::holds_alternative<server_event::BodyRefused>(server.next()));
    CHECK(std::holds_alternative<server_event::NeedInput>(server.next()));
    server.receive("0123456789\r\n.\r\n");
    // Refused once; then only the end is told.
    const ServerEvent end = server.next();
    REQUIRE(std::holds_alternative<server_event::BodyEnd>(end));
    CHECK(std::get<server_event::BodyEnd>(end).verdict == BodyVerdict::nul);
}

TEST_CASE("server: a large body passes in bounded pieces") {
    ServerScenario scenario{{head}};
    scenario.settings.max_message_size = 10'000'000;
    ServerPeer peer(scenario);
    peer.run();
    peer.send(head);
    Server& server = peer.server();
    std::string line(78, 'x');
    line += "\r\n";
    std::string megabyte;
    while (megabyte.size() < 1'000'000) megabyte += line;
    server.receive(megabyte + ".\r\n");
    std::string got;
    for (;;) {
        const ServerEvent told = server.next();
        if (std::holds_alternative<server_event::BodyEnd>(told)) break;
        REQUIRE(std::holds_alternative<server_event::Body>(told));
        const std::string_view piece = std::get<server_event::Body>(told).content;
        CHECK(piece.size() <= 2 * limits::read_block);
        got += piece;
    }
    CHECK(got == megabyte);
}

TEST_CASE("server: every verdict has a reply of its own class") {
    CHECK(refusal(BodyVerdict::line_endings).code == 550);
    CHECK(refusal(BodyVerdict::line_endings).enhanced == EnhancedCode{5, 6, 11});
    CHECK(refusal(BodyVerdict::nul).permanent());
    CHECK(refusal(BodyVerdict::line_too_long).permanent());
    CHECK(refusal(BodyVerdict::too_big).code == 552);
    CHECK(refusal(BodyVerdict::acceptable).transient());
}
