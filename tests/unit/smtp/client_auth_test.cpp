// The client machine logging in: PLAIN, LOGIN, CRAM-MD5, what an upstream may say in between, and
// where the credential goes.
#include <doctest/doctest.h>

#include "smtp/base64.hpp"
#include "unit/smtp/client_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string plain = "AHVzZXIAY29ycmVjdCBob3JzZQ==";
const std::string welcome = "235 2.7.0 Welcome\r\n";

ClientScenario login(SaslChoice choice, std::vector<ClientStep> steps) {
    ClientScenario scenario{login_setup(Security::implicit, choice), {}};
    scenario.steps = {{{}, "", "220 up.test ESMTP\r\n"}, {{}, ehlo, offer}};
    for (ClientStep& step : steps) scenario.steps.push_back(std::move(step));
    return scenario;
}

std::string only(std::string_view mechanisms) {
    return "250-up.test\r\n250 AUTH " + std::string(mechanisms) + "\r\n";
}

// The one event that ends this login.
std::string outcome(const ClientScenario& scenario) {
    ClientPeer peer(scenario.setup);
    peer.run();
    for (const ClientStep& step : scenario.steps) {
        CHECK(peer.fresh() == step.expect);
        peer.receive(step.reply);
    }
    CHECK(peer.fresh().empty());
    return peer.result().events;
}

}  // namespace

TEST_CASE("client: PLAIN in one step") {
    const ClientScenario scenario =
        login(SaslChoice::automatic, {{{}, "AUTH PLAIN " + plain + "\r\n", welcome}});
    expect(scenario, "ready\n");
    expect_safe_everywhere(scenario);
}

TEST_CASE("client: PLAIN asked for once more") {
    // Some servers ignore the initial response; what their prompt says does not matter.
    for (const std::string_view prompt : {"334 \r\n"sv, "334\r\n"sv, "334 ok, go on\r\n"sv}) {
        const ClientScenario scenario =
            login(SaslChoice::plain, {{{}, "AUTH PLAIN " + plain + "\r\n", std::string(prompt)},
                                      {{}, plain + "\r\n", welcome}});
        expect(scenario, "ready\n");
        expect_safe_everywhere(scenario);
    }
}

TEST_CASE("client: LOGIN, whatever its prompts") {
    for (const std::string_view prompt :
         {"334 VXNlcm5hbWU6\r\n"sv, "334 \r\n"sv, "334 Username:\r\n"sv}) {
        ClientScenario scenario =
            login(SaslChoice::login, {{{}, "AUTH LOGIN\r\n", std::string(prompt)},
                                      {{}, "dXNlcg==\r\n", "334 UGFzc3dvcmQ6\r\n"},
                                      {{}, "Y29ycmVjdCBob3JzZQ==\r\n", welcome}});
        expect(scenario, "ready\n");
        expect_safe_everywhere(scenario);
    }
}

TEST_CASE("client: CRAM-MD5") {
    const std::string answer = base64_encode("user 633c");  // "c" and "<", by the tests' hash
    const ClientScenario scenario =
        login(SaslChoice::cram_md5,
              {{{}, "AUTH CRAM-MD5\r\n", "334 PDEyMzRAdXA+\r\n"}, {{}, answer + "\r\n", welcome}});
    expect(scenario, "ready\n");
    expect_safe_everywhere(scenario);
    // A challenge that is none is not answered.
    for (const std::string_view challenge : {"334 \r\n"sv, "334 !!\r\n"sv, "334 PDEyM\r\n"sv}) {
        const std::string events =
            outcome(login(SaslChoice::cram_md5, {{{}, "AUTH CRAM-MD5\r\n", std::string(challenge)},
                                                 {{}, "*\r\n", "501 5.7.0 Cancelled\r\n"}}));
        CHECK(events.starts_with("failed protocol: the login was given up: "));
    }
}

TEST_CASE("client: a long credential does not go with the command") {
    // RFC 4954 4: AUTH may not be longer than 512 octets with its CRLF.
    for (const std::size_t length :
         {std::size_t{365}, std::size_t{366}, std::size_t{367}, std::size_t{5000}}) {
        CAPTURE(length);
        ClientScenario scenario = login(SaslChoice::plain, {});
        scenario.setup.credentials = Credentials{"user", Secret(std::string(length, 'p'))};
        const std::string response = base64_encode("\0user\0"s + std::string(length, 'p'));
        const std::string together = "AUTH PLAIN " + response + "\r\n";
        if (together.size() <= 512) {
            scenario.steps.push_back({{}, together, welcome});
        } else {
            scenario.steps.push_back({{}, "AUTH PLAIN\r\n", "334 \r\n"});
            scenario.steps.push_back({{}, response + "\r\n", welcome});
        }
        CHECK(outcome(scenario) == "ready\n");
        // And an upstream cannot say that it is content before it was told anything.
        if (together.size() <= 512) continue;
        scenario.steps.resize(3);
        scenario.steps[2].reply = welcome;
        CHECK(outcome(scenario).starts_with("failed protocol: "));
    }
}

