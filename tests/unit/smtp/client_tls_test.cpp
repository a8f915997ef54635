// The client machine and TLS: nothing in clear that should not be, nothing learnt in clear that
// counts.
#include <doctest/doctest.h>

#include "unit/smtp/client_peer.hpp"
#include "unit/support/verified.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string go_ahead = "220 2.0.0 Go ahead\r\n";
const std::string auth = "AUTH PLAIN AHVzZXIAY29ycmVjdCBob3JzZQ==\r\n";

ClientScenario with_starttls() {
    return {login_setup(Security::starttls, SaslChoice::automatic),
            {{{}, "", "220 up.test ESMTP\r\n"},
             {{}, ehlo, offer},
             {{}, "STARTTLS\r\n", go_ahead},
             {{}, ehlo, offer},
             {{}, auth, "235 2.7.0 Welcome\r\n"},
             {mail("<a@b.c>"), "MAIL FROM:<a@b.c>\r\n", "250 ok\r\n"},
             {quit(), "QUIT\r\n", "221 bye\r\n"}}};
}

// What comes of the answers to the commands before TLS.
ClientRun in_clear(const std::vector<std::string>& answers) {
    ClientSetup setup = login_setup(Security::starttls, SaslChoice::automatic);
    ClientPeer peer(setup);
    peer.run();
    for (const std::string& answer : answers) peer.receive(answer);
    CHECK(peer.result().output.find("AUTH") == std::string::npos);
    CHECK(peer.result().output.find("MAIL") == std::string::npos);
    CHECK(peer.client().phase() == Client::Phase::finished);
    CHECK(peer.client().pending() == 0);
    return peer.result();
}

}  // namespace

TEST_CASE("client: STARTTLS, a login, a command") {
    const ClientScenario scenario = with_starttls();
    expect(scenario, "starttls\nready\nmail 250 ok\nclosed\n");
    expect_safe_everywhere(scenario);
}

TEST_CASE("client: octets behind the 220 to STARTTLS are an injection") {
    for (const std::string_view behind : {"250-evil\r\n250 AUTH PLAIN\r\n"sv, "2"sv, "\r\n"sv,
                                          "220 again\r\n"sv, "\0"sv, "\x16\x03\x03"sv}) {
        CAPTURE(behind);
        const std::string both = go_ahead + std::string(behind);
        // In one piece, and as a second one that comes before the handshake.
        CHECK(in_clear({"220 hi\r\n", offer, both}).events.starts_with("failed tls: "));
        ClientSetup setup = login_setup(Security::starttls, SaslChoice::automatic);
        Client client(setup.settings, std::move(setup.credentials));
        client.receive("220 hi\r\n");
        (void)client.next();
        client.sent(client.output().size());
        client.receive(offer);
        (void)client.next();
        client.sent(client.output().size());
        client.receive(go_ahead);
        REQUIRE(std::holds_alternative<client_event::StartTls>(client.next()));
        client.receive(behind);
        // Even an owner that goes on without asking does not get further.
        client.secured(VerifiedAccess::make());
        CHECK(client.output().empty());
        const ClientEvent told = client.next();
        REQUIRE(std::holds_alternative<client_event::Failed>(told));
        CHECK(std::get<client_event::Failed>(told).failure.kind == FailureKind::tls);
        CHECK(client.output().empty());
    }
}

TEST_CASE("client: STARTTLS stripped or refused is the end") {
    CHECK(in_clear({"220 hi\r\n", "250-up.test\r\n250 AUTH PLAIN\r\n"})
              .events.starts_with("failed tls: "));
    CHECK(in_clear({"220 hi\r\n", "250-up.test\r\n250 STARTTLSX\r\n"})
              .events.starts_with("failed tls: "));
    CHECK(in_clear({"220 hi\r\n", "250 STARTTLS\r\n"}).events.starts_with("failed tls: "));
    for (const std::string_view refusal :
         {"454 4.7.0 TLS not available\r\n"sv, "502 5.5.1 What?\r\n"sv, "500 What?\r\n"sv,
          "421 4.3.2 Later\r\n"sv, "250 ok\r\n"sv, "354 go\r\n"sv,
          "454 n/a\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"sv}) {
        CAPTURE(refusal);
        CHECK(in_clear({"220 hi\r\n", offer, std::string(refusal)})
                  .events.starts_with("failed tls: "));
    }
}

TEST_CASE("client: answers to commands that were not sent yet") {
    // The whole dialogue at once: whoever wrote it did not listen.
    CHECK(in_clear({"220 hi\r\n" + offer}).events.starts_with("failed protocol: "));
    CHECK(in_clear({"220 hi\r\n" + offer + go_ahead}).events.starts_with("failed protocol: "));
    CHECK(in_clear({"220 hi\r\n", offer + go_ahead}).events.starts_with("failed protocol: "));
}

TEST_CASE("client: what was offered before TLS is forgotten") {
    ClientScenario scenario = with_starttls();
    // Before: everything. After: nothing, so there is no login.
    scenario.steps.resize(4);
    scenario.steps[3].reply = "250 up.test\r\n";
    expect(scenario,
           "starttls\nfailed credentials: the upstream does not offer AUTH, but a username is "
           "configured\n");
    // Before: the least. After: everything, and STARTTLS once more, which is not taken.
    scenario = with_starttls();
    scenario.steps[1].reply = "250-up.test\r\n250 STARTTLS\r\n";
    expect(scenario, "starttls\nready\nmail 250 ok\nclosed\n");
}

TEST_CASE("client: the greeting of a connection with implicit TLS has to come through TLS") {
    for (const bool login : {false, true}) {
        ClientSetup setup = login ? login_setup(Security::implicit, SaslChoice::plain)
                                  : plain_setup(Security::implicit);
        Client client(setup.settings, std::move(setup.credentials));
        client.receive("220 hi\r\n");
        const ClientEvent told = client.next();
        REQUIRE(std::holds_alternative<client_event::Failed>(told));
        CHECK(std::get<client_event::Failed>(told).failure.kind == FailureKind::tls);
        CHECK(client.output().empty());
    }
}

TEST_CASE("client: cleartext works when it is configured, but never with credentials") {
    const std::string bare = "250-up.test\r\n250 AUTH PLAIN\r\n";
    expect({plain_setup(Security::cleartext), {{{}, "", "220 hi\r\n"}, {{}, ehlo, bare}}},
           "ready\n");
    const ClientScenario scenario{login_setup(Security::cleartext, SaslChoice::plain),
                                  {{{}, "", "220 hi\r\n"}, {{}, ehlo, bare}}};
    expect(scenario,
           "failed credentials: credentials are never sent over a connection that is not verified "
           "TLS\n");
}

TEST_CASE("client: an end of input while TLS is being made") {
    for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
        ClientSetup setup = login_setup(Security::starttls, SaslChoice::automatic);
        Client client(setup.settings, std::move(setup.credentials));
        for (const std::string& answer : {"220 hi\r\n"s, offer, go_ahead}) {
            client.receive(answer);
            (void)client.next();
            client.sent(client.output().size());
        }
        CHECK(client.phase() == Client::Phase::securing);
        CHECK(client.waiting_for() == "the TLS handshake");
        client.end_of_input(how, "");
        const ClientEvent told = client.next();
        REQUIRE(std::holds_alternative<client_event::Failed>(told));
        CHECK(client.output().empty());
    }
}
