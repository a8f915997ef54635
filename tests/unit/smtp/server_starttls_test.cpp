// The server machine and TLS (RFC 3207): when STARTTLS is offered and taken, what is forgotten,
// what is refused without it, and that nothing that came in clear is carried out after it.
#include <doctest/doctest.h>

#include "unit/smtp/server_peer.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

using Tls = ServerScenario::Tls;

const std::string go = "220 2.0.0 Ready to start TLS\r\n";
const std::string offered = "250-mx.test\r\n250 STARTTLS\r\n";
const std::string first = "503 5.5.1 Say EHLO or HELO first\r\n";
const std::string again = "503 5.5.1 TLS is already active\r\n";
const std::string must = "530 5.7.0 Must issue a STARTTLS command first\r\n";
const std::string sender_ok = "250 2.1.0 Sender ok\r\n";
const std::string unsynchronised =
    "554 5.5.1 Protocol synchronization error: wait for the reply to STARTTLS; closing\r\n";

ServerScenario with_starttls(std::vector<std::string> segments,
                             Starttls starttls = Starttls::offered) {
    ServerScenario scenario{std::move(segments)};
    scenario.settings.starttls = starttls;
    scenario.settings.max_errors = 30;
    return scenario;
}

}  // namespace

TEST_CASE("starttls: offered until it is used, then EHLO begins anew") {
    expect_all(with_starttls({"EHLO x\r\n", "STARTTLS\r\n", "EHLO y\r\n", "MAIL FROM:<a@b.c>\r\n",
                              "QUIT\r\n"}),
               "ehlo x\nstarttls\nsecured\nehlo y\nmail <a@b.c>\nquit\n",
               offered + go + hello + sender_ok + "221 2.0.0 Bye\r\n");
}

TEST_CASE("starttls: in any case, with spaces behind it, before EHLO, after HELO") {
    for (const std::string_view line : {"starttls\r\n"sv, "StartTLS  \r\n"sv, "STARTTLS \r\n"sv}) {
        CAPTURE(line);
        expect_all(with_starttls({std::string(line), "EHLO x\r\n"}), "starttls\nsecured\nehlo x\n",
                   go + hello);
        expect_all(with_starttls({"HELO x\r\n", std::string(line)}), "helo x\nstarttls\nsecured\n",
                   hello + go);
    }
}

TEST_CASE("starttls: an argument is refused, and the session stays as it was") {
    expect_all(with_starttls({"EHLO x\r\n", "STARTTLS foo\r\n", "MAIL FROM:<a@b.c>\r\n"}),
               "ehlo x\nmail <a@b.c>\n",
               offered + "501 5.5.4 STARTTLS takes no argument\r\n" + sender_ok);
}

TEST_CASE("starttls: not where it is not offered, not twice, not inside implicit TLS") {
    const std::string no = "502 5.5.1 STARTTLS is not offered here\r\n";
    expect_all(with_starttls({"EHLO x\r\nSTARTTLS\r\nSTARTTLS x\r\nNOOP\r\n"}, Starttls::absent),
               "ehlo x\n", hello + no + no + ok);
    expect_all(with_starttls({"STARTTLS\r\n", "EHLO x\r\nSTARTTLS\r\nSTARTTLS y\r\nNOOP\r\n"}),
               "starttls\nsecured\nehlo x\n", go + hello + again + again + ok);
    for (const Starttls starttls : {Starttls::absent, Starttls::offered, Starttls::required}) {
        ServerScenario scenario =
            with_starttls({"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@b.c>\r\n"}, starttls);
        scenario.tls = Tls::implicit;
        expect_all(scenario, "ehlo x\nmail <a@b.c>\n", hello + again + sender_ok);
    }
}

