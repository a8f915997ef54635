// The server machine where it reads tolerantly: what it understands, what it does about it, and
// what it still does not let pass. Each also under Reading::strict, where nothing of it holds.
#include <doctest/doctest.h>

#include <algorithm>

#include "unit/smtp/server_peer.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string unknown = "500 5.5.2 Command not recognized\r\n";
const std::string first = "503 5.5.1 Say EHLO or HELO first\r\n";
const std::string sender_ok = "250 2.1.0 Sender ok\r\n";
const std::string recipient_ok = "250 2.1.5 Recipient ok\r\n";
const std::string queued = "250 2.0.0 Queued\r\n";
const std::string bye = "221 2.0.0 Bye\r\n";
const std::string go = "220 2.0.0 Ready to start TLS\r\n";
const std::string yes = "235 2.7.0 Authentication successful\r\n";
const std::string illegal =
    "500 5.5.2 Commands must end in CRLF and hold no control characters; closing\r\n";
const std::string envelope = "ehlo x\nmail <a@b.c>\nrcpt <d@e.f>\n";
const std::string accepted = hello + sender_ok + recipient_ok;

ServerScenario tolerant(std::vector<std::string> segments) {
    ServerScenario scenario{std::move(segments)};
    scenario.settings.reading = Reading::tolerant;
    scenario.settings.max_errors = 20;
    return scenario;
}

ServerScenario with_starttls(std::vector<std::string> segments, Starttls starttls) {
    ServerScenario scenario = tolerant(std::move(segments));
    scenario.settings.starttls = starttls;
    return scenario;
}

ServerScenario with_auth(std::vector<std::string> segments) {
    ServerScenario scenario = tolerant(std::move(segments));
    scenario.settings.auth_mechanisms = {"PLAIN", "LOGIN"};
    scenario.answers.auth = {make_reply(334, "Username:"), make_reply(334, "Password:")};
    return scenario;
}

// The names of what was repaired in the whole of a scenario.
std::string repairs_of(const ServerScenario& scenario) {
    ServerPeer peer(scenario);
    peer.run();
    for (const std::string& segment : scenario.segments) peer.send(segment);
    std::string all;
    for (const std::string_view name : peer.server().take_repairs().names())
        all.append(all.empty() ? "" : " ") += name;
    CHECK(peer.server().take_repairs().empty());
    return all;
}

// A scenario under strict reading is refused somewhere, and nothing is repaired.
void expect_strict_refuses(ServerScenario scenario) {
    scenario.settings.reading = Reading::strict;
    const std::string output = play(scenario).output;
    CHECK(
        (output.find("\r\n50") != std::string::npos || output.find("\r\n55") != std::string::npos));
    CHECK(repairs_of(scenario).empty());
}

}  // namespace

TEST_CASE("tolerant: five empty lines in a row are passed over, a sixth is answered") {
    for (const std::string_view blank : {"\r\n"sv, "\n"sv, " \t\r\n"sv}) {
        CAPTURE(blank);
        std::string five;
        for (int i = 0; i < 5; ++i) five += blank;
        const ServerScenario scenario = tolerant({five + "NOOP\r\n" + five + "EHLO x\r\n" + five});
        expect_all(scenario, "ehlo x\n", ok + hello);
        CHECK(repairs_of(scenario).starts_with("blank_line"));
        expect_strict_refuses(scenario);
        const std::string blanks = five + std::string(blank);
        expect_all(tolerant({blanks + std::string(blank) + "NOOP\r\n"}), "",
                   unknown + unknown + ok);
    }
    // They do no harm where the verdict on a recipient is awaited, nor behind a message.
    expect_all(tolerant({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n\r\nRCPT TO:<d@e.f>\r\n\r\nRCPT TO:<d@e.f>"
                         "\r\n\r\n",
                         "DATA\r\n", "x\r\n.\r\n\r\nQUIT\r\n"}),
               envelope + "rcpt <d@e.f>\ndata\nbody x\r\n\nend acceptable octets=3\nquit\n",
               accepted + recipient_ok + go_on + queued + bye);
}

TEST_CASE("tolerant: the PROXY protocol is recognised behind empty lines that are passed over") {
    const ServerScenario scenario = tolerant({"\r\n\r\n\0\r\nQUIT\n"s});
    expect_all(scenario, "violation PROXY header on a listener without proxy_protocol\n",
               "500 5.5.2 A PROXY header is not expected here; closing\r\n");
}

