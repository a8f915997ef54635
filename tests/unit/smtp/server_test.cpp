// The server machine: whole dialogues, what is answered here, and the order of commands.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "smtp/server_table.hpp"
#include "unit/smtp/server_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string accepted = "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n";
const std::string queued = "250 2.0.0 Queued\r\n";
const std::string bye = "221 2.0.0 Bye\r\n";

}  // namespace

TEST_CASE("server: one message") {
    const ServerScenario scenario{{"EHLO device\r\n", "MAIL FROM:<a@b.c>\r\n",
                                   "RCPT TO:<d@e.f>\r\n", "DATA\r\n", "Hi\r\n..\r\n.\r\n",
                                   "QUIT\r\n"}};
    expect_all(scenario,
               "ehlo device\nmail <a@b.c>\nrcpt <d@e.f>\ndata\nbody Hi\r\n.\r\n\n"
               "end acceptable octets=7\nquit\n",
               hello + accepted + go_on + queued + bye);
}

TEST_CASE("server: HELO only, and a second message") {
    const ServerScenario scenario{{"HELO old device\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n",
                                   "DATA\r\n", ".\r\n", "MAIL FROM:<a@b.c>\r\n",
                                   "RCPT TO:<d@e.f>\r\nRCPT TO:<g@h.i>\r\nDATA\r\n", "x\r\n.\r\n",
                                   "QUIT\r\n"}};
    expect_all(scenario,
               "helo old device\nmail <>\nrcpt <postmaster>\ndata\nend acceptable octets=0\n"
               "mail <a@b.c>\nrcpt <d@e.f>\nrcpt <g@h.i>\ndata\nbody x\r\n\n"
               "end acceptable octets=3\nquit\n",
               hello + accepted + go_on + queued + accepted + "250 2.1.5 Recipient ok\r\n" + go_on +
                   queued + bye);
}

TEST_CASE("server: EHLO is answered with the offer, and only that") {
    ServerScenario scenario{{"EHLO x\r\n", "EHLO x\r\n"}};
    scenario.answers.offer.add(Extension::pipelining);
    scenario.answers.offer.add(Extension::size);
    scenario.answers.offer.size_limit = 5000;
    const std::string reply = "250-mx.test\r\n250-PIPELINING\r\n250 SIZE 5000\r\n";
    expect(scenario, "ehlo x\nehlo x\n", reply + reply);
}

TEST_CASE("server: SIZE above the offer is refused at once") {
    ServerScenario scenario{{"EHLO x\r\n", "MAIL FROM:<a@b.c> SIZE=5001\r\n",
                             "MAIL FROM:<a@b.c> SIZE=99999999999999999999\r\n",
                             "MAIL FROM:<a@b.c> SIZE=5000\r\n"}};
    scenario.answers.offer.size_limit = 5000;
    const std::string refusal = "552 5.3.4 Message is larger than the limit of 5000 octets\r\n";
    expect(scenario, "ehlo x\nmail <a@b.c> size=5000\n",
           hello + refusal + refusal + "250 2.1.0 Sender ok\r\n");
}

TEST_CASE("server: parameters travel as values") {
    const ServerScenario scenario{
        {"EHLO x\r\n",
         "MAIL FROM:<a@b.c> size=10 BODY=8BITMIME RET=HDRS ENVID=id+2B1 AUTH=boss@b.c SMTPUTF8\r\n",
         "RCPT TO:<d@e.f> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;d+2Bx@e.f\r\n",
         "RCPT TO:<@relay,@other:d@e.f> NOTIFY=NEVER\r\n"}};
    expect(scenario,
           "ehlo x\nmail <a@b.c> size=10 8bitmime hdrs envid=id+2B1 smtputf8 auth\n"
           "rcpt <d@e.f> notify=5 orcpt=rfc822;d+2Bx@e.f\nrcpt <d@e.f> never\n",
           hello + accepted + "250 2.1.5 Recipient ok\r\n");
}

TEST_CASE("server: addresses beyond ASCII need SMTPUTF8") {
    const ServerScenario scenario{{"EHLO x\r\nMAIL FROM:<j\xC3\xBCrgen@b.c>\r\n",
                                   "MAIL FROM:<a@b.c>\r\n", "RCPT TO:<j\xC3\xBC@b.c>\r\n",
                                   "RSET\r\nMAIL FROM:<j\xC3\xBCrgen@b.c> SMTPUTF8\r\n",
                                   "RCPT TO:<j\xC3\xBC@b.c>\r\n"}};
    const std::string refusal = "553 5.6.7 Address is not ASCII: MAIL needs SMTPUTF8\r\n";
    expect(scenario,
           "ehlo x\nmail <a@b.c>\nreset\nmail <j\xC3\xBCrgen@b.c> smtputf8\nrcpt "
           "<j\xC3\xBC@b.c>\n",
           hello + refusal + "250 2.1.0 Sender ok\r\n" + refusal + ok + accepted);
}