TEST_CASE("starttls: what stands behind it in clear is never carried out") {
    const std::string hello_bytes = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s;
    for (const std::string& behind :
         {"EHLO inj\r\n"s, "NOOP\r\n"s, "QUIT\r\n"s, "x"s, "\n"s, "\r\n"s, "\0"s, hello_bytes,
          "EHLO inj\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"s}) {
        CAPTURE(behind);
        const std::string command = "STARTTLS\r\n";
        const ServerScenario whole = with_starttls({"EHLO x\r\n", command + behind});
        CHECK(play(whole).events == "ehlo x\nviolation data sent in clear behind STARTTLS\n");
        CHECK(play(whole).output == greeting + offered + unsynchronised);
        // Wherever it is cut: refused, or taken for a handshake that fails. No reply to it.
        for_each_split(command + behind, [&](const Chunks& chunks) {
            ServerScenario scenario = whole;
            scenario.tls = Tls::fails;
            ServerPeer peer(scenario);
            peer.send(scenario.segments[0]);
            std::size_t sent = 0;
            bool apart = false;
            for (const std::string_view chunk : chunks) {
                peer.send(chunk);
                sent += chunk.size();
                apart = apart || sent == command.size();
            }
            const ServerRun run = peer.result();
            CHECK(run.finished);
            CHECK(run.output == greeting + offered + (apart ? go : unsynchronised));
            CHECK(run.events == "ehlo x\n"s + (apart ? "starttls\n" : "") +
                                    "violation data sent in clear behind STARTTLS\n");
            CHECK(peer.server().buffered() == 0);
            // Too late: a session that has ended is not secured any more.
            peer.server().secured();
            CHECK_FALSE(peer.server().tls());
        });
    }
}

TEST_CASE("starttls: octets stored before an implicit handshake came in clear") {
    const ServerScenario scenario = with_starttls({});
    Server server(scenario.settings);
    server.receive("EHLO inj\r\n");
    server.secured();
    const ServerEvent told = server.next();
    REQUIRE(std::holds_alternative<server_event::Violation>(told));
    CHECK(std::get<server_event::Violation>(told).reason == violation::data_behind_starttls);
    CHECK(server.finished());
    CHECK(server.output().empty());
}

TEST_CASE("starttls: the envelope, the name and the offer are forgotten") {
    expect_all(with_starttls({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "STARTTLS\r\n",
                              "RCPT TO:<d@e.f>\r\nMAIL FROM:<a@b.c>\r\nDATA\r\n", "HELO y\r\n",
                              "RCPT TO:<d@e.f>\r\n"}),
               "ehlo x\nmail <a@b.c>\nstarttls aborted\nsecured\nhelo y\n",
               offered + sender_ok + go + first + first + first + hello +
                   "503 5.5.1 Bad sequence of commands\r\n");
    // A transaction that was doomed had ended already.
    ServerScenario scenario = with_starttls({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "STARTTLS\r\n"});
    scenario.answers.mail = {make_reply(451, {4, 4, 1}, "Later")};
    expect_all(scenario, "ehlo x\nmail <a@b.c>\nstarttls\nsecured\n",
               offered + "451 4.4.1 Later\r\n" + go);
    // A size that was offered before.
    scenario = with_starttls({"EHLO x\r\n"});
    Server server(scenario.settings);
    server.greet();
    Capabilities offer;
    offer.size_limit = 10;
    for (const bool secured : {false, true}) {
        server.receive("EHLO x\r\n");
        REQUIRE(std::holds_alternative<server_event::Hello>(server.next()));
        server.hello(offer);
        if (secured) break;
        server.receive("STARTTLS\r\n");
        REQUIRE(std::holds_alternative<server_event::StartTls>(server.next()));
        server.secured();
        offer.size_limit = 50;
    }
    server.receive("MAIL FROM:<a@b.c> SIZE=40\r\n");
    CHECK(std::holds_alternative<server_event::Mail>(server.next()));
}

TEST_CASE("starttls: errors stay counted") {
    ServerScenario scenario =
        with_starttls({"BLAH\r\nBLAH\r\n", "STARTTLS\r\n", "BLAH\r\n", "EHLO x\r\n"});
    scenario.settings.max_errors = 3;
    const std::string unknown = "500 5.5.2 Command not recognized\r\n";
    expect_all(scenario, "starttls\nsecured\nviolation too many errors\n",
               unknown + unknown + go + unknown + "421 4.7.0 Too many errors; closing\r\n");
}

TEST_CASE("starttls: a login before it is forgotten") {
    ServerScenario scenario = with_starttls({"EHLO x\r\nAUTH PLAIN AGEAYg==\r\n", "STARTTLS\r\n",
                                             "EHLO x\r\nMAIL FROM:<a@b.c>\r\n",
                                             "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\n"});
    scenario.settings.auth_mechanisms = {"PLAIN"};
    scenario.settings.require_auth = true;
    const std::string yes = "235 2.7.0 Authentication successful\r\n";
    const std::string auth = "auth PLAIN [\0a\0b]\n"s;
    expect_all(scenario,
               "ehlo x\n" + auth + "starttls\nsecured\nehlo x\n" + auth + "mail <a@b.c>\n",
               "250-mx.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n" + yes + go +
                   "250-mx.test\r\n250 AUTH PLAIN\r\n530 5.7.0 Authentication required\r\n" + yes +
                   sender_ok);
}

