// The server machine: pipelining (RFC 2920), synchronisation at DATA, transactions that cannot
// succeed any more, input before the greeting and after the end, and slow readers.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/smtp/server_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string accepted = "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n";
const std::string unsynchronised =
    "554 5.5.0 Protocol synchronization error: wait for the reply to DATA; closing\r\n";
const std::string envelope = "EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n";
const Reply later = make_reply(451, {4, 4, 1}, "Later");

}  // namespace

TEST_CASE("server: a batch is answered in order, one reply each") {
    ServerScenario scenario{
        {"EHLO x\r\nNOOP\r\nMAIL FROM:<a@b.c>\r\nNOOP\r\nRCPT TO:<1@e.f>\r\n"
         "BLAH\r\nRCPT TO:<2@e.f>\r\nVRFY x\r\nRCPT TO:<3@e.f>\r\nDATA\r\n",
         "x\r\n.\r\nMAIL FROM:<a@b.c>\r\nNOOP\r\nQUIT\r\n"}};
    scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "1"), make_reply(250, {2, 1, 5}, "2"),
                             make_reply(450, {4, 2, 1}, "3")};
    expect_all(scenario,
               "ehlo x\nmail <a@b.c>\nrcpt <1@e.f>\nrcpt <2@e.f>\nrcpt <3@e.f>\ndata\n"
               "body x\r\n\nend acceptable octets=3\nmail <a@b.c>\nquit\n",
               hello + ok + "250 2.1.0 Sender ok\r\n" + ok +
                   "550 5.1.1 1\r\n500 5.5.2 Command not recognized\r\n250 2.1.5 2\r\n"
                   "252 2.5.2 Cannot verify; send a message and see\r\n450 4.2.1 3\r\n" +
                   go_on + "250 2.0.0 Queued\r\n250 2.1.0 Sender ok\r\n" + ok +
                   "221 2.0.0 Bye\r\n");
}

TEST_CASE("server: replies that nobody reads make the commands wait") {
    ServerScenario scenario{{}};
    scenario.settings.max_errors = 1'000'000;
    Server server(scenario.settings);
    server.greet();
    std::string batch;
    for (int i = 0; i < 5000; ++i) batch += "HELP\r\n";
    server.receive(batch);
    std::size_t replies = 0;
    for (;;) {
        const ServerEvent told = server.next();
        const bool more = std::holds_alternative<server_event::Paused>(told);
        CHECK(more == (server.buffered() != 0));
        CHECK(server.output().size() <= limits::pending_replies + limits::written_reply_line);
        for (const char c : server.output()) replies += c == '\n' ? 1 : 0;
        server.sent(server.output().size());
        if (!more) break;
    }
    CHECK(replies == 5001);
}

TEST_CASE("server: octets behind DATA are neither content nor commands") {
    for (const std::string_view behind :
         {"Subject: x\r\n\r\n.\r\n"sv, ".\r\n"sv, "QUIT\r\n"sv, "x"sv, "\r"sv, "RSET\r\n"sv}) {
        CAPTURE(behind);
        ServerScenario scenario{{envelope + "DATA\r\n" + std::string(behind)}};
        const ServerRun run = play(scenario);
        CHECK(run.events.ends_with("violation data sent before the reply to DATA\n"));
        CHECK(run.output == greeting + hello + accepted + unsynchronised);
        CHECK(run.finished);
    }
}

TEST_CASE("server: the same where DATA is refused at once") {
    // Whoever sends content without waiting would have it executed as commands.
    const std::string content = "DATA\r\nMAIL FROM:<evil@x>\r\n.\r\n";
    const std::string begun = "EHLO x\r\nMAIL FROM:<a@b.c>\r\n";
    for (const std::string& before : {""s, "EHLO x\r\n"s, begun, envelope}) {
        CAPTURE(before);
        ServerScenario scenario{{before + content}};
        // The last: the only recipient is refused. Then: a transaction that is doomed.
        scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "Unknown")};
        for (const bool doomed : {false, true}) {
            if (doomed) scenario.answers.mail = {later};
            const ServerRun run = play(scenario);
            CHECK(run.events.ends_with("violation data sent before the reply to DATA\n"));
            CHECK(run.events.find("evil") == std::string::npos);
            CHECK(run.output.ends_with(unsynchronised));
        }
    }
}

