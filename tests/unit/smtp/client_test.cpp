// The client machine: whole dialogues that go well, refusals, timers, and the table.
#include <doctest/doctest.h>

#include <set>

#include "smtp/client_table.hpp"
#include "unit/smtp/client_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string mail_command = "MAIL FROM:<a@b.c>\r\n";
const std::string rcpt_command = "RCPT TO:<d@e.f>\r\n";

// A login without TLS words and without credentials, and what follows.
ClientScenario open_with(std::vector<ClientStep> steps) {
    ClientScenario scenario{plain_setup(Security::implicit), {}};
    scenario.steps = {{{}, "", "220 up.test ESMTP\r\n"}, {{}, ehlo, offer}};
    for (ClientStep& step : steps) scenario.steps.push_back(std::move(step));
    return scenario;
}

}  // namespace

TEST_CASE("client: one message") {
    const ClientScenario scenario = open_with({
        {mail("<a@b.c>"), mail_command, "250 2.1.0 Ok\r\n"},
        {rcpt("<d@e.f>"), rcpt_command, "250 2.1.5 Ok\r\n"},
        {data(), "DATA\r\n", "354 Go\r\n"},
        {body("Hi\r\n.\r\n"), "Hi\r\n..\r\n", ""},
        {end_of_data(), ".\r\n", "250-2.0.0 Queued\r\n250 2.0.0 as 1\r\n"},
        {quit(), "QUIT\r\n", "221 2.0.0 Bye\r\n"},
    });
    expect(scenario,
           "ready\nmail 250 2.1.0 Ok\nrcpt 250 2.1.5 Ok\ndata 354 Go\n"
           "message 250 2.0.0 Queued / as 1\nclosed\n");
    expect_safe_everywhere(scenario);
}

TEST_CASE("client: two messages, RSET between") {
    const ClientScenario scenario = open_with({
        {mail("<>"), "MAIL FROM:<>\r\n", "250 ok\r\n"},
        {rcpt("<postmaster>"), "RCPT TO:<postmaster>\r\n", "550 5.1.1 Nobody\r\n"},
        {reset(), "RSET\r\n", "250 2.0.0 Ok\r\n"},
        {mail("<a@b.c>"), mail_command, "250 2.1.0 Ok\r\n"},
        {rcpt("<d@e.f>"), rcpt_command, "250 2.1.5 Ok\r\n"},
        {data(), "DATA\r\n", "354 Go\r\n"},
        {end_of_data(), ".\r\n", "554 5.6.0 Spam\r\n"},
        {mail("<a@b.c>"), mail_command, "450 4.2.0 Later\r\n"},
        {mail("<a@b.c>"), mail_command, "250 2.1.0 Ok\r\n"},
        {rcpt("<d@e.f>"), rcpt_command, "250 2.1.5 Ok\r\n"},
        {data(), "DATA\r\n", "554 5.5.1 No\r\n"},
        {reset(), "RSET\r\n", "250 2.0.0 Ok\r\n"},
    });
    expect(scenario,
           "ready\nmail 250 ok\nrcpt 550 5.1.1 Nobody\nreset 250 2.0.0 Ok\nmail 250 2.1.0 Ok\n"
           "rcpt 250 2.1.5 Ok\ndata 354 Go\nmessage 554 5.6.0 Spam\nmail 450 4.2.0 Later\n"
           "mail 250 2.1.0 Ok\nrcpt 250 2.1.5 Ok\ndata 554 5.5.1 No\nreset 250 2.0.0 Ok\n");
    expect_safe_everywhere(scenario);
}

TEST_CASE("client: each message begins at a line start") {
    std::vector<ClientStep> steps;
    for (const std::string_view content : {"no line end"sv, ".\r\n"sv}) {
        const bool dot = content.starts_with('.');
        steps.push_back({mail("<a@b.c>"), mail_command, "250 ok\r\n"});
        steps.push_back({rcpt("<d@e.f>"), rcpt_command, "250 ok\r\n"});
        steps.push_back({data(), "DATA\r\n", "354 go\r\n"});
        steps.push_back({body(std::string(content)), (dot ? "." : "") + std::string(content), ""});
        steps.push_back({end_of_data(), dot ? ".\r\n" : "\r\n.\r\n", "250 ok\r\n"});
    }
    const std::string events = "mail 250 ok\nrcpt 250 ok\ndata 354 go\nmessage 250 ok\n";
    expect(open_with(steps), "ready\n" + events + events);
}

