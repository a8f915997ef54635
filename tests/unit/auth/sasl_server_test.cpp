// Exchanges: the dialogue of each mechanism, by the examples of its RFC, with and without an
// initial response, and whatever a client may do instead.
#include "auth/sasl_server.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "support.hpp"

using namespace waxseal;
using namespace waxseal::auth;
using namespace waxseal::auth::test;
using namespace std::literals;

namespace {

constexpr std::string_view tim = "\0tim\0tanstaaftanstaaf"sv;
constexpr std::string_view digest = "tim b913a602c7eda7a495b4e6e7334d3890";

Authenticator local() {
    return authenticator(Mode::local,
                         users(cleartext("tim", "tanstaaftanstaaf"), hashed("printer", "geheim")));
}

Authenticator cleartext_only() {
    return authenticator(Mode::local, users(cleartext("tim", "tanstaaftanstaaf")));
}

// RFC 7677 3.
constexpr std::string_view scram_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view scram_challenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view scram_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view scram_verdict = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Authenticator rfc7677() {
    auto verifier = Verifier::parse(
        "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        "$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    REQUIRE(verifier.has_value());
    return authenticator(Mode::local, users(User{"user", std::move(*verifier), {}, {}, {}}),
                         "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
}

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
    std::string out(text);
    const std::size_t at = out.find(what);
    REQUIRE(at != std::string::npos);
    return out.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("PLAIN: with an initial response, and in answer to an empty challenge") {
    const Authenticator by = local();
    CHECK(granted(talk(by, "PLAIN", {tim})) == "tim");
    CHECK(granted(talk(by, "plain", {"\0printer\0geheim"sv})) == "printer");
    CHECK(granted(talk(by, "PLAIN", {"tim\0tim\0tanstaaftanstaaf"sv})) == "tim");
    CHECK(challenge(talk(by, "PLAIN", {std::nullopt})).empty());
    const Step step = talk(by, "PLAIN", {std::nullopt, tim});
    REQUIRE(is<Granted>(step));
    CHECK(std::get<Granted>(step).user->name == "tim");
}

TEST_CASE("PLAIN: wrong, unknown, somebody else's, and no PLAIN at all") {
    const Authenticator by = local();
    for (const std::string_view message :
         {"\0tim\0tanstaaftanstaaF"sv, "\0tim\0tanstaaf"sv, "\0Tim\0tanstaaftanstaaf"sv,
          "\0nobody\0tanstaaftanstaaf"sv, "\0printer\0tanstaaftanstaaf"sv, "\0tim\0geheim"sv,
          "printer\0tim\0tanstaaftanstaaf"sv, "admin\0tim\0tanstaaftanstaaf"sv})
        CHECK(is<Refused>(talk(by, "PLAIN", {message})));
    for (const std::string_view message :
         {""sv, "tim"sv, "\0tim\0tanstaaftanstaaf\0extra"sv, "\0\0tanstaaftanstaaf"sv, "\0tim\0"sv,
          "\0tim\r\n\0tanstaaftanstaaf"sv, "\0tim\0tanstaaftanstaaf\r\n"sv, "\0tim\0\xff"sv}) {
        CHECK(is<Malformed>(talk(by, "PLAIN", {message})));
        CHECK(is<Malformed>(talk(by, "PLAIN", {std::nullopt, message})));
    }
}

TEST_CASE("LOGIN: prompts octet by octet, with and without the name in the initial response") {
    const Authenticator by = local();
    CHECK(challenge(talk(by, "LOGIN", {std::nullopt})) == "Username:");
    CHECK(challenge(talk(by, "LOGIN", {std::nullopt, "tim"})) == "Password:");
    CHECK(granted(talk(by, "LOGIN", {std::nullopt, "tim", "tanstaaftanstaaf"})) == "tim");
    CHECK(challenge(talk(by, "login", {"tim"})) == "Password:");
    CHECK(granted(talk(by, "login", {"tim", "tanstaaftanstaaf"})) == "tim");
    CHECK(challenge(talk(by, "LOGIN", {""})) == "Username:");
    CHECK(granted(talk(by, "LOGIN", {"", "printer", "geheim"})) == "printer");
}

TEST_CASE("LOGIN: wrong, and malformed") {
    const Authenticator by = local();
    CHECK(is<Refused>(talk(by, "LOGIN", {"tim", "tanstaaf"})));
    CHECK(is<Refused>(talk(by, "LOGIN", {"nobody", "tanstaaftanstaaf"})));
    for (const std::string_view name : {"QUIT"sv, "*"sv, "RSET"sv})  // data, and nobody's name
        CHECK(is<Refused>(talk(by, "LOGIN", {std::nullopt, name, "p"})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"", ""})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {std::nullopt, ""})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {std::nullopt, std::nullopt})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"tim", std::nullopt})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"tim", ""})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"tim\0"sv})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"tim\r\nRCPT TO:<x>"})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"tim", "tanstaaftanstaaf\0"sv})));
    CHECK(is<Malformed>(talk(by, "LOGIN", {"\xff"})));
}