TEST_CASE("server: octets that arrive while DATA waits for its answer") {
    for (const bool refused : {false, true}) {
        CAPTURE(refused);
        const ServerScenario scenario{{}};
        Server server(scenario.settings);
        server.greet();
        server.receive("EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
        (void)server.next();
        server.hello({});
        (void)server.next();
        server.reply(make_reply(250, {2, 1, 0}, "Ok"));
        (void)server.next();
        server.reply(make_reply(250, {2, 1, 5}, "Ok"));
        REQUIRE(std::holds_alternative<server_event::DataRequested>(server.next()));
        server.receive("MAIL FROM:<evil@x>\r\n");
        CHECK(std::holds_alternative<server_event::Paused>(server.next()));
        server.reply(refused ? make_reply(554, {5, 7, 1}, "No") : make_reply(354, "Go"));
        CHECK(server.output().ends_with(unsynchronised));
        CHECK(server.output().find("354") == std::string_view::npos);
        CHECK(std::holds_alternative<server_event::Violation>(server.next()));
        CHECK(std::holds_alternative<server_event::NeedInput>(server.next()));
        CHECK(server.finished());
        CHECK(server.buffered() == 0);
    }
}

TEST_CASE("server: DATA behind refused recipients only") {
    ServerScenario scenario{{envelope + "DATA\r\n", "MAIL FROM:<a@b.c>\r\n"}};
    scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "Unknown")};
    // MAIL is still open, so a second one is out of order: the device has to say RSET.
    expect_all(scenario, "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\n",
               hello +
                   "250 2.1.0 Sender ok\r\n550 5.1.1 Unknown\r\n"
                   "554 5.5.1 No valid recipients\r\n503 5.5.1 Bad sequence of commands\r\n");
}

TEST_CASE("server: a 4yz to MAIL dooms what was pipelined behind it") {
    ServerScenario scenario{{envelope + "RCPT TO:<d@e.f>\r\nDATA\r\n",
                             "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n", "x\r\n.\r\n"}};
    scenario.answers.mail = {later};
    const std::string said = "451 4.4.1 Later\r\n";
    expect_all(scenario,
               "ehlo x\nmail <a@b.c>\nmail <a@b.c>\nrcpt <d@e.f>\ndata\nbody x\r\n\n"
               "end acceptable octets=3\n",
               hello + said + said + said + said + accepted + go_on + "250 2.0.0 Queued\r\n");
}

TEST_CASE("server: a doomed transaction is left by RSET, EHLO and MAIL without an event") {
    for (const std::string_view way : {"RSET\r\n"sv, "EHLO y\r\n"sv}) {
        CAPTURE(way);
        ServerScenario scenario{{envelope, std::string(way), "RCPT TO:<d@e.f>\r\n"}};
        scenario.answers.mail = {later};
        const ServerRun run = play(scenario);
        const bool ehlo = way.starts_with("EHLO");
        CHECK(run.events == "ehlo x\nmail <a@b.c>\n"s + (ehlo ? "ehlo y\n" : ""));
        CHECK(run.output == greeting + hello + "451 4.4.1 Later\r\n451 4.4.1 Later\r\n" +
                                (ehlo ? hello : ok) + "503 5.5.1 Bad sequence of commands\r\n");
    }
}