TEST_CASE("tolerant: white space before and in commands") {
    const ServerScenario scenario =
        tolerant({"  EHLO x\r\n\tMAIL\tFROM:\t<a@b.c>\tSIZE=5\r\n \t RCPT TO:<d@e.f>\r\n"
                  "  NOOP  \r\n\tQUIT\r\n"});
    expect_all(scenario, "ehlo x\nmail <a@b.c> size=5\nrcpt <d@e.f>\nquit\n",
               hello + sender_ok + recipient_ok + ok + bye);
    CHECK(repairs_of(scenario) == "leading_space space_around_colon");
    expect_strict_refuses(scenario);
}

TEST_CASE("tolerant: commands that end in LF, also mixed; what is no line end stays illegal") {
    const ServerScenario scenario =
        tolerant({"EHLO x\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\nQUIT\n"});
    expect_all(scenario, envelope + "quit\n", accepted + bye);
    CHECK(repairs_of(scenario) == "bare_lf_command");
    expect_strict_refuses(scenario);
    expect_all(tolerant({"EHLO x\nNOOP\rRSET\n"}), "ehlo x\nviolation bare CR\n", hello + illegal);
    expect_all(tolerant({"EHLO x\nNO\0OP\n"s}), "ehlo x\nviolation NUL\n", hello + illegal);
}

TEST_CASE("tolerant: LF ends commands and never a message") {
    const ServerScenario scenario =
        tolerant({"EHLO x\nMAIL FROM:<a@b.c>\nRCPT TO:<d@e.f>\nDATA\n",
                  "x\n.\nMAIL FROM:<evil@b.c>\nDATA\ny\n.\r\nz\r\n.\nQUIT\n\r\n.\r\nQUIT\n"});
    // (Behind a CRLF a dot is a stuffed one, whatever comes behind it.)
    expect_all(scenario,
               envelope +
                   "data\nbody x\r\n.\r\nMAIL FROM:<evil@b.c>\r\nDATA\r\ny\r\n.\r\nz\r\n\r\n"
                   "QUIT\r\n\r\n\nend acceptable octets=53 lf=7\nquit\n",
               accepted + go_on + queued + bye);
}

TEST_CASE("tolerant: EHLO and HELO without a name") {
    for (const std::string_view line : {"HELO\r\n"sv, "helo \r\n"sv, "EHLO\r\n"sv, "ehlo\t\n"sv}) {
        CAPTURE(line);
        const ServerScenario scenario = tolerant({std::string(line) + "MAIL FROM:<a@b.c>\r\n"});
        const std::string verb(line[0] == 'H' || line[0] == 'h' ? "helo" : "ehlo");
        expect_all(scenario, verb + " \nmail <a@b.c>\n", hello + sender_ok);
        CHECK(repairs_of(scenario).find("no_hello_name") != std::string::npos);
        expect_strict_refuses(scenario);
    }
}

TEST_CASE("tolerant: paths and parameters, as they go on") {
    const ServerScenario scenario =
        tolerant({"EHLO x\r\nMAIL FROM: host.@b.c SIZE=many X-ODD BODY=8BITMIME\r\n"
                  "RCPT TO:<Name <d@e.f>> SIZE=1\r\nRCPT TO:g@h.i\r\nQUIT\r\n"});
    expect_all(scenario,
               "ehlo x\nmail <\"host.\"@b.c> 8bitmime\nrcpt <d@e.f>\nrcpt <g@h.i>\nquit\n",
               accepted + recipient_ok + bye);
    CHECK(repairs_of(scenario) ==
          "space_around_colon no_brackets path_extracted local_part_quoted parameter_dropped");
    expect_strict_refuses(scenario);
    const ServerScenario unqualified = tolerant({"EHLO x\r\nMAIL FROM:<root>\r\n"});
    expect_all(unqualified, "ehlo x\nmail <root@mx.test>\n", hello + sender_ok);
    CHECK(repairs_of(unqualified) == "unqualified_sender");
}

TEST_CASE("tolerant: spaces around a colon, one repair at a time") {
    for (const std::string_view line :
         {"MAIL FROM: <a@b.c>\r\n"sv, "MAIL FROM :<a@b.c>\r\n"sv, "mail from\t:\t<a@b.c>\r\n"sv}) {
        CAPTURE(line);
        const ServerScenario scenario = tolerant({"EHLO x\r\n" + std::string(line)});
        expect_all(scenario, "ehlo x\nmail <a@b.c>\n", hello + sender_ok);
        CHECK(repairs_of(scenario) == "space_around_colon");
        expect_strict_refuses(scenario);
    }
}

