// XCLIENT: the command, its place in the dialogue, and upstreams that do not offer, refuse or
// misplay it.
#include <doctest/doctest.h>

#include "smtp/parameters.hpp"
#include "unit/smtp/client_peer.hpp"
#include "unit/support/verified.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const std::string auth = "AUTH PLAIN AHVzZXIAY29ycmVjdCBob3JzZQ==\r\n";
const std::string welcome = "235 2.7.0 Welcome\r\n";
const std::string anew = "220 up.test ESMTP again\r\n";
const std::string command = "XCLIENT ADDR=192.0.2.1\r\n";

std::string offering(std::string_view attributes) {
    return "250-up.test\r\n250-XCLIENT " + std::string(attributes) +
           "\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n";
}

ClientScenario with_xclient(Security security = Security::implicit) {
    ClientScenario made{login_setup(security, SaslChoice::automatic), {}};
    made.setup.xclient = Xclient{"192.0.2.1"};
    if (security == Security::cleartext) made.setup.credentials.reset();
    made.steps = {{{}, "", "220 up.test ESMTP\r\n"}, {{}, ehlo, offering("ADDR")}};
    if (security == Security::starttls) {
        made.steps.push_back({{}, "STARTTLS\r\n", "220 2.0.0 Go ahead\r\n"});
        made.steps.push_back({{}, ehlo, offering("ADDR")});
    }
    made.steps.push_back({{}, command, anew});
    made.steps.push_back({{}, ehlo, offering("ADDR")});
    if (security != Security::cleartext) made.steps.push_back({{}, auth, welcome});
    return made;
}

// What is said after this answer to EHLO, before the next answer.
std::string after_ehlo(Xclient xclient, std::string_view attributes) {
    ClientScenario made = with_xclient();
    made.setup.xclient = std::move(xclient);
    ClientPeer peer(made.setup);
    peer.receive("220 hi\r\n");
    (void)peer.fresh();
    peer.receive(offering(attributes));
    return peer.fresh();
}

// What comes of this answer to XCLIENT.
ClientRun answered(const std::string& reply) {
    ClientPeer peer(with_xclient().setup);
    peer.receive("220 hi\r\n");
    peer.receive(offering("ADDR"));
    peer.receive(reply);
    return peer.result();
}

}  // namespace

TEST_CASE("xclient: which attributes are understood") {
    const std::vector<std::string_view> all{"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN"};
    CHECK(parse_xclient(all) == 0x0F);
    CHECK(parse_xclient(std::vector<std::string_view>{"addr", "Name", "name"}) == 0x05);
    CHECK(parse_xclient(std::vector<std::string_view>{"ADDRESS", "ADDR=x", "", "LOGIN"}) == 0);
    CHECK(parse_xclient({}) == 0);
}

TEST_CASE("xclient: the command says what it has to say and what is offered, and no more") {
    const auto written = [](const Xclient& client, std::uint8_t offered) {
        return write_xclient(client, offered).value_or("none");
    };
    CHECK(written({"192.0.2.1"}, 0x0F) == "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]");
    CHECK(written({"::ffff:192.0.2.1"}, 1) == "XCLIENT ADDR=192.0.2.1");
    CHECK(written({"2001:DB8::1", 50000, "printer.test"}, 0x0F) ==
          "XCLIENT ADDR=IPV6:2001:db8::1 PORT=50000 NAME=[UNAVAILABLE] HELO=printer.test");
    CHECK(written({"2001:db8::1", 50000, "printer.test"}, 1) == "XCLIENT ADDR=IPV6:2001:db8::1");
    CHECK(written({"/run/waxseal.sock"}, 1) == "XCLIENT ADDR=[UNAVAILABLE]");
    CHECK(written({"192.0.2.1\r\nQUIT"}, 1) == "XCLIENT ADDR=[UNAVAILABLE]");
    CHECK(written({""}, 1) == "XCLIENT ADDR=[UNAVAILABLE]");
    for (const auto without : {std::uint8_t{0x00}, std::uint8_t{0x02}, std::uint8_t{0x0E}})
        CHECK_FALSE(write_xclient({"192.0.2.1", 1, "x"}, without).has_value());
}