TEST_CASE("server: doomed from outside, in every phase") {
    const std::vector<std::string> steps{"EHLO x\r\n", "MAIL FROM:<a@b.c>\r\n",
                                         "RCPT TO:<d@e.f>\r\n", "DATA\r\n", "x\r\n"};
    for (std::size_t stop = 0; stop <= steps.size(); ++stop) {
        CAPTURE(stop);
        const ServerScenario scenario{{}};
        ServerPeer peer(scenario);
        peer.run();
        for (std::size_t i = 0; i < stop; ++i) peer.send(steps[i]);
        const Server::Phase before = peer.server().phase();
        peer.server().doom(later);
        const bool in_transaction = stop == 2 || stop == 3;
        CHECK(peer.server().phase() == (in_transaction ? Server::Phase::doomed : before));
        if (!in_transaction) continue;
        CHECK(peer.server().idle());
        const std::string said = peer.result().output;
        peer.send("RCPT TO:<d@e.f>\r\nNOOP\r\nDATA\r\n");
        CHECK(peer.result().output == said + "451 4.4.1 Later\r\n" + ok + "451 4.4.1 Later\r\n");
        peer.send("RSET\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
        CHECK(peer.server().phase() == Server::Phase::body);
    }
}

TEST_CASE("server: a 4yz to DATA dooms the transaction") {
    ServerScenario scenario{{envelope + "DATA\r\n", "DATA\r\n", "MAIL FROM:<a@b.c>\r\n"}};
    scenario.answers.data = {later};
    expect_all(scenario, "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\ndata\nmail <a@b.c>\n",
               hello + accepted + "451 4.4.1 Later\r\n451 4.4.1 Later\r\n250 2.1.0 Sender ok\r\n");
}

TEST_CASE("server: input before the greeting is refused in its place, and not carried out") {
    struct Early {
        std::string input, refusal;
        std::string_view reason;
    };
    const std::string wait =
        "554 5.5.0 Protocol synchronization error: wait for the greeting; closing\r\n";
    for (const auto& [input, refusal, reason] :
         {Early{"EHLO early\r\nMAIL FROM:<a@b.c>\r\n", wait, violation::data_before_greeting},
          Early{"E", wait, violation::data_before_greeting},
          Early{"\0\xff\n"s, wait, violation::data_before_greeting},
          Early{"GET / HTTP/1.1\r\nHost: x\r\n",
                "554 5.7.0 This is a mail server, not a web server; closing\r\n", violation::http},
          Early{"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
                "500 5.5.2 A PROXY header is not expected here; closing\r\n",
                violation::proxy_header}}) {
        for (const Reading reading : {Reading::strict, Reading::tolerant}) {
            ServerScenario scenario{{}};
            scenario.settings.reading = reading;
            Server server(scenario.settings);
            server.receive(input);
            CHECK(std::holds_alternative<server_event::Paused>(server.next()));
            CHECK(server.output().empty());
            server.greet();
            CHECK(server.output() == refusal);
            CHECK(server.finished());
            const ServerEvent told = server.next();
            REQUIRE(std::holds_alternative<server_event::Violation>(told));
            CHECK(std::get<server_event::Violation>(told).reason == reason);
            server.receive("EHLO late\r\n");
            CHECK(std::holds_alternative<server_event::NeedInput>(server.next()));
            CHECK(server.output() == refusal);
        }
    }
}

namespace {

const std::string no_rcpt = "554 5.5.1 No valid recipients\r\n";
const std::string no_message = "554 5.5.0 DATA was refused, and this is no command; closing\r\n";

ServerScenario refused_recipient(std::vector<std::string> behind, Reading reading) {
    ServerScenario scenario{{envelope, "DATA\r\n"}};
    scenario.segments.insert(scenario.segments.end(), behind.begin(), behind.end());
    scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "No such user")};
    scenario.settings.reading = reading;
    return scenario;
}

}  // namespace