TEST_CASE("CRAM-MD5: the example of RFC 2195") {
    const Authenticator by = cleartext_only();
    CHECK(challenge(talk(by, "CRAM-MD5", {std::nullopt})) ==
          "<1896.697170952@postoffice.reston.mci.net>");
    const Step step = talk(by, "cram-md5", {std::nullopt, digest});
    CHECK(granted(step) == "tim");
    CHECK(std::get<Granted>(step).user->name == "tim");
}

TEST_CASE("CRAM-MD5: wrong digests, unknown names, and malformed messages") {
    const Authenticator by = cleartext_only();
    for (std::size_t i = 4; i < digest.size(); ++i) {
        std::string wrong(digest);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        CHECK(is<Refused>(talk(by, "CRAM-MD5", {std::nullopt, wrong})));
    }
    // For somebody unknown no password is the right one.
    for (const std::string_view password : {"password", "", "tanstaaftanstaaf"}) {
        std::string hex;
        for (const char c : tls::hmac_md5(password, "<1896.697170952@postoffice.reston.mci.net>")) {
            hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4U];
            hex += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
        }
        CHECK(is<Refused>(talk(by, "CRAM-MD5", {std::nullopt, "nobody " + hex})));
    }
    CHECK(is<Malformed>(talk(by, "CRAM-MD5", {digest})));
    CHECK(is<Malformed>(talk(by, "CRAM-MD5", {""})));
    CHECK(is<Malformed>(talk(by, "CRAM-MD5", {std::nullopt, std::nullopt})));
    CHECK(is<Malformed>(talk(by, "CRAM-MD5", {std::nullopt, "tim"})));
}

TEST_CASE("SCRAM-SHA-256: the example of RFC 7677") {
    const Authenticator by = rfc7677();
    CHECK(challenge(talk(by, "SCRAM-SHA-256", {std::nullopt})).empty());
    CHECK(challenge(talk(by, "SCRAM-SHA-256", {scram_first})) == scram_challenge);
    CHECK(challenge(talk(by, "scram-sha-256", {scram_first, scram_final})) == scram_verdict);
    CHECK(granted(talk(by, "SCRAM-SHA-256", {scram_first, scram_final, ""})) == "user");
    CHECK(granted(talk(by, "SCRAM-SHA-256", {std::nullopt, scram_first, scram_final, ""})) ==
          "user");
}

TEST_CASE("SCRAM-SHA-256: wrong proofs, replays, and changed first messages") {
    const Authenticator by = rfc7677();
    const auto answer = [&](std::string_view message) {
        return talk(by, "SCRAM-SHA-256", {scram_first, message});
    };
    CHECK(is<Refused>(answer(replaced(scram_final, "p=dHzb", "p=dHzc"))));
    CHECK(is<Refused>(answer(replaced(scram_final, "p=dHzb", "x=y,p=dHzb"))));
    CHECK(is<Refused>(answer(replaced(scram_final, "%hvY", "%hvZ"))));
    CHECK(is<Refused>(answer(replaced(scram_final, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""))));
    CHECK(is<Refused>(answer(replaced(scram_final, "c=biws", "c=eSws"))));  // "y,,"
    CHECK(is<Refused>(answer(replaced(scram_final, "c=biws", "c="))));
    CHECK(is<Malformed>(answer(replaced(scram_final, "c=biws", "c=biw"))));
    CHECK(is<Malformed>(answer("")));
    CHECK(is<Malformed>(answer("*")));
    CHECK(is<Malformed>(talk(by, "SCRAM-SHA-256", {scram_first, std::nullopt})));
    CHECK(is<Malformed>(talk(by, "SCRAM-SHA-256", {std::nullopt, std::nullopt, ""})));
    CHECK(is<Malformed>(talk(by, "SCRAM-SHA-256", {scram_first, scram_final, "more"})));
    CHECK(is<Malformed>(talk(by, "SCRAM-SHA-256", {scram_first, scram_final, std::nullopt})));
    CHECK(is<Malformed>(talk(by, "SCRAM-SHA-256", {"p=tls-unique,,n=user,r=x"})));
    CHECK(is<Refused>(talk(by, "SCRAM-SHA-256", {"n,a=admin,n=user,r=x"})));
    CHECK(is<Challenge>(talk(by, "SCRAM-SHA-256", {"n,a=user,n=user,r=x"})));
}

