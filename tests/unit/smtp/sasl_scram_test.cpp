// SCRAM-SHA-256, client side: the RFC's own exchange, and servers that do not know the password,
// answer another question, or want to burn our time.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "base/limits.hpp"
#include "unit/smtp/scram_example.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

std::unique_ptr<SaslClient> make(const Credentials& credentials = scram::credentials(),
                                 const SaslCrypto& crypto = scram::crypto()) {
    auto made = make_sasl_client(SaslChoice::scram_sha_256, {"PLAIN", "SCRAM-SHA-256"}, credentials,
                                 {.crypto = crypto});
    REQUIRE(made.has_value());
    return std::move(*made);
}

std::string why_not(const Credentials& credentials, const SaslCrypto& crypto = scram::crypto()) {
    const auto made = make_sasl_client(SaslChoice::scram_sha_256, {"SCRAM-SHA-256"}, credentials,
                                       {.crypto = crypto});
    REQUIRE_FALSE(made.has_value());
    return made.error().text;
}

// The exchange up to where the server's first message is due.
std::unique_ptr<SaslClient> begun() {
    auto sasl = make();
    REQUIRE(sasl->initial_response().has_value());
    return sasl;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

// Refused with an Error, and nothing that comes later is taken.
void check_refused(SaslClient& sasl, const std::string& challenge) {
    CAPTURE(challenge);
    CHECK_FALSE(sasl.respond(challenge).has_value());
    CHECK_FALSE(sasl.finished());
    CHECK_FALSE(sasl.respond(scram::server_first).has_value());
    CHECK_FALSE(sasl.respond(scram::server_final).has_value());
    CHECK_FALSE(sasl.finished());
}

}  // namespace