TEST_CASE("tolerant: what was tolerated in a command that was refused is no repair") {
    const ServerScenario scenario =
        tolerant({"EHLO x\r\nMAIL FROM: evil@b.c SIZE=x REQUIRETLS\r\nMAIL FROM:<a@b.c>\r\n"
                  "RCPT TO:Name <d@e.f> NOTIFY=x\r\nRCPT TO:<d@e.f>\r\n"});
    CHECK(play(scenario).events == envelope);
    CHECK(repairs_of(scenario).empty());
}

TEST_CASE("tolerant: what could mean two things is refused in the strict parser's words") {
    const std::string sender = "501 5.1.7 Bad sender address: ";
    const std::string recipient = "501 5.1.3 Bad recipient address: ";
    const std::string bare = "the address is not in angle brackets\r\n";
    expect_all(tolerant({"EHLO x\r\nMAIL FROM:Name a@b.c\r\nMAIL FROM:<a@b.c> <d@e.f>\r\n"
                         "MAIL FROM:<a@b.c> REQUIRETLS\r\nMAIL FROM:<a@b.c>\r\n"
                         "RCPT TO:a@b.c <d@e.f>\r\nRCPT TO:root\r\nRCPT TO:<d@e.f>\r\n"}),
               envelope,
               hello + sender + bare + "501 5.5.4 Syntax error in a parameter\r\n" +
                   "555 5.5.4 Unsupported parameter\r\n" + sender_ok + recipient + bare +
                   recipient + "the address has no domain\r\n" + recipient_ok);
}

TEST_CASE("tolerant: after STARTTLS no EHLO need be said again") {
    for (const Starttls starttls : {Starttls::offered, Starttls::required}) {
        const std::string offer = "250-mx.test\r\n250 STARTTLS\r\n";
        const ServerScenario scenario =
            with_starttls({"EHLO x\r\n", "STARTTLS\r\n", "MAIL FROM:<a@b.c>\r\n"}, starttls);
        expect_all(scenario, "ehlo x\nstarttls\nsecured\nmail <a@b.c>\n", offer + go + sender_ok);
        CHECK(repairs_of(scenario) == "no_hello_after_tls");
        expect_strict_refuses(scenario);
        // But some time it has to be said.
        expect_all(with_starttls({"STARTTLS\r\n", "MAIL FROM:<a@b.c>\r\n", "EHLO x\r\n"}, starttls),
                   "starttls\nsecured\nehlo x\n", go + first + hello);
        // Who says it has nothing repaired.
        CHECK(repairs_of(with_starttls(
                             {"EHLO x\r\n", "STARTTLS\r\n", "EHLO x\r\n", "MAIL FROM:<a@b.c>\r\n"},
                             starttls))
                  .empty());
    }
}

TEST_CASE("tolerant: STARTTLS forgets the transaction and the login all the same") {
    ServerScenario scenario =
        with_starttls({"EHLO x\r\nAUTH PLAIN =\r\n", "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n",
                       "STARTTLS\r\n", "DATA\r\n", "RCPT TO:<d@e.f>\r\n", "MAIL FROM:<a@b.c>\r\n"},
                      Starttls::offered);
    scenario.settings.auth_mechanisms = {"PLAIN"};
    scenario.settings.require_auth = true;
    const std::string bad = "503 5.5.1 Bad sequence of commands\r\n";
    expect_all(scenario,
               "ehlo x\nauth PLAIN []\nmail <a@b.c>\nrcpt <d@e.f>\nstarttls aborted\nsecured\n",
               "250-mx.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n" + yes + sender_ok +
                   recipient_ok + go + bad + bad + "530 5.7.0 Authentication required\r\n");
}

TEST_CASE("tolerant: what stands behind STARTTLS in clear is a violation, here too") {
    for (const std::string& behind : {"EHLO x\r\n"s, "\r\n"s, "\n"s, " "s, "MAIL FROM:a@b.c\n"s}) {
        CAPTURE(behind);
        for (const std::string_view end : {"\r\n"sv, "\n"sv}) {
            const std::string command = "STARTTLS" + std::string(end);
            const ServerScenario whole =
                with_starttls({"EHLO x\r\n", command + behind}, Starttls::offered);
            const std::string reason = "violation data sent in clear behind STARTTLS\n";
            CHECK(play(whole).events == "ehlo x\n" + reason);
            // Late, it comes in the place of a handshake.
            ServerScenario late = whole;
            late.tls = ServerScenario::Tls::fails;
            late.segments = {"EHLO x\r\n", command, behind};
            CHECK(play(late).events == "ehlo x\nstarttls\n" + reason);
        }
    }
}