TEST_CASE("starttls required: nothing else until it is used") {
    ServerScenario scenario = with_starttls(
        {"MAIL FROM:<a@b.c>\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRSET\r\n"
         "VRFY x\r\nEXPN x\r\nHELP\r\nBLAH\r\n\r\nNOOP\r\n",
         "DATA\r\n", "HELO x\r\n", "AUTH PLAIN AGEAYg==\r\nAUTH PLAIN !\r\nAUTH LOGIN\r\nAUTH\r\n",
         "STARTTLS\r\n", "EHLO x\r\n", "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.c>\r\n", "QUIT\r\n"},
        Starttls::required);
    scenario.settings.auth_mechanisms = {"PLAIN", "LOGIN"};
    std::string output = must + offered;
    for (int i = 0; i < 8; ++i) output += must;
    output += ok + must + must + must + must + must + must + go;
    expect_all(scenario,
               "ehlo x\nstarttls\nsecured\nehlo x\nauth PLAIN [\0a\0b]\nmail <a@b.c>\n"
               "quit\n"s,
               output +
                   "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n"
                   "235 2.7.0 Authentication successful\r\n" +
                   sender_ok + "221 2.0.0 Bye\r\n");
    expect_all(with_starttls({"QUIT\r\n"}, Starttls::required), "quit\n", "221 2.0.0 Bye\r\n");
}

TEST_CASE("starttls required: what ends a session does so in clear too") {
    using Row = std::pair<std::string, std::string>;
    for (const auto& [line, reply] :
         {Row{"GET / HTTP/1.1\r\n",
              "554 5.7.0 This is a mail server, not a web server; closing\r\n"},
          Row{"BDAT 5\r\n", "502 5.5.1 BDAT is not offered here; closing\r\n"},
          Row{"DATA\r\nx",
              "554 5.5.0 Protocol synchronization error: wait for the reply to DATA; "
              "closing\r\n"}}) {
        const ServerRun run = play(with_starttls({line}, Starttls::required));
        CHECK(run.output == greeting + reply);
        CHECK(run.finished);
    }
}

TEST_CASE("starttls: while the handshake runs") {
    ServerScenario scenario = with_starttls({"STARTTLS\r\n"});
    scenario.tls = Tls::fails;
    expect_all(scenario, "starttls\n", go);
    ServerPeer peer(scenario);
    peer.send("STARTTLS\r\n");
    Server& server = peer.server();
    CHECK(to_string(server.phase()) == "securing");
    CHECK(server.timer() == Timer::tls_handshake);
    CHECK_FALSE(server.idle());
    CHECK_FALSE(server.owes());
    CHECK_FALSE(server.tls());
    server.receive("");
    CHECK(std::holds_alternative<server_event::Paused>(server.next()));
    SUBCASE("it fails") {
        peer.end_input();
        CHECK(peer.result().events == "starttls\ndisconnected\n");
        CHECK(peer.result().output == greeting + go);
        CHECK(server.finished());
    }
    SUBCASE("the session ends") {
        server.shut_down(make_reply(421, {4, 3, 2}, "Bye"));
        CHECK(server.finished());
        CHECK(server.output().empty());
    }
    SUBCASE("it succeeds") {
        server.secured();
        CHECK(server.tls());
        CHECK(to_string(server.phase()) == "greeted");
        CHECK(server.timer() == Timer::downstream_idle);
        CHECK(server.idle());
    }
}

TEST_CASE("starttls: what an upstream offers of TLS and AUTH is not offered on") {
    ServerScenario scenario{{"EHLO x\r\n"}};
    scenario.answers.offer.add(Extension::pipelining);
    scenario.answers.offer.add(Extension::starttls);
    scenario.answers.offer.add(Extension::auth);
    scenario.answers.offer.auth_mechanisms = {"PLAIN", "XOAUTH2"};
    expect(scenario, "ehlo x\n", "250-mx.test\r\n250 PIPELINING\r\n");
    scenario.settings.auth_mechanisms = {"LOGIN"};
    expect(scenario, "ehlo x\n", "250-mx.test\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n");
    scenario.settings.starttls = Starttls::required;
    expect(scenario, "ehlo x\n", "250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
}