TEST_CASE("client: a batch; replies are matched in order") {
    const Act batch = [](Client& client) {
        mail("<a@b.c>")(client);
        rcpt("<d@e.f>")(client);
        rcpt("<g@h.i>")(client);
        data()(client);
    };
    const std::string events = "ready\nmail 250 1\nrcpt 550 2\nrcpt 250 3\ndata 354 4\n";
    ClientScenario pipelined =
        open_with({{batch, mail_command + rcpt_command + "RCPT TO:<g@h.i>\r\nDATA\r\n",
                    "250 1\r\n550 2\r\n250 3\r\n354 4\r\n"}});
    pipelined.steps[1].reply = "250-up.test\r\n250 PIPELINING\r\n";
    expect(pipelined, events);
    expect_safe_everywhere(pipelined);
    // Where it is not offered, one after the other.
    const ClientScenario one_by_one = open_with({{batch, mail_command, "250 1\r\n"},
                                                 {{}, rcpt_command, "550 2\r\n"},
                                                 {{}, "RCPT TO:<g@h.i>\r\n", "250 3\r\n"},
                                                 {{}, "DATA\r\n", "354 4\r\n"}});
    expect(one_by_one, events);
    expect_safe_everywhere(one_by_one);
}

TEST_CASE("client: parameters only where they were offered") {
    MailParameters mail_parameters;
    mail_parameters.size = 1234;
    mail_parameters.body = Body::eight_bit_mime;
    mail_parameters.ret = Ret::headers;
    mail_parameters.envid = "id";
    mail_parameters.auth = true;
    RcptParameters rcpt_parameters;
    rcpt_parameters.notify = Notify{true, 0};
    const std::vector<ClientStep> everything{
        {mail("<a@b.c>", mail_parameters),
         "MAIL FROM:<a@b.c> SIZE=1234 BODY=8BITMIME RET=HDRS ENVID=id AUTH=<>\r\n", "250 ok\r\n"},
        {rcpt("<d@e.f>", rcpt_parameters), "RCPT TO:<d@e.f> NOTIFY=NEVER\r\n", "250 ok\r\n"}};
    expect(open_with(everything), "ready\nmail 250 ok\nrcpt 250 ok\n");
    ClientScenario bare =
        open_with({{mail("<a@b.c>", mail_parameters), mail_command, "250 ok\r\n"},
                   {rcpt("<d@e.f>", rcpt_parameters), rcpt_command, "250 ok\r\n"}});
    bare.steps[1].reply = "250 up.test\r\n";
    expect(bare, "ready\nmail 250 ok\nrcpt 250 ok\n");
}

TEST_CASE("client: refused before it has begun") {
    for (const std::string_view code : {"421", "450", "550", "554", "250", "354"}) {
        CAPTURE(code);
        const std::string no = std::string(code) + " 4.3.2 No\r\n";
        for (const std::size_t step : {std::size_t{0}, std::size_t{1}}) {
            if (step == 1 && code == "250") continue;
            ClientScenario scenario = open_with({});
            scenario.steps.resize(step + 1);
            scenario.steps[step].reply = no;
            ClientPeer peer(scenario.setup);
            peer.run();
            for (const ClientStep& each : scenario.steps) peer.receive(each.reply);
            CHECK(peer.result().events.starts_with("failed unavailable: "));
            CHECK(peer.client().phase() == Client::Phase::finished);
            CHECK(peer.client().pending() == 0);
        }
    }
}