TEST_CASE("server: what is answered here") {
    const ServerScenario scenario{
        {"NOOP\r\nnoop anything at all\r\nVRFY postmaster\r\nEXPN list\r\nHELP\r\nhelp MAIL\r\n",
         "EHLO x\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\nNOOP\r\nXCLIENT ADDR=127.0.0.1\r\n",
         "QUIT now\r\n"}};
    const std::string help = "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP\r\n";
    expect_all(scenario, "ehlo x\nquit\n",
               ok + ok + "252 2.5.2 Cannot verify; send a message and see\r\n" +
                   "502 5.5.1 EXPN is not available\r\n" + help + help + hello +
                   "502 5.5.1 STARTTLS is not offered here\r\n"
                   "502 5.5.1 AUTH is not offered here\r\n" +
                   ok + "500 5.5.2 Command not recognized\r\n" + bye);
}

TEST_CASE("server: commands out of order") {
    ServerScenario scenario{{"MAIL FROM:<a@b.c>\r\n", "RCPT TO:<d@e.f>\r\n", "RSET\r\n", "DATA\r\n",
                             "EHLO x\r\n", "RCPT TO:<d@e.f>\r\n", "DATA\r\n",
                             "MAIL FROM:<a@b.c>\r\n", "MAIL FROM:<b@b.c>\r\n", "DATA\r\n",
                             "EHLO\r\n", "RCPT TO:<d@e.f>\r\n"}};
    scenario.settings.max_errors = 20;
    const std::string first = "503 5.5.1 Say EHLO or HELO first\r\n";
    const std::string bad = "503 5.5.1 Bad sequence of commands\r\n";
    expect(scenario, "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\n",
           first + first + ok + first + hello + bad + bad + "250 2.1.0 Sender ok\r\n" + bad +
               "503 5.5.1 RCPT first\r\n501 5.5.4 Your name is missing: EHLO host.example.com\r\n"
               "250 2.1.5 Recipient ok\r\n");
}

TEST_CASE("server: RSET, EHLO and HELO end a transaction, once") {
    const ServerScenario scenario{
        {"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRSET\r\nRSET\r\nMAIL FROM:<a@b.c>\r\n",
         "RCPT TO:<d@e.f>\r\nEHLO y\r\n", "RCPT TO:<d@e.f>\r\nMAIL FROM:<a@b.c>\r\nHELO z\r\n",
         "RSET now\r\nEHLO z\r\n"}};
    expect_all(scenario,
               "ehlo x\nmail <a@b.c>\nreset\nmail <a@b.c>\nrcpt <d@e.f>\nehlo y aborted\n"
               "mail <a@b.c>\nhelo z aborted\nehlo z\n",
               hello + "250 2.1.0 Sender ok\r\n" + ok + ok + accepted + hello +
                   "503 5.5.1 Bad sequence of commands\r\n250 2.1.0 Sender ok\r\n" + hello +
                   "501 5.5.4 RSET takes no argument\r\n" + hello);
}

TEST_CASE("server: no more recipients than allowed; those refused do not count") {
    ServerScenario scenario{{"EHLO x\r\nMAIL FROM:<a@b.c>\r\n",
                             "RCPT TO:<1@e.f>\r\nRCPT TO:<2@e.f>\r\nRCPT TO:<3@e.f>\r\n"
                             "RCPT TO:<4@e.f>\r\nRCPT TO:<5@e.f>\r\n",
                             "DATA\r\n"}};
    scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "No such user")};
    const std::string yes = "250 2.1.5 Recipient ok\r\n";
    expect(scenario,
           "ehlo x\nmail <a@b.c>\nrcpt <1@e.f>\nrcpt <2@e.f>\nrcpt <3@e.f>\nrcpt <4@e.f>\ndata\n",
           hello + "250 2.1.0 Sender ok\r\n550 5.1.1 No such user\r\n" + yes + yes + yes +
               "452 4.5.3 Too many recipients\r\n" + go_on);
}