TEST_CASE("server: a message that comes though DATA was refused ends the session") {
    const std::string events = "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\n";
    const std::string output =
        hello + "250 2.1.0 Sender ok\r\n550 5.1.1 No such user\r\n" + no_rcpt;
    const std::string evil = "RSET\r\nMAIL FROM:<e@b.c>\r\nRCPT TO:<v@e.f>\r\nDATA\r\nx\r\n.\r\n";
    for (const Reading reading : {Reading::strict, Reading::tolerant}) {
        // Long or short, in one write or line by line.
        for (const std::string& first : {"Subject: x\r\n"s, "\r\nSubject: x\r\n"s, ".\r\n"s,
                                         " MAIL\r\n"s, std::string(3000, 'x') + "\r\n"}) {
            if (first == " MAIL\r\n" && reading == Reading::tolerant) continue;
            expect_all(
                refused_recipient({first + evil}, reading),
                events + "violation " + std::string(violation::message_behind_refusal) + "\n",
                output + no_message);
        }
        // Whoever goes on as the protocol has it is not affected.
        expect_all(refused_recipient({"NOOP\r\n", "X\r\nRSET\r\nDATA\r\n", "QUIT\r\n"}, reading),
                   events + "reset\nquit\n",
                   output + ok + "500 5.5.2 Command not recognized\r\n" + ok +
                       "503 5.5.1 Bad sequence of commands\r\n221 2.0.0 Bye\r\n");
    }
    // It is DATA however it was refused: by whom it was asked for, too early, too long, with an
    // argument.
    ServerScenario refused{{envelope, "DATA\r\n", "Subject: x\r\n" + evil}};
    refused.answers.data = {later};
    CHECK(play(refused).events.ends_with("violation " +
                                         std::string(violation::message_behind_refusal) + "\n"));
    for (const std::string& data :
         {"DATA\r\n"s, "DATA x\r\n"s, "data" + std::string(2100, ' ') + "\r\n"}) {
        const ServerRun run = play({{"EHLO x\r\n", data, "Subject: x\r\n" + evil}});
        CHECK(run.output.ends_with(no_message));
        CHECK(run.finished);
        CHECK(run.events ==
              "ehlo x\nviolation " + std::string(violation::message_behind_refusal) + "\n");
    }
    // And octets behind a BDAT are a message's in any case.
    expect_all({{"EHLO x\r\nBDAT 5" + std::string(2100, ' ') + "\r\n" + evil}},
               "ehlo x\nviolation BDAT without CHUNKING\n",
               hello + "502 5.5.1 BDAT is not offered here; closing\r\n");
}

TEST_CASE("server: what follows QUIT is not read") {
    const ServerScenario scenario{{"QUIT\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\n\0\n"s}};
    expect_all(scenario, "quit\n", "221 2.0.0 Bye\r\n");
}

TEST_CASE("server: a half-closed device still gets its answers") {
    const ServerScenario scenario{{}};
    Server server(scenario.settings);
    server.greet();
    server.receive("EHLO x\r\nMAIL FROM:<a@b.c>\r\nNOOP\r\n");
    server.end_of_input();
    REQUIRE(std::holds_alternative<server_event::Hello>(server.next()));
    server.hello({});
    REQUIRE(std::holds_alternative<server_event::Mail>(server.next()));
    CHECK(std::holds_alternative<server_event::Paused>(server.next()));
    server.reply(make_reply(250, {2, 1, 0}, "Ok"));
    CHECK(std::holds_alternative<server_event::Disconnected>(server.next()));
    CHECK(server.output() == greeting + hello + "250 2.1.0 Ok\r\n" + ok);
}

TEST_CASE("server: shut down while an answer is owed") {
    // Then the farewell is that answer, and the late answer is not said.
    const Reply farewell = make_reply(421, {4, 3, 2}, "Bye");
    for (std::size_t stop = 1; stop <= 5; ++stop) {
        CAPTURE(stop);
        const ServerScenario scenario{{}};
        Server server(scenario.settings);
        server.greet();
        server.receive("EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
        for (std::size_t step = 1;; ++step) {
            if (step == 5) server.receive(".\r\n");
            (void)server.next();
            CHECK(server.owes());
            if (step == stop) break;
            if (step == 1) server.hello({});
            if (step == 4) server.reply(make_reply(354, "Go"));
            if (step == 2 || step == 3) server.reply(make_reply(250, {2, 0, 0}, "Ok"));
        }
        const std::string before(server.output());
        server.shut_down(farewell);
        CHECK_FALSE(server.owes());
        if (stop == 1) server.hello({});
        if (stop > 1) server.reply(make_reply(250, {2, 0, 0}, "Late"));
        server.shut_down(farewell);
        CHECK(server.output() == before + "421 4.3.2 Bye\r\n");
        CHECK(server.finished());
        server.receive("NOOP\r\n");
        CHECK(server.buffered() == 0);
        CHECK(std::holds_alternative<server_event::NeedInput>(server.next()));
    }
}