TEST_CASE("SCRAM-SHA-256: the right secret does not make up for another nonce or gs2 header") {
    const Authenticator by = rfc7677();
    const std::string_view bare = scram_first.substr(3);
    const auto answer = [&](const ScramClient& client) {
        return talk(by, "SCRAM-SHA-256", {scram_first, client.final_message});
    };
    CHECK(is<Challenge>(answer(scram_client("pencil", bare, scram_challenge))));
    CHECK(is<Refused>(answer(scram_client("pencil", bare, scram_challenge, "y,,"))));
    for (const std::string_view nonce : {"r=rOprNGfwEbeRWgbNEkqO", "r=another", "r="})
        CHECK(is<Refused>(answer(scram_client("pencil", bare, scram_challenge, "n,,", nonce))));
}

TEST_CASE("SCRAM-SHA-256: by a password in the clear and by a hash, with every gs2 header") {
    const Authenticator by = local();
    for (const auto& [name, password] :
         {std::pair{"tim", "tanstaaftanstaaf"}, std::pair{"printer", "geheim"}})
        for (const std::string& gs2 : {"n,,"s, "y,,"s, "n,a=" + std::string(name) + ","}) {
            const std::string bare = "n=" + std::string(name) + ",r=nonce";
            const auto exchange = by.begin("SCRAM-SHA-256");
            const std::string offer = challenge(talk(*exchange, {gs2 + bare}));
            const ScramClient client = scram_client(password, bare, offer, gs2);
            CHECK(challenge(talk(*exchange, {client.final_message})) == client.server_signature);
            CHECK(granted(talk(*exchange, {""})) == name);
        }
}

TEST_CASE("SCRAM-SHA-256: somebody unknown is told a salt, always the same, and fails at the end") {
    const Authenticator by = local();
    for (const std::string name : {"nobody", "somebody", "x", "TIM"}) {
        const std::string bare = "n=" + name + ",r=nonce";
        const auto exchange = by.begin("SCRAM-SHA-256");
        const std::string offer = challenge(talk(*exchange, {"n,," + bare}));
        CHECK(offer == challenge(talk(by, "SCRAM-SHA-256", {"n,," + bare})));
        CHECK(offer == challenge(talk(local(), "SCRAM-SHA-256", {"n,," + bare})));
        CHECK(offer.size() == challenge(talk(by, "SCRAM-SHA-256", {"n,,n=tim,r=nonce"})).size());
        CHECK(offer != challenge(talk(by, "SCRAM-SHA-256", {"n,,n=other,r=nonce"})));
        for (const std::string_view password : {"geheim", "tanstaaftanstaaf", "password"})
            CHECK(is<Refused>(
                talk(by, "SCRAM-SHA-256",
                     {"n,," + bare, scram_client(password, bare, offer).final_message})));
        // Nor by the keys that stand in for those of somebody unknown.
        CHECK(is<Refused>(talk(*exchange, {"c=biws," + offer.substr(0, offer.find(",s=")) +
                                           ",p=" + smtp::base64_encode(std::string(32, '\0'))})));
    }
}

TEST_CASE("an exchange ends: with a result, with a wrong message, and after a failed check") {
    const Authenticator by = local();
    for (const std::string_view first : {tim, "\0tim\0wrong"sv, "nonsense"sv}) {
        const auto exchange = by.begin("PLAIN");
        (void)talk(*exchange, {first});
        CHECK(is<Malformed>(exchange->step(said(tim))));
        CHECK(is<Malformed>(exchange->step(std::nullopt)));
    }
}

TEST_CASE("what is checked may outlive its exchange and its authenticator") {
    Work work;
    {
        const auto exchange = local().begin("PLAIN");
        const Step step = exchange->step(said(tim));
        REQUIRE(is<Check>(step));
        work = std::get<Check>(step).work;
    }
    CHECK(work());
    CHECK(work());  // pure
}