TEST_CASE("client: greetings and offers of many lines") {
    ClientScenario scenario = open_with({});
    scenario.steps[0].reply = "220-welcome\r\n220-use is monitored\r\n220\r\n";
    expect(scenario, "ready\n");
    std::string flood;
    for (int i = 0; i < 10000; ++i) flood += "220-x\r\n";
    scenario.steps.resize(1);
    scenario.steps[0].reply = flood + "220 x\r\n";
    ClientPeer peer(scenario.setup);
    peer.receive(scenario.steps[0].reply);
    CHECK(peer.result().events.starts_with("failed protocol: "));
}

TEST_CASE("client: replies of the wrong kind") {
    struct Row {
        std::vector<ClientStep> steps;
    };
    const ClientStep sender{mail("<a@b.c>"), mail_command, "250 ok\r\n"};
    const ClientStep recipient{rcpt("<d@e.f>"), rcpt_command, "250 ok\r\n"};
    const ClientStep begin{data(), "DATA\r\n", "354 go\r\n"};
    const std::vector<std::vector<ClientStep>> rows{
        {{mail("<a@b.c>"), mail_command, "354 go\r\n"}},
        {sender, {rcpt("<d@e.f>"), rcpt_command, "354 go\r\n"}},
        {sender, recipient, {data(), "DATA\r\n", "250 ok\r\n"}},
        {sender, recipient, {data(), "DATA\r\n", "334 ok\r\n"}},
        {sender, recipient, begin, {end_of_data(), ".\r\n", "354 more\r\n"}},
        {sender, recipient, begin, {body("x\r\n"), "x\r\n", "250 thanks\r\n"}},
        {sender, recipient, begin, {body("x\r\n"), "x\r\n", "354 go\r\n"}},
    };
    for (const auto& steps : rows) {
        const ClientScenario scenario = open_with(steps);
        ClientPeer peer(scenario.setup);
        for (const ClientStep& step : scenario.steps) {
            if (step.act) step.act(peer.client());
            peer.run();
            peer.receive(step.reply);
        }
        CHECK(peer.result().events.find("\nfailed protocol: ") != std::string::npos);
        CHECK(peer.result().failed);
    }
}

TEST_CASE("client: timers, and what is waited for") {
    const ClientSetup setup = plain_setup(Security::implicit);
    ClientPeer peer(setup);
    Client& client = peer.client();
    CHECK(client.timer() == Timer::upstream_reply);
    CHECK(client.waiting_for() == "the greeting");
    peer.receive("220 hi\r\n");
    CHECK(client.waiting_for() == "the reply to EHLO");
    peer.receive("250 up.test\r\n");
    CHECK(client.timer() == Timer::none);
    CHECK(client.idle());
    mail("<a@b.c>")(client);
    CHECK(client.timer() == Timer::upstream_reply);
    CHECK_FALSE(client.idle());
    CHECK(client.in_transaction());
    peer.run();
    peer.receive("250 ok\r\n");
    CHECK_FALSE(client.idle());
    data()(client);
    peer.run();
    peer.receive("354 go\r\n");
    CHECK(client.timer() == Timer::none);
    body("x\r\n")(client);
    CHECK(client.timer() == Timer::upstream_block);
    peer.run();
    CHECK(client.timer() == Timer::none);
    end_of_data()(client);
    CHECK(client.timer() == Timer::data_reply);
    CHECK(client.waiting_for() == "the reply to end-of-data");
    peer.run();
    peer.receive("250 ok\r\n");
    CHECK(client.idle());
    CHECK_FALSE(client.in_transaction());
}

TEST_CASE("client: the rows are complete") {
    std::set<std::string_view> phrases;
    for (const ClientTable::Row& row : ClientTable::rows) {
        CHECK_FALSE(row.meaning.empty());
        CHECK(row.phrase.starts_with("the "));
        CHECK(row.timer != Timer::none);
        // RFC 5321 4.5.3.2.6: the reply to end-of-data has a deadline of its own.
        CHECK((row.timer == Timer::data_reply) == (row.step == Client::Step::message));
        CHECK(to_string(row.step) == row.phrase);
        phrases.insert(row.phrase);
    }
    CHECK(phrases.size() == Client::step_count);
}
