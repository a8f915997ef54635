// The client machine logging in with SCRAM-SHA-256, a token or a certificate: the dialogues, an
// upstream that cheats at every step, and what is told of a refusal.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "smtp/base64.hpp"
#include "unit/smtp/client_peer.hpp"
#include "unit/smtp/scram_example.hpp"
#include "unit/support/verified.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string welcome = "235 2.7.0 Welcome\r\n";
const std::string all =
    "250-up.test\r\n250 AUTH PLAIN LOGIN SCRAM-SHA-256 XOAUTH2 OAUTHBEARER EXTERNAL\r\n";
const std::string token = "ya29.token-of-a-mailbox_which-is~secret";

std::string challenge(std::string_view octets) { return "334 " + base64_encode(octets) + "\r\n"; }
std::string line(std::string_view octets) { return base64_encode(octets) + "\r\n"; }

ClientScenario scenario(SaslChoice choice, Credentials credentials, std::vector<ClientStep> steps) {
    ClientScenario made{login_setup(Security::implicit, choice), {}};
    made.setup.settings.crypto = scram::crypto();
    made.setup.settings.server_host = "up.test";
    made.setup.settings.server_port = 465;
    made.setup.credentials = std::move(credentials);
    made.steps = {{{}, "", "220 up.test ESMTP\r\n"}, {{}, ehlo, all}};
    for (ClientStep& step : steps) made.steps.push_back(std::move(step));
    return made;
}

Credentials bearer(std::string_view of = token) { return {"user", Secret(), Secret(of)}; }

// The script in one go; the one event that ends it.
std::string outcome(const ClientScenario& of) {
    ClientPeer peer(of.setup);
    peer.run();
    for (const ClientStep& step : of.steps) {
        CHECK(peer.fresh() == step.expect);
        peer.receive(step.reply);
    }
    CHECK(peer.fresh().empty());
    return peer.result().events;
}

// The whole of what was told at the end.
client_event::Failed failure(const ClientScenario& of) {
    ClientPeer peer(of.setup);
    peer.run();
    for (std::size_t i = 0; i + 1 < of.steps.size(); ++i) peer.receive(of.steps[i].reply);
    peer.client().receive(of.steps.back().reply);
    const ClientEvent told = peer.client().next();
    REQUIRE(std::holds_alternative<client_event::Failed>(told));
    return std::get<client_event::Failed>(told);
}

const std::string scram_first = "AUTH SCRAM-SHA-256 " + line(scram::client_first);

// An exchange with the RFC's server up to a step, and then what comes instead.
ClientScenario scram_until(int step, std::string reply) {
    ClientScenario made = scenario(SaslChoice::scram_sha_256, scram::credentials(),
                                   {{{}, scram_first, challenge(scram::server_first)},
                                    {{}, line(scram::client_final), challenge(scram::server_final)},
                                    {{}, "\r\n", welcome}});
    made.steps.resize(static_cast<std::size_t>(3 + step));
    made.steps.back().reply = std::move(reply);
    return made;
}

const std::string xoauth2_message = "user=user\1auth=Bearer " + token + "\1\1";
const std::string oauthbearer_message =
    "n,a=user,\1host=up.test\1port=465\1auth=Bearer " + token + "\1\1";
const std::string google_reason = R"({"status":"401","schemes":"bearer mac"})";

}  // namespace

TEST_CASE("client: SCRAM-SHA-256, the exchange of RFC 7677") {
    for (const SaslChoice choice : {SaslChoice::automatic, SaslChoice::scram_sha_256}) {
        ClientScenario made = scram_until(2, welcome);
        made.setup.settings.auth = choice;
        expect(made, "ready\n");
        expect_safe_everywhere(made);
    }
}

TEST_CASE("client: SCRAM-SHA-256, 235 before the server has proved anything") {
    for (const int step : {0, 1})
        CHECK(outcome(scram_until(step, welcome))
                  .starts_with("failed protocol: the upstream accepted a login that is not"));
    // In one piece with the proof that was still to be acknowledged.
    ClientPeer peer(scram_until(1, "").setup);
    peer.receive("220 hi\r\n");
    peer.receive(all);
    peer.receive(challenge(scram::server_first));
    peer.receive(challenge(scram::server_final) + welcome);
    CHECK(peer.result().events.starts_with("failed protocol: "));
}