TEST_CASE("xclient: a name cannot leave its place, nor make the line too long") {
    const std::string line = *write_xclient({"192.0.2.1", 0, "a b=c+d\r\nMAIL\0\x7f\xff"s}, 0x09);
    CHECK(line == "XCLIENT ADDR=192.0.2.1 HELO=a+20b+3Dc+2Bd+0D+0AMAIL+00+7F+FF");
    for (const std::size_t length : {std::size_t{255}, std::size_t{256}, std::size_t{100'000}}) {
        const bool said =
            write_xclient({"192.0.2.1", 0, std::string(length, 'h')}, 0x0F)->contains("HELO");
        CHECK(said == (length == 255));
    }
    const std::string wide = *write_xclient({"192.0.2.1", 0, std::string(255, '\x80')}, 0x0F);
    CHECK(wide == "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]");
}

TEST_CASE("client: XCLIENT, then anew, then the login") {
    for (const Security security : {Security::implicit, Security::starttls, Security::cleartext}) {
        const ClientScenario made = with_xclient(security);
        expect(made, security == Security::starttls ? "starttls\nready\n" : "ready\n");
        expect_safe_everywhere(made);
    }
}

TEST_CASE("client: XCLIENT is sent only if it is given and offered") {
    CHECK(after_ehlo({"192.0.2.1"}, "ADDR") == command);
    CHECK(after_ehlo({"192.0.2.1"}, "LOGIN PROTO addr") == command);
    CHECK(after_ehlo({"192.0.2.1"}, "NAME LOGIN") == auth);
    CHECK(after_ehlo({"192.0.2.1"}, "") == auth);
    ClientScenario made = with_xclient();
    made.setup.xclient.reset();
    made.steps.erase(made.steps.begin() + 2, made.steps.begin() + 4);
    expect(made, "ready\n");
    // An offer from before TLS is forgotten.
    made = with_xclient(Security::starttls);
    made.steps[3].reply = "250-up.test\r\n250 AUTH PLAIN\r\n";
    made.steps.erase(made.steps.begin() + 4, made.steps.begin() + 6);
    expect(made, "starttls\nready\n");
}

TEST_CASE("client: only what is offered after XCLIENT counts") {
    ClientScenario made = with_xclient();
    made.steps.resize(4);
    made.steps[3].reply = "250 up.test\r\n";
    expect(made,
           "failed credentials: the upstream does not offer AUTH, but a username is configured\n");
    made.steps[3].reply = "550 5.7.1 Not from there\r\n";
    expect(made, "failed unavailable: EHLO was refused: 550 5.7.1 Not from there\n");
}

TEST_CASE("client: XCLIENT refused is the end, with the reason") {
    CHECK(answered("550 5.7.0 Insufficient authorization\r\n").events ==
          "failed unavailable: XCLIENT was refused: 550 5.7.0 Insufficient authorization\n");
    for (const std::string_view odd : {"501 5.5.4 Bad\r\n"sv, "421 4.7.0 Go\r\n"sv, "250 ok\r\n"sv,
                                       "354 go\r\n"sv, "235 ok\r\n"sv, "334 \r\n"sv}) {
        CAPTURE(odd);
        const ClientRun run = answered(std::string(odd));
        CHECK(run.events.starts_with("failed unavailable: "));
        CHECK(run.output == ehlo + command);
    }
}

TEST_CASE("client: what stands behind the second greeting was not asked for") {
    for (const std::string& behind : {"250 up.test\r\n"s, offering("ADDR"), welcome, "\r\n"s}) {
        const ClientRun run = answered(anew + behind);
        CHECK(run.failed);
        CHECK(run.output.find("AUTH") == std::string::npos);
    }
    // Nor was what had only begun.
    ClientPeer peer(with_xclient().setup);
    for (const std::string& piece :
         {"220 hi\r\n"s, offering("ADDR"), anew + "2", "50 up.test\r\n"s})
        peer.receive(piece);
    CHECK(peer.result().events.starts_with("failed protocol: "));
    // Of many lines it is still one greeting.
    CHECK(answered("220-up.test\r\n220 hello again\r\n").output == ehlo + command + ehlo);
}