TEST_CASE("tolerant: AUTH after HELO and after STARTTLS alone, MS-XLOGIN, any case") {
    const std::string prompts = "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n";
    const std::string told = "auth LOGIN\nresponse [user]\nresponse [pass]\nmail <a@b.c>\n";
    const std::string rest = prompts + yes + sender_ok;
    for (const std::string_view line :
         {"AUTH MS-XLOGIN\r\n"sv, "auth ms-xlogin  \r\n"sv, "\tAuth\tLogin\n"sv}) {
        CAPTURE(line);
        expect_all(with_auth({"HELO x\r\n", std::string(line), "dXNlcg==\r\n", "cGFzcw==\r\n",
                              "MAIL FROM:<a@b.c>\r\n"}),
                   "helo x\n" + told, hello + rest);
    }
    ServerScenario tls = with_auth({"HELO x\r\n", "STARTTLS\r\n", "AUTH LOGIN\r\n", "dXNlcg==\r\n",
                                    "cGFzcw==\r\n", "MAIL FROM:<a@b.c>\r\n"});
    tls.settings.starttls = Starttls::offered;
    expect_all(tls, "helo x\nstarttls\nsecured\n" + told, hello + go + rest);
    // The strict machine knows no such name; nor does one that does not offer LOGIN.
    const std::string no = "504 5.5.4 This mechanism is not offered\r\n";
    ServerScenario strict = with_auth({"HELO x\r\nAUTH MS-XLOGIN\r\n"});
    strict.settings.reading = Reading::strict;
    expect(strict, "helo x\n", hello + no);
    ServerScenario plain = with_auth({"HELO x\r\nAUTH MS-XLOGIN\r\n"});
    plain.settings.auth_mechanisms = {"PLAIN"};
    expect(plain, "helo x\n", hello + no);
}

TEST_CASE("tolerant: white space around what AUTH carries, and lines of nothing") {
    const std::string prompts = "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n";
    expect_all(with_auth({"HELO x\r\n", "AUTH LOGIN \t dXNlcg== \r\n", "\r\n", "\tcGFzcw== \t\n"}),
               "helo x\nauth LOGIN [user]\nresponse []\nresponse [pass]\n", hello + prompts + yes);
    expect_all(with_auth({"HELO x\r\n", "AUTH LOGIN\r\n", " * \r\n", "NOOP\r\n"}),
               "helo x\nauth LOGIN\nauth cancelled: cancelled\n",
               hello + prompts.substr(0, prompts.find('\n') + 1) +
                   "501 5.0.0 Authentication cancelled\r\n" + ok);
    // Inside it there is none in base64.
    expect_all(with_auth({"HELO x\r\n", "AUTH PLAIN dXNl cg==\r\nNOOP\r\n"}), "helo x\n",
               hello + "501 5.5.2 Not base64\r\n" + ok);
    // A line of an exchange is no command, empty or not, however many there were.
    ServerScenario empty = with_auth({"HELO x\r\n", "AUTH LOGIN\r\n", "\r\n\r\n"});
    expect_all(empty, "helo x\nauth LOGIN\nresponse []\nresponse []\n", hello + prompts + yes);
    CHECK(repairs_of(empty).empty());
}

TEST_CASE("tolerant: AUTH= for those who know only that") {
    ServerScenario scenario = with_auth({"EHLO x\r\n", "HELO x\r\n"});
    scenario.settings.legacy_auth = true;
    scenario.answers.offer.add(Extension::eight_bit_mime);
    const ServerRun run = play(scenario);
    CHECK(run.output == greeting +
                            "250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n"
                            "250 8BITMIME\r\n" +
                            hello);
    scenario.settings.auth_mechanisms.clear();
    CHECK(play(scenario).output == greeting + "250-mx.test\r\n250 8BITMIME\r\n" + hello);
    // Where AUTH has to wait for TLS, so does this.
    ServerScenario guarded = with_auth({"EHLO x\r\n"});
    guarded.settings.legacy_auth = true;
    guarded.settings.starttls = Starttls::required;
    CHECK(play(guarded).output == greeting + "250-mx.test\r\n250 STARTTLS\r\n");
}