TEST_CASE("sha256: the tests' own primitives") {
    const auto hex = [](const std::string& octets) {
        std::string out;
        for (const char c : octets)
            for (const int shift : {4, 0})
                out += "0123456789abcdef"[static_cast<unsigned char>(c) >> shift & 15];
        return out;
    };
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(pbkdf2_hmac_sha256("passwd", "salt", 1)) ==
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

TEST_CASE("scram: the example of RFC 7677") {
    for (const bool with_command : {true, false}) {
        const auto sasl = make();
        CHECK(sasl->mechanism() == "SCRAM-SHA-256");
        // Without an initial response the server's first challenge says nothing.
        auto said = with_command ? sasl->initial_response() : std::optional<Secret>();
        if (!with_command) said = *sasl->respond("");
        REQUIRE(said.has_value());
        CHECK(said->reveal() == scram::client_first);
        CHECK_FALSE(sasl->finished());
        auto answer = sasl->respond(scram::server_first);
        REQUIRE(answer.has_value());
        CHECK(answer->reveal() == scram::client_final);
        CHECK_FALSE(sasl->finished());
        answer = sasl->respond(scram::server_final);
        REQUIRE(answer.has_value());
        CHECK(answer->reveal().empty());
        CHECK(sasl->finished());
        CHECK(sasl->complaint().empty());
        // And that is all.
        CHECK_FALSE(sasl->respond(scram::server_final).has_value());
        CHECK_FALSE(sasl->finished());
    }
}

TEST_CASE("scram: extensions behind what is known do not matter") {
    const auto sasl = begun();
    REQUIRE(sasl->respond(scram::server_first + ",x=unknown").has_value());
    // The signature is over what was said, so it is another one.
    CHECK_FALSE(sasl->respond(scram::server_final).has_value());
    const auto plain = begun();
    REQUIRE(plain->respond(scram::server_first).has_value());
    CHECK(plain->respond(scram::server_final + ",x=unknown").has_value());
    CHECK(plain->finished());
}

TEST_CASE("scram: a first message that is not one") {
    const std::string& good = scram::server_first;
    for (const std::string& bad : {""s,
                                   "x"s,
                                   ","s,
                                   "r="s,
                                   "r=,s=,i="s,
                                   good.substr(1),
                                   good.substr(0, good.find(",i=")),
                                   "m=ext," + good,
                                   "v=" + good,
                                   scram::client_first,
                                   replaced(good, "s=", "t="),
                                   replaced(good, "i=4096", "i="),
                                   replaced(good, "i=4096", "i=-1"),
                                   replaced(good, "i=4096", "i=4096x"),
                                   replaced(good, "i=4096", "i= 4096"),
                                   replaced(good, "i=4096", "i=0x1000"),
                                   replaced(good, "W22Z", "W2!Z"),
                                   replaced(good, "gQ==", "gQ"),
                                   replaced(good, "W22ZaJ0SNY7soEsUEjb6gQ==", ""),
                                   replaced(good, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                            ",i=4096,s=W22ZaJ0SNY7soEsUEjb6gQ=="),
                                   std::string(5000, 'a')})
        check_refused(*begun(), bad);
}

TEST_CASE("scram: the server's nonce has to extend ours") {
    const std::string& good = scram::server_first;
    const std::string ours(scram::client_nonce);
    for (const std::string& other :
         {ours, ours.substr(1), ours.substr(0, ours.size() - 1) + "x", "x" + ours,
          "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"s, ours + "a b", ours + "\x01", ours + "\xc3\xa9",
          ours + "\0x"s, ours + std::string(limits::scram_nonce, 'a')})
        check_refused(*begun(), replaced(good, scram::nonce, other));
    // However long an honest one is.
    const auto sasl = begun();
    CHECK(sasl->respond(replaced(good, scram::nonce, ours + std::string(200, 'a'))).has_value());
}

TEST_CASE("scram: iterations have bounds") {
    const std::string& good = scram::server_first;
    for (const std::string_view count : {"0", "1", "4095", "600001", "10000000", "4294967295",
                                         "4294967296", "99999999999999999999999999"})
        check_refused(*begun(), replaced(good, "4096", count));
    SaslCrypto crypto = scram::crypto();
    crypto.pbkdf2_hmac_sha256 = [](std::string_view, std::string_view, unsigned) {
        return std::string(32, 'k');
    };
    for (const std::string_view count : {"4096", "600000"}) {
        const auto sasl = make(scram::credentials(), crypto);
        (void)sasl->initial_response();
        CHECK(sasl->respond(replaced(good, "4096", count)).has_value());
    }
}

TEST_CASE("scram: a server that does not know the password is not believed") {
    const std::string& good = scram::server_final;
    std::string one_bit = *base64_decode(good.substr(2));
    one_bit.back() = static_cast<char>(one_bit.back() ^ 1);
    for (const std::string& bad :
         {""s, "v="s, "v"s, "ok"s, good.substr(0, good.size() - 1), good.substr(0, 20), good + "=",
          "v=" + base64_encode(one_bit), "v=" + base64_encode(std::string(32, '\0')),
          "v=" + base64_encode(one_bit.substr(0, 31)), "V" + good.substr(1), " " + good,
          "x=1," + good, scram::server_first, scram::client_final, std::string(5000, 'v')}) {
        const auto sasl = begun();
        REQUIRE(sasl->respond(scram::server_first).has_value());
        check_refused(*sasl, bad);
    }
}

TEST_CASE("scram: the server says what is wrong") {
    for (const bool at_once : {true, false}) {
        const auto sasl = begun();
        if (!at_once) REQUIRE(sasl->respond(scram::server_first).has_value());
        const auto answer = sasl->respond("e=invalid-proof,x=\r\n");
        REQUIRE(answer.has_value());
        CHECK(answer->reveal().empty());
        CHECK(sasl->complaint() == "invalid-proof");
        CHECK_FALSE(sasl->finished());
        CHECK_FALSE(sasl->respond(scram::server_final).has_value());
    }
    const auto sasl = begun();
    REQUIRE(sasl->respond("e=\x1b[2J\r\n" + std::string(5000, 'x')).has_value());
    CHECK(sasl->complaint().starts_with("[2J  xxx"));
    CHECK(sasl->complaint().size() <= 256);
}

TEST_CASE("scram: names are escaped, odd ones are refused") {
    const auto sasl = make({"a=b,c", Secret("p")});
    CHECK(sasl->initial_response()->reveal() ==
          "n,,n=a=3Db=2Cc,r=" + std::string(scram::client_nonce));
    CHECK(make({"josé", Secret("пароль")})->initial_response().has_value());
    for (const std::string& odd : {"a\x01"s, "a\n"s, "\x7f"s, "\xff"s, "caf\xe9"s, "\xc2\x85"s}) {
        CHECK(why_not({odd, Secret("p")}).find("printable") != std::string::npos);
        const std::string reason = why_not({"u", Secret("geheim" + odd)});
        CHECK(reason.find("printable") != std::string::npos);
        CHECK(reason.find("geheim") == std::string::npos);
    }
    why_not({"u", Secret()});
}

TEST_CASE("scram: without its primitives, or when they fail, there is no exchange") {
    why_not(scram::credentials(), {});
    for (int missing = 0; missing < 4; ++missing) {
        SaslCrypto crypto = scram::crypto();
        if (missing == 0) crypto.sha256 = nullptr;
        if (missing == 1) crypto.hmac_sha256 = nullptr;
        if (missing == 2) crypto.pbkdf2_hmac_sha256 = nullptr;
        if (missing == 3) crypto.random = nullptr;
        why_not(scram::credentials(), crypto);
    }
    const auto nothing = [](std::string_view, std::string_view) { return std::string(); };
    for (int failing = 0; failing < 4; ++failing) {
        CAPTURE(failing);
        SaslCrypto crypto = scram::crypto();
        if (failing == 0) crypto.sha256 = [](std::string_view) { return std::string(); };
        if (failing == 1) crypto.hmac_sha256 = nothing;
        if (failing == 2)
            crypto.pbkdf2_hmac_sha256 = [](std::string_view, std::string_view, unsigned) {
                return std::string();
            };
        if (failing == 3) crypto.random = [](std::size_t) { return std::string(); };
        const auto sasl = make(scram::credentials(), crypto);
        (void)sasl->initial_response();
        CHECK_FALSE(sasl->respond(scram::server_first).has_value());
        CHECK_FALSE(sasl->respond("v=").has_value());
        CHECK_FALSE(sasl->finished());
    }
}

TEST_CASE("scram: nothing that is sent holds the password") {
    const auto sasl = make();
    std::string said(sasl->initial_response()->reveal());
    said += sasl->respond(scram::server_first)->reveal();
    said += sasl->respond(scram::server_final)->reveal();
    CHECK(said.find(scram::password) == std::string::npos);
    CHECK(said.find(base64_encode(scram::password)) == std::string::npos);
}