TEST_CASE("client: SCRAM-SHA-256, what is not an answer is not believed") {
    const std::string other_nonce = challenge("r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    const std::string no_password = challenge("v=" + base64_encode(std::string(32, 'x')));
    const struct {
        int step;
        std::string reply;
        std::string_view reason;
    } rows[] = {{0, other_nonce, "nonce"},
                {0, "334 \r\n", "malformed"},
                {0, "334 go on\r\n", "malformed"},
                {0, challenge(std::string(3000, 'r')), "malformed"},
                {0, challenge("r=" + scram::nonce + ",s=AAAA,i=1"), "iteration"},
                {0, challenge("r=" + scram::nonce + ",s=AAAA,i=4000000000"), "iteration"},
                {1, no_password, "does not know the password"},
                {1, "334 \r\n", "malformed"},
                {1, "334 !!!!\r\n", "malformed"},
                {1, challenge(scram::server_first), "malformed"},
                {2, challenge(scram::server_final), "asks again"}};
    for (const auto& row : rows) {
        CAPTURE(row.reply);
        for (const std::string_view after : {"501 5.7.0 Cancelled\r\n"sv, "235 2.7.0 ok\r\n"sv,
                                             "334 \r\n"sv, "535 5.7.8 no\r\n"sv}) {
            ClientScenario made = scram_until(row.step, row.reply);
            made.steps.push_back({{}, "*\r\n", std::string(after)});
            const std::string events = outcome(made);
            CHECK(events.starts_with("failed protocol: "));
            if (!after.starts_with("334")) CHECK(events.find(row.reason) != std::string::npos);
            CHECK_FALSE(failure(made).refusal.has_value());
        }
    }
}

TEST_CASE("client: SCRAM-SHA-256, the server's refusals") {
    ClientScenario made = scram_until(1, challenge("e=invalid-proof"));
    made.steps.push_back({{}, "\r\n", "535 5.7.8 Bad\r\n"});
    CHECK(outcome(made) ==
          "failed credentials: the upstream refused the login (invalid-proof): 535 5.7.8 Bad\n");
    CHECK(failure(made).refusal == make_reply(535, {5, 7, 8}, "Bad"));
    made.steps.back().reply = welcome;
    CHECK(outcome(made).starts_with("failed protocol: "));
    CHECK(outcome(scram_until(1, "535 5.7.8 Bad\r\n")) ==
          "failed credentials: the upstream refused the login: 535 5.7.8 Bad\n");
}

TEST_CASE("client: XOAUTH2 and OAUTHBEARER") {
    for (const bool standard : {true, false}) {
        const std::string command = standard ? "AUTH OAUTHBEARER " + line(oauthbearer_message)
                                             : "AUTH XOAUTH2 " + line(xoauth2_message);
        const ClientScenario taken =
            scenario(standard ? SaslChoice::oauthbearer : SaslChoice::automatic, bearer(),
                     {{{}, command, welcome}});
        expect(taken, "ready\n");
        expect_safe_everywhere(taken);
        const ClientScenario refused = scenario(
            standard ? SaslChoice::oauthbearer : SaslChoice::xoauth2, bearer(),
            {{{}, command, challenge(google_reason)},
             {{}, standard ? "AQ==\r\n" : "\r\n", "535-5.7.8 Not\r\n535 5.7.8 accepted\r\n"}});
        expect(refused, "failed credentials: the upstream refused the login (" + google_reason +
                            "): 535 5.7.8 Not / accepted\n");
        expect_safe_everywhere(refused);
        CHECK(failure(refused).refusal->code == 535);
    }
}

TEST_CASE("client: XOAUTH2 refused without a challenge") {
    ClientScenario made = scenario(SaslChoice::xoauth2, bearer(),
                                   {{{},
                                     "AUTH XOAUTH2 " + line(xoauth2_message),
                                     "535 5.7.3 Authentication unsuccessful\r\n"}});
    expect(made,
           "failed credentials: the upstream refused the login: 535 5.7.3 Authentication "
           "unsuccessful\n");
}

TEST_CASE("client: a challenge after the refusal of a token gets no answer") {
    for (const std::string_view after : {"334 \r\n"sv, "235 2.7.0 ok\r\n"sv}) {
        ClientScenario made =
            scenario(SaslChoice::xoauth2, bearer(),
                     {{{}, "AUTH XOAUTH2 " + line(xoauth2_message), challenge(google_reason)},
                      {{}, "\r\n", std::string(after)}});
        if (after.starts_with("334")) made.steps.push_back({{}, "*\r\n", "334 \r\n"});
        CHECK(outcome(made).starts_with("failed protocol: "));
    }
}

TEST_CASE("client: a long token goes in two steps") {
    const std::string long_token(2800, 'T');
    for (const bool standard : {true, false}) {
        const std::string_view name = standard ? "OAUTHBEARER" : "XOAUTH2";
        const std::string message =
            standard ? "n,a=user,\1host=up.test\1port=465\1auth=Bearer " + long_token + "\1\1"
                     : "user=user\1auth=Bearer " + long_token + "\1\1";
        // What the prompt says does not matter, but for being one.
        for (const std::string_view prompt : {"334 \r\n"sv, "334\r\n"sv, "334 go on\r\n"sv}) {
            const SaslChoice choice = standard ? SaslChoice::oauthbearer : SaslChoice::xoauth2;
            ClientScenario made =
                scenario(choice, bearer(long_token),
                         {{{}, "AUTH " + std::string(name) + "\r\n", std::string(prompt)},
                          {{}, line(message), welcome}});
            expect(made, "ready\n");
            if (prompt == "334 \r\n") expect_safe_everywhere(made);
            made.steps.back().reply = challenge(google_reason);
            made.steps.push_back({{}, standard ? "AQ==\r\n" : "\r\n", "535 5.7.8 No\r\n"});
            CHECK(
                outcome(made).starts_with("failed credentials: the upstream refused the login ("));
            // And 235 to the bare command is a lie.
            made.steps.resize(3);
            made.steps.back().reply = welcome;
            CHECK(outcome(made).starts_with("failed protocol: "));
        }
    }
}

TEST_CASE("client: 334 for ever") {
    for (const SaslChoice choice :
         {SaslChoice::scram_sha_256, SaslChoice::xoauth2, SaslChoice::oauthbearer}) {
        for (const std::string_view ask : {"334 \r\n"sv, "334 eA==\r\n"sv, "334 x\r\n"sv}) {
            ClientScenario made =
                scenario(choice, {"user", Secret(scram::password), Secret(token)}, {});
            ClientPeer peer(made.setup);
            for (const ClientStep& step : made.steps) peer.receive(step.reply);
            std::size_t rounds = 0;
            while (!peer.result().failed && rounds < 100) {
                peer.receive(ask);
                ++rounds;
            }
            CHECK(rounds <= limits::sasl_rounds + 1);
            CHECK(peer.result().events.starts_with("failed protocol: "));
            CHECK(peer.result().events.find(token) == std::string::npos);
        }
    }
}

TEST_CASE("client: EXTERNAL where a certificate was presented, with and without a name") {
    for (const bool named : {true, false}) {
        ClientScenario made = scenario(SaslChoice::external, {}, {});
        if (named) made.setup.credentials = Credentials{"user"};
        if (!named) made.setup.credentials.reset();
        made.steps.push_back(
            {{}, named ? "AUTH EXTERNAL dXNlcg==\r\n" : "AUTH EXTERNAL =\r\n", welcome});
        made.setup.certificate = ClientCertificate::presented;
        expect(made, "ready\n");
        expect_safe_everywhere(made);
        made.setup.certificate = ClientCertificate::none;
        made.steps.pop_back();
        CHECK(outcome(made) ==
              "failed credentials: EXTERNAL needs a client certificate, and none was presented\n");
    }
}

TEST_CASE("client: no token and no certificate in clear") {
    for (const SaslChoice choice :
         {SaslChoice::automatic, SaslChoice::xoauth2, SaslChoice::external}) {
        ClientScenario made = scenario(choice, {"user", Secret("p"), Secret(token)}, {});
        made.setup.settings.security = Security::cleartext;
        CHECK(outcome(made).starts_with("failed credentials: credentials are never sent over"));
    }
}

TEST_CASE("client: the upstream's verdict on the credentials, for whom they belong to") {
    const auto refused_with = [](const std::string& reply) {
        return failure(scenario(SaslChoice::xoauth2, bearer(),
                                {{{}, "AUTH XOAUTH2 " + line(xoauth2_message), reply}}));
    };
    CHECK(refused_with("535-5.7.8 Not\r\n535 5.7.8 you\r\n").refusal->lines ==
          std::vector<std::string>{"Not", "you"});
    CHECK(refused_with("454 4.7.0 Later\r\n").refusal == make_reply(454, {4, 7, 0}, "Later"));
    // Not a verdict on the credentials.
    CHECK_FALSE(refused_with("421 4.3.2 Bye\r\n").refusal.has_value());
    CHECK_FALSE(refused_with("250 2.0.0 Ok\r\n").refusal.has_value());
    CHECK_FALSE(refused_with("235x\r\n").refusal.has_value());
    // What repeats the token is withheld, in every form.
    for (const std::string& echo :
         {token, token.substr(7, 12), base64_encode(token), base64_encode(xoauth2_message)}) {
        const auto told = refused_with("535 5.7.8 " + echo + " is not good\r\n");
        REQUIRE(told.refusal.has_value());
        CHECK(told.refusal->code == 535);
        CHECK(summary(*told.refusal).find(echo) == std::string::npos);
        CHECK(told.failure.reason ==
              "the upstream refused the login: 535 5.7.8 (its text repeats the credential and is "
              "withheld)");
    }
    // In the reason of a challenge too.
    const auto told = failure(
        scenario(SaslChoice::xoauth2, bearer(),
                 {{{}, "", challenge("{\"token\":\"" + token + "\"}")}, {{}, "", "535 No\r\n"}}));
    CHECK(told.failure.reason == "the upstream refused the login: 535 No");
    CHECK(told.refusal.has_value());
}
