// Base64: what is canonical is read, everything else is refused.
#include "base/base64.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace waxseal;
using namespace std::literals;

TEST_CASE("base64: the vectors of RFC 4648 10") {
    struct Row {
        std::string_view octets, text;
    };
    constexpr Row rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\0u\0p"sv, "AHUAcA=="},
        {"\xff\xef\xbe"sv, "/+++"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(base64_encode(row.octets) == row.text);
        CHECK(base64_decode(row.text) == row.octets);
    }
}

TEST_CASE("base64: every length and every octet there and back") {
    std::string octets;
    for (int i = 0; i < 520; ++i) {
        const std::string text = base64_encode(octets);
        CHECK(text.size() == (octets.size() + 2) / 3 * 4);
        CHECK(base64_decode(text) == octets);
        octets += static_cast<char>(i * 7);
    }
}

TEST_CASE("base64: what RFC 4954 4 wants rejected") {
    constexpr std::string_view refused[] = {
        "=",
        "==",
        "====",
        "A",
        "AA",
        "AAA",
        "AAAAA",
        "=AAA",
        "A=AA",
        "AA=A",
        "AAA=BBB",
        "AAA=BBBB",
        "AA==BBBB",
        "A===",
        "AAAA====",
        "AAA==",
        "AA===",
        "dGVzdA",
        "dGVzdA=",
        "dGVzdA===",
        "dGVzdA== ",
        " dGVzdA==",
        "dGVz dA==",
        "dGVz\r\ndA==",
        "dGVzdA==\n",
        "dGVzdA==\r\n",
        "dGVz\ndA==",
        "dGVzdA\0="sv,
        "dGVz_A==",
        "dGVz-A==",
        "dGVz.A==",
        "*",
        "****",
        "dGV*",
        "\x80\x80\x80\x80",
        "AAA\xff",
        "QR==",
        "QUF=",
        "Zh==",
        "Zm9=",
    };
    for (const std::string_view text : refused) {
        CAPTURE(text);
        CHECK_FALSE(base64_decode(text).has_value());
    }
}

TEST_CASE("base64: only the alphabet is taken, at each place of a quartet") {
    for (int c = 0; c < 256; ++c) {
        const auto octet = static_cast<char>(c);
        const bool in_alphabet = (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') ||
                                 (octet >= '0' && octet <= '9') || octet == '+' || octet == '/';
        CAPTURE(c);
        for (std::size_t place = 0; place < 4; ++place) {
            std::string text = "AAAABBBB";
            text[place] = octet;
            CHECK(base64_decode(text).has_value() == in_alphabet);
        }
    }
}
