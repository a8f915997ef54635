// Password verifiers: what is hashed is matched by that password alone; hash strings are read
// strictly.
#include "auth/verifier.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "smtp/base64.hpp"

using namespace waxseal;
using namespace waxseal::auth;

namespace {

// RFC 7677 3: user "user", password "pencil"; the keys by Python's hashlib.
constexpr std::string_view pencil =
    "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

std::string with(std::string text, std::string_view what, std::string_view by) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

std::string why_not(std::string_view text) {
    const auto verifier = Verifier::parse(text);
    REQUIRE_FALSE(verifier.has_value());
    return verifier.error().text;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("verifier: the salt and password of RFC 7677") {
    const auto verifier = Verifier::parse(pencil);
    REQUIRE(verifier.has_value());
    CHECK(verifier->matches("pencil"));
    CHECK_FALSE(verifier->matches("pencil "));
    CHECK_FALSE(verifier->matches("Pencil"));
    CHECK_FALSE(verifier->matches(""));
    CHECK(verifier->cleartext() == nullptr);
    CHECK(verifier->iterations() == 4096);
    const ScramKeys keys = derive_keys("pencil", verifier->hashed()->salt, 4096);
    CHECK(keys.stored_key == verifier->hashed()->keys.stored_key);
    CHECK(keys.server_key == verifier->hashed()->keys.server_key);
}

TEST_CASE("verifier: a password in the clear") {
    const Verifier verifier{Secret("tanstaaftanstaaf")};
    CHECK(verifier.matches("tanstaaftanstaaf"));
    for (const std::string_view wrong : {"", "tanstaaf", "tanstaaftanstaaF", "tanstaaftanstaaff"})
        CHECK_FALSE(verifier.matches(wrong));
    REQUIRE(verifier.cleartext() != nullptr);
    CHECK(verifier.cleartext()->reveal() == "tanstaaftanstaaf");
    CHECK(verifier.iterations() == 0);
}

TEST_CASE("verifier: what hash_password prints is read, and never the same twice") {
    const Secret password("p\xc3\xa4ssword $ with a dollar");
    const std::string text = hash_password(password, least_iterations);
    CHECK(text.starts_with("$scram-sha-256$4096$"));
    CHECK(text != hash_password(password, least_iterations));
    const auto verifier = Verifier::parse(text);
    REQUIRE(verifier.has_value());
    CHECK(verifier->matches(password.reveal()));
    CHECK_FALSE(verifier->matches("password"));
    CHECK(verifier->hashed()->salt.size() == default_salt);
    CHECK(hash_password(password).starts_with("$scram-sha-256$100000$"));
}

TEST_CASE("verifier: passlib's PBKDF2") {
    constexpr std::string_view text =
        "$pbkdf2-sha256$6400$8PHy8/T19vf4.fr7/P3./w$Su6XdgojXneiyra3.OOMs7KSirH4A3GXZHKiYm/GdsU";
    const auto verifier = Verifier::parse(text);
    REQUIRE(verifier.has_value());
    CHECK(verifier->matches("password"));
    CHECK_FALSE(verifier->matches("Password"));
    why_not(with(std::string(text), "8PHy", "8P+y"));
    why_not(std::string(text) + "=");
    why_not(std::string(text) + "$");
    why_not(with(std::string(text), "$6400$", "$640$"));
}

TEST_CASE("verifier: bounds") {
    const std::string good(pencil);
    for (const std::string_view number : {"4096", "10000000"})
        CHECK(Verifier::parse(with(good, "4096", number)).has_value());
    for (const std::string_view number : {"4095", "10000001", "99999999999999999999", "0", "-1",
                                          "+4096", "04096", " 4096", "4096 ", "0x1000", ""})
        CHECK(has(why_not(with(good, "4096", number)), "4096 to 10000000"));
    for (const std::size_t size : {8U, 64U})
        CHECK(Verifier::parse(with(good, "W22ZaJ0SNY7soEsUEjb6gQ==",
                                   smtp::base64_encode(std::string(size, 's'))))
                  .has_value());
    for (const std::size_t size : {0U, 7U, 65U})
        CHECK(has(why_not(with(good, "W22ZaJ0SNY7soEsUEjb6gQ==",
                               smtp::base64_encode(std::string(size, 's')))),
                  "salt is not 8 to 64"));
}

TEST_CASE("verifier: what is not a hash says why, and is not repeated") {
    const std::string good(pencil);
    CHECK(has(why_not(""), "does not begin with $scram-sha-256$"));
    CHECK(has(why_not("hunter2"), "does not begin with $scram-sha-256$"));
    CHECK_FALSE(has(why_not("hunter2"), "hunter2"));
    CHECK_FALSE(has(why_not("$hunter2"), "hunter2"));
    CHECK(has(why_not("$6$salt$hash"), "neither"));
    CHECK(has(why_not("$"), "neither"));
    CHECK(has(why_not("$scram-sha-256"), "a part is missing"));
    CHECK(has(why_not("$scram-sha-256$$$$"), "iterations"));
    CHECK(has(why_not(good + "$"), "one is too many"));
    CHECK(has(why_not(good + "\n"), "ServerKey is not base64"));
    CHECK(has(why_not(with(good, "W22Z", "W2.Z")), "salt is not base64"));
    CHECK(has(why_not(with(good, "$WG5d", "$")), "StoredKey is not 32 octets"));
    CHECK(has(why_not(with(good, "$wfPL", "$")), "ServerKey is not 32 octets"));
    CHECK(has(why_not(with(good, "$wfPL", "$wfP")), "ServerKey is not base64"));
    CHECK(has(why_not(with(good, "scram", "SCRAM")), "neither"));
}