TEST_CASE("server: recipients beyond the limit are errors from a thousand on") {
    const ServerSettings settings = ServerScenario{}.settings;
    Server server(settings);
    server.greet();
    server.receive("HELO x\r\nMAIL FROM:<a@b.c>\r\n");
    (void)server.next();
    server.hello({});
    (void)server.next();
    server.reply(make_reply(250, "Ok"));
    const auto recipients = [&server](std::size_t count) {
        for (std::size_t i = 0; i < count && !server.finished(); ++i) {
            server.receive("RCPT TO:<d@e.f>\r\n");
            if (std::holds_alternative<server_event::Rcpt>(server.next()))
                server.reply(make_reply(250, "Ok"));
            server.sent(server.output().size());
        }
    };
    recipients(settings.max_recipients + limits::recipient_overshoot);
    CHECK(server.errors() == 0);
    CHECK(server.last_refusal() == "452 4.5.3 Too many recipients");
    recipients(1);
    CHECK(server.errors() == 1);
    recipients(1000);
    CHECK(server.finished());
}

TEST_CASE("server: refusals of the upstream leave the session in step") {
    ServerScenario scenario{{"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "RCPT TO:<d@e.f>\r\n",
                             "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n", "DATA\r\n",
                             "RCPT TO:<d@e.f>\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n",
                             "DATA\r\n", "x\r\n.\r\n", "MAIL FROM:<a@b.c>\r\n"}};
    scenario.answers.mail = {make_reply(550, {5, 7, 1}, "Not you")};
    scenario.answers.data = {make_reply(554, {5, 7, 1}, "Not now")};
    scenario.answers.message = {make_reply(554, {5, 6, 0}, "Spam")};
    const std::string bad = "503 5.5.1 Bad sequence of commands\r\n";
    expect_all(scenario,
               "ehlo x\nmail <a@b.c>\nmail <a@b.c>\nrcpt <d@e.f>\ndata\nmail <a@b.c>\n"
               "rcpt <d@e.f>\ndata\nbody x\r\n\nend acceptable octets=3\nmail <a@b.c>\n",
               hello + "550 5.7.1 Not you\r\n" + bad + accepted + "554 5.7.1 Not now\r\n" + bad +
                   accepted + go_on + "554 5.6.0 Spam\r\n250 2.1.0 Sender ok\r\n");
}

TEST_CASE("server: the rows say what the comments promise") {
    using Batch = ServerTable::Batch;
    std::size_t i = 0;
    for (const ServerTable::Row& row : ServerTable::rows) {
        CHECK(static_cast<std::size_t>(row.verb) == i++);
        CHECK_FALSE(row.answer.empty());
        // Nothing is a command before the greeting, in a body, or after the end.
        const auto never = Server::Phase::silent | Server::Phase::body | Server::Phase::finished |
                           Server::Phase::securing | Server::Phase::authenticating;
        CHECK((row.phases & never) == 0);
        CHECK(row.phases != 0);
        // The commands whose followers could be something else than commands.
        CHECK((row.batch == Batch::sync) == (row.verb == Verb::data || row.verb == Verb::starttls));
        // RFC 3207 4, and what ends the session anyway.
        const bool free = row.verb == Verb::noop || row.verb == Verb::ehlo ||
                          row.verb == Verb::starttls || row.verb == Verb::quit ||
                          row.verb == Verb::bdat || row.verb == Verb::proxy ||
                          row.verb == Verb::http;
        CHECK((row.needs == ServerTable::Needs::nothing) == free);
        CHECK((row.needs == ServerTable::Needs::login) == (row.verb == Verb::mail));
    }
    CHECK(i == verb_count);
}

TEST_CASE("server: phases and timers") {
    const ServerScenario scenario{{}};
    Server server(scenario.settings);
    CHECK(server.phase() == Server::Phase::silent);
    CHECK(server.timer() == Timer::none);
    CHECK_FALSE(server.idle());
    server.greet();
    CHECK(server.timer() == Timer::downstream_idle);
    CHECK(server.idle());
    server.receive("EHLO x\r\nMAIL FROM:<a@b.c>\r\n");
    REQUIRE(std::holds_alternative<server_event::Hello>(server.next()));
    server.hello({});
    CHECK(server.phase() == Server::Phase::ready);
    REQUIRE(std::holds_alternative<server_event::Mail>(server.next()));
    CHECK(server.timer() == Timer::none);
    server.reply(make_reply(250, {2, 1, 0}, "Ok"));
    CHECK(server.phase() == Server::Phase::mail);
    CHECK_FALSE(server.idle());
    CHECK(server.timer() == Timer::downstream_idle);
    server.shut_down(make_reply(421, {4, 3, 2}, "Bye"));
    CHECK(server.timer() == Timer::none);
    CHECK(to_string(server.phase()) == "finished");
}