TEST_CASE("client: 235 too early") {
    CHECK(outcome(login(SaslChoice::login, {{{}, "AUTH LOGIN\r\n", welcome}}))
              .starts_with("failed protocol: "));
    CHECK(outcome(login(SaslChoice::login, {{{}, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"},
                                            {{}, "dXNlcg==\r\n", welcome}}))
              .starts_with("failed protocol: "));
    CHECK(outcome(login(SaslChoice::cram_md5, {{{}, "AUTH CRAM-MD5\r\n", welcome}}))
              .starts_with("failed protocol: "));
    // Together with the challenge that it pretends to have judged the answer to.
    ClientPeer peer(login_setup(Security::implicit, SaslChoice::login));
    peer.receive("220 hi\r\n");
    peer.receive(offer);
    peer.receive("334 VXNlcm5hbWU6\r\n");
    peer.receive("334 UGFzc3dvcmQ6\r\n" + welcome);
    CHECK(peer.result().events.starts_with("failed protocol: "));
}

TEST_CASE("client: the upstream asks and asks") {
    for (const SaslChoice choice : {SaslChoice::plain, SaslChoice::login, SaslChoice::cram_md5}) {
        ClientSetup setup = login_setup(Security::implicit, choice);
        ClientPeer peer(setup);
        peer.receive("220 hi\r\n");
        peer.receive(offer);
        int rounds = 0;
        while (!peer.result().failed && rounds < 100) {
            peer.receive("334 UGFzc3dvcmQ6\r\n");
            ++rounds;
        }
        CHECK(rounds <= 9);
        CHECK(peer.result().events.starts_with("failed protocol: "));
        // The secret was said at most twice (PLAIN: with the command and when asked again).
        const std::string& output = peer.result().output;
        for (const std::string& secret : {plain, "Y29ycmVjdCBob3JzZQ=="s}) {
            std::size_t said = 0;
            for (std::size_t at = output.find(secret); at != std::string::npos;
                 at = output.find(secret, at + 1))
                ++said;
            CHECK(said <= 2);
        }
    }
}

TEST_CASE("client: refused") {
    for (const std::string_view refusal :
         {"535 5.7.8 Bad credentials\r\n"sv, "454 4.7.0 Later\r\n"sv, "534 5.7.9 Weak\r\n"sv,
          "500 Line too long\r\n"sv, "250 ok\r\n"sv, "354 go\r\n"sv}) {
        CAPTURE(refusal);
        const std::string events = outcome(
            login(SaslChoice::plain, {{{}, "AUTH PLAIN " + plain + "\r\n", std::string(refusal)}}));
        CHECK(events.starts_with("failed credentials: the upstream refused the login: "));
    }
    CHECK(outcome(
              login(SaslChoice::plain, {{{}, "AUTH PLAIN " + plain + "\r\n", "421 4.3.2 Bye\r\n"}}))
              .starts_with("failed unavailable: "));
    // The reason is the upstream's own, of many lines too.
    CHECK(outcome(login(SaslChoice::plain, {{{},
                                             "AUTH PLAIN " + plain + "\r\n",
                                             "535-5.7.8 Bad\r\n535 5.7.8 credentials\r\n"}})) ==
          "failed credentials: the upstream refused the login: 535 5.7.8 Bad / credentials\n");
}

TEST_CASE("client: only what is offered is tried, never something weaker") {
    struct Row {
        SaslChoice choice;
        std::string_view offered;
        std::string_view command;  // empty: none
    };
    const Row rows[] = {
        {SaslChoice::automatic, "CRAM-MD5 LOGIN PLAIN", "AUTH PLAIN "},
        {SaslChoice::automatic, "CRAM-MD5 login", "AUTH LOGIN"},
        {SaslChoice::automatic, "NTLM CRAM-MD5", "AUTH CRAM-MD5"},
        {SaslChoice::automatic, "NTLM XOAUTH2", ""},
        {SaslChoice::automatic, "", ""},
        {SaslChoice::cram_md5, "PLAIN LOGIN", ""},
        {SaslChoice::plain, "LOGIN CRAM-MD5", ""},
        {SaslChoice::login, "PLAIN", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.offered);
        ClientPeer peer(login_setup(Security::implicit, row.choice));
        peer.receive("220 hi\r\n");
        (void)peer.fresh();
        peer.receive(only(row.offered));
        const std::string said = peer.fresh();
        if (row.command.empty()) {
            CHECK(said.empty());
            CHECK(peer.result().events.starts_with("failed credentials: "));
        } else {
            CHECK(said.starts_with(row.command));
        }
    }
    // The old syntax offers nothing.
    ClientPeer peer(login_setup(Security::implicit, SaslChoice::automatic));
    peer.receive("220 hi\r\n");
    peer.receive("250-up.test\r\n250 AUTH=PLAIN LOGIN\r\n");
    CHECK(peer.result().events.starts_with("failed credentials: "));
}

TEST_CASE("client: no login where none is configured") {
    ClientScenario scenario = login(SaslChoice::none, {});
    expect(scenario, "ready\n");
    scenario.setup = plain_setup(Security::implicit);
    expect(scenario, "ready\n");
}

TEST_CASE("client: the credential does not stay in the output queue") {
    ClientSetup setup = login_setup(Security::implicit, SaslChoice::plain);
    ClientPeer peer(setup);
    peer.receive("220 hi\r\n");
    Client& client = peer.client();
    client.receive(offer);
    (void)client.next();
    const std::string_view view = client.output();
    REQUIRE(view.find(plain) != std::string_view::npos);
    const char* const memory = view.data();
    const std::size_t size = view.size();
    client.sent(size);
    // The block is kept for the next command, so it may still be looked at.
    CHECK(std::string(memory, size).find(plain.substr(0, 8)) == std::string::npos);
    CHECK(std::string(memory, size).find(plain.substr(12, 8)) == std::string::npos);
}

TEST_CASE("client: failures and events never quote the credential") {
    for (const std::string_view reply :
         {"535 no\r\n"sv, "334 x\r\n"sv, "235 x\r\n"sv, "x\r\n"sv, "421 x\r\n"sv}) {
        for (const SaslChoice choice : {SaslChoice::plain, SaslChoice::login}) {
            ClientPeer peer(login_setup(Security::implicit, choice));
            peer.receive("220 hi\r\n");
            peer.receive(offer);
            for (int i = 0; i < 12; ++i) peer.receive(reply);
            CHECK(peer.result().events.find(password) == std::string::npos);
            CHECK(peer.result().events.find(plain) == std::string::npos);
            CHECK(peer.result().events.find(base64_encode(password)) == std::string::npos);
        }
    }
}

TEST_CASE("client: nor does what the upstream says in a transaction") {
    // Whatever form of it comes back, and at whichever command.
    const std::string encoded_password = base64_encode(password);
    for (const std::string& form : {std::string(password), plain, encoded_password}) {
        for (std::size_t at = 0; at < 6; ++at) {
            CAPTURE(form);
            CAPTURE(at);
            ClientScenario scenario =
                login(SaslChoice::plain, {{{}, "AUTH PLAIN " + plain + "\r\n", welcome},
                                          {mail("<a@b.c>"), "", "250 ok\r\n"},
                                          {rcpt("<d@e.f>"), "", "250 ok\r\n"},
                                          {data(), "", "354 go\r\n"},
                                          {end_of_data(), "", "250 2.0.0 ok\r\n"},
                                          {reset(), "", "250 ok\r\n"}});
            ClientPeer peer(scenario.setup);
            peer.run();
            for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
                const ClientStep& step = scenario.steps[i];
                if (step.act) step.act(peer.client());
                peer.run();
                if (i == at + 3) break;
                peer.receive(step.reply);
            }
            peer.receive("550-5.7.1 what is\r\n550 5.7.1 " + form + "?\r\n");
            const std::string& events = peer.result().events;
            CHECK(events.contains("550 5.7.1 (its text repeats the credential and is withheld)"));
            CHECK_FALSE(events.contains(form));
        }
    }
}

TEST_CASE("client: a reply of several lines ends the login as one does") {
    ClientScenario scenario = login(
        SaslChoice::plain, {{{},
                             "AUTH PLAIN " + plain + "\r\n",
                             "235-2.7.0 Welcome\r\n235-2.7.0 be nice\r\n235 2.7.0 go on\r\n"}});
    expect(scenario, "ready\n");
    expect_safe_everywhere(scenario);
}