namespace {

const std::string script =
    "EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nSubject: "
    "x\r\n\r\n..y\r\n.\r\nQUIT\r\n";
const std::string message = "data\nbody Subject: x\r\n\r\n.y\r\n\nend acceptable octets=18\n";

}  // namespace

TEST_CASE("tolerant: a whole script in one write is carried out in order, at every split") {
    const ServerScenario scenario = tolerant({script + script});
    expect_all(scenario, envelope + message + "quit\n", accepted + go_on + queued + bye);
    CHECK(repairs_of(scenario) == "pipelined");
    expect_strict_refuses(scenario);
    // Who waits for the 354 has pipelined nothing.
    const std::size_t data = script.find("Subject");
    CHECK(repairs_of(tolerant({script.substr(0, data), script.substr(data)})).empty());
    // Two messages in one go.
    const std::string second = script.substr(script.find("MAIL"));
    expect_all(tolerant({script.substr(0, script.find("QUIT")) + second}),
               envelope + message + envelope.substr(7) + message + "quit\n",
               accepted + go_on + queued + accepted.substr(hello.size()) + go_on + queued + bye);
}

TEST_CASE("tolerant: the message behind a DATA that is refused is no command, at any split") {
    // What a message may hold, and must not do.
    const std::string behind =
        "MAIL FROM:<evil@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n";
    const std::string reason =
        "violation a message sent before the reply to DATA, which was refused\n";
    for (const int code : {451, 550}) {
        ServerScenario scenario =
            tolerant({"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n", "DATA\r\n" + behind});
        scenario.answers.data = {make_reply(code, "No")};
        const ServerRun run = play(scenario);
        CHECK(run.events == envelope + "data\n" + reason);
        CHECK(run.output == greeting + accepted + std::to_string(code) + " No\r\n");
        CHECK(run.finished);
        // The verdict comes late, and what stands behind DATA has come in pieces.
        for_each_split(behind, [&](const Chunks& chunks) {
            ServerPeer peer(scenario);
            peer.run();
            peer.send(scenario.segments[0]);
            peer.server().receive("DATA\r\n");
            REQUIRE(std::holds_alternative<server_event::DataRequested>(peer.server().next()));
            for (const std::string_view chunk : chunks) peer.server().receive(chunk);
            peer.server().reply(make_reply(code, "No"));
            peer.run();
            CHECK(peer.result().events == envelope + reason);
            CHECK(peer.result().output == run.output);
            CHECK(peer.server().buffered() == 0);
            CHECK(peer.server().finished());
        });
    }
}

TEST_CASE("tolerant: the message behind a DATA that is refused here is no command either") {
    struct Row {
        std::string before, refusal;
    };
    const std::string behind = "DATA\r\nRSET\r\nQUIT\r\n.\r\n";
    const std::string reason =
        "violation a message sent before the reply to DATA, which was refused\n";
    for (const Row& row : {
             Row{"", first},
             Row{"EHLO x\r\n", "503 5.5.1 Bad sequence of commands\r\n"},
             Row{"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", "503 5.5.1 RCPT first\r\n"},
             Row{"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<no@e.f>\r\n",
                 "554 5.5.1 No valid recipients\r\n"},
         }) {
        CAPTURE(row.before);
        ServerScenario scenario = tolerant({row.before, behind});
        if (row.before.empty()) scenario.segments.erase(scenario.segments.begin());
        scenario.answers.rcpt = {make_reply(550, {5, 1, 1}, "No")};
        const ServerRun run = play(scenario);
        CHECK(run.events.ends_with(reason));
        CHECK(run.events.find("reset") == std::string::npos);
        CHECK(run.events.find("quit") == std::string::npos);
        CHECK(run.output.ends_with(row.refusal));
        CHECK(run.finished);
    }
    // A doomed transaction: the reply that doomed it.
    ServerScenario doomed = tolerant({"EHLO x\r\nMAIL FROM:<a@b.c>\r\n", behind});
    doomed.answers.mail = {make_reply(451, {4, 4, 1}, "Later")};
    CHECK(play(doomed).events.ends_with(reason));
    CHECK(play(doomed).output.ends_with("451 4.4.1 Later\r\n451 4.4.1 Later\r\n"));
    // An argument is a mistake, and what comes then might be anything.
    ServerScenario argument =
        tolerant({script.substr(0, script.find("DATA")), "DATA x\r\nQUIT\r\n"});
    CHECK(play(argument).events == envelope + reason);
    CHECK(play(argument).output.ends_with("501 5.5.4 DATA takes no argument\r\n"));
}
