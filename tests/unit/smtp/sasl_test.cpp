// SASL, client side: the messages of each mechanism, how often each may be asked for, and a choice
// that never falls below what the configuration asks for.
#include "smtp/sasl.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;

namespace {

Credentials tim() { return {"tim", Secret("tanstaaftanstaaf")}; }

// The example of RFC 2195 2.
constexpr std::string_view challenge = "<1896.697170952@postoffice.reston.mci.net>";

std::string example_hmac(std::string_view key, std::string_view data) {
    if (key != "tanstaaftanstaaf" || data != challenge) return std::string(16, '\0');
    return "\xb9\x13\xa6\x02\xc7\xed\xa7\xa4\x95\xb4\xe6\xe7\x33\x4d\x38\x90";
}

const SaslContext with_hmac{.crypto = {.hmac_md5 = example_hmac}};

std::unique_ptr<SaslClient> make(SaslChoice choice, const std::vector<std::string>& offered) {
    auto made = make_sasl_client(choice, offered, tim(), with_hmac);
    REQUIRE(made.has_value());
    return std::move(*made);
}

std::string why_not(SaslChoice choice, const std::vector<std::string>& offered,
                    const Credentials& credentials = tim(),
                    const SaslContext& context = with_hmac) {
    const auto made = make_sasl_client(choice, offered, credentials, context);
    REQUIRE_FALSE(made.has_value());
    return made.error().text;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("sasl: PLAIN goes with the command") {
    const auto sasl = make(SaslChoice::plain, {"PLAIN"});
    CHECK(sasl->mechanism() == "PLAIN");
    CHECK_FALSE(sasl->finished());
    const auto message = sasl->initial_response();
    REQUIRE(message.has_value());
    CHECK(message->reveal() == "\0tim\0tanstaaftanstaaf"sv);
    CHECK(sasl->finished());
}

TEST_CASE("sasl: PLAIN answers one challenge, with or without an initial response before") {
    for (const bool initial : {false, true}) {
        const auto sasl = make(SaslChoice::plain, {"PLAIN"});
        if (initial) CHECK(sasl->initial_response().has_value());
        CHECK(sasl->finished() == initial);
        const auto answer = sasl->respond("");
        REQUIRE(answer.has_value());
        CHECK(answer->reveal() == "\0tim\0tanstaaftanstaaf"sv);
        CHECK(sasl->finished());
        CHECK_FALSE(sasl->respond("").has_value());
    }
}

TEST_CASE("sasl: LOGIN says the name, then the password, whatever the prompts say") {
    const auto sasl = make(SaslChoice::login, {"PLAIN", "LOGIN"});
    CHECK(sasl->mechanism() == "LOGIN");
    CHECK_FALSE(sasl->initial_response().has_value());
    auto answer = sasl->respond("User Name\0"sv);
    REQUIRE(answer.has_value());
    CHECK(answer->reveal() == "tim");
    CHECK_FALSE(sasl->finished());
    answer = sasl->respond("");
    REQUIRE(answer.has_value());
    CHECK(answer->reveal() == "tanstaaftanstaaf");
    CHECK(sasl->finished());
    CHECK_FALSE(sasl->respond("Password:").has_value());
}

TEST_CASE("sasl: CRAM-MD5, the example of RFC 2195") {
    const auto sasl = make(SaslChoice::cram_md5, {"CRAM-MD5"});
    CHECK(sasl->mechanism() == "CRAM-MD5");
    CHECK_FALSE(sasl->initial_response().has_value());
    CHECK_FALSE(sasl->respond("").has_value());
    CHECK_FALSE(sasl->finished());
    const auto answer = sasl->respond(challenge);
    REQUIRE(answer.has_value());
    CHECK(answer->reveal() == "tim b913a602c7eda7a495b4e6e7334d3890");
    CHECK(sasl->finished());
    CHECK_FALSE(sasl->respond(challenge).has_value());
}

TEST_CASE("sasl: automatic takes PLAIN, then LOGIN, then CRAM-MD5") {
    const auto automatic = SaslChoice::automatic;
    CHECK(make(automatic, {"CRAM-MD5", "LOGIN", "PLAIN"})->mechanism() == "PLAIN");
    CHECK(make(automatic, {"XOAUTH2", "CRAM-MD5", "LOGIN"})->mechanism() == "LOGIN");
    CHECK(make(automatic, {"CRAM-MD5", "NTLM"})->mechanism() == "CRAM-MD5");
    CHECK(make(automatic, {"plain"})->mechanism() == "PLAIN");
}

TEST_CASE("sasl: what was configured and is not offered is not replaced by something else") {
    CHECK(has(why_not(SaslChoice::plain, {"LOGIN", "CRAM-MD5"}), "only LOGIN, CRAM-MD5"));
    CHECK(has(why_not(SaslChoice::plain, {"LOGIN"}), "asks for PLAIN"));
    CHECK(has(why_not(SaslChoice::cram_md5, {"PLAIN"}), "asks for CRAM-MD5"));
    CHECK(has(why_not(SaslChoice::automatic, {"XOAUTH2"}),
              "only XOAUTH2; what is configured serves for PLAIN, LOGIN, CRAM-MD5"));
    CHECK(has(why_not(SaslChoice::automatic, {"NTLM", "PLAINX", "PLAI"}), "only NTLM"));
    CHECK(has(why_not(SaslChoice::automatic, {}), "no authentication"));
    why_not(SaslChoice::none, {"PLAIN"});
}

TEST_CASE("sasl: without a digest there is no CRAM-MD5") {
    why_not(SaslChoice::cram_md5, {"CRAM-MD5"}, tim(), {});
    why_not(SaslChoice::automatic, {"CRAM-MD5"}, tim(), {});
    CHECK(make_sasl_client(SaslChoice::automatic, {"CRAM-MD5", "LOGIN"}, tim(), {}));
}

TEST_CASE("sasl: credentials that PLAIN could not carry are refused for all mechanisms") {
    for (const SaslChoice choice : {SaslChoice::automatic, SaslChoice::login}) {
        const std::vector<std::string> offered{"PLAIN", "LOGIN"};
        why_not(choice, offered, {"", Secret("p")});
        why_not(choice, offered, {"u\0x"s, Secret("p")});
        const std::string reason = why_not(choice, offered, {"u", Secret("geheim\0x"sv)});
        CHECK_FALSE(has(reason, "geheim"));
    }
}
