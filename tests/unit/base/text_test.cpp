// Text helpers: ASCII case without a locale, UTF-8 without mercy, and an escape that nothing gets
// through.
#include "base/text.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/number.hpp"

using namespace waxseal;
using namespace std::literals;

TEST_CASE("text: case") {
    CHECK(text::to_upper("aZ9\xe9{") == "AZ9\xe9{");
    CHECK(text::to_lower("aZ9\xc9[") == "az9\xc9[");
    CHECK(text::iequals("", ""));
    CHECK(text::iequals("EhLo", "eHlO"));
    CHECK_FALSE(text::iequals("EHLO", "EHL"));
    CHECK_FALSE(text::iequals("EHL", "EHLO"));
    CHECK_FALSE(text::iequals("[", "{"));
    CHECK_FALSE(text::iequals("@", "`"));
    CHECK_FALSE(text::iequals("k", "\xe2\x84\xaa"));  // the Kelvin sign
    CHECK(text::istarts_with("StartTLS", "STARTTLS"));
    CHECK(text::istarts_with("abc", ""));
    CHECK_FALSE(text::istarts_with("STAR", "START"));
    CHECK_FALSE(text::istarts_with("xSTART", "START"));
}

TEST_CASE("text: character classes") {
    for (int c = -128; c < 128; ++c) {
        const auto octet = static_cast<char>(c);
        CHECK(text::digit(octet) == ("0123456789"sv.find(octet) != std::string_view::npos));
        CHECK(text::alpha(octet) == (c > 0 && ((c | 0x20) >= 'a') && ((c | 0x20) <= 'z')));
        CHECK(text::alnum(octet) == (text::digit(octet) || text::alpha(octet)));
    }
}

TEST_CASE("text: trim takes spaces and tabs") {
    CHECK(text::trim(" \t a b\t ") == "a b");
    CHECK(text::trim("a") == "a");
    CHECK(text::trim(" \t").empty());
    CHECK(text::trim("").empty());
    CHECK(text::trim("\na\r") == "\na\r");
}

TEST_CASE("text: ascii") {
    CHECK(text::ascii(""));
    CHECK(text::ascii("\0a\x7f"sv));
    CHECK_FALSE(text::ascii("a\x80"));
}

TEST_CASE("text: UTF-8, the edges of RFC 3629") {
    constexpr std::string_view good[] = {
        "",
        "a",
        "\0"sv,
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xa9z",
    };
    constexpr std::string_view bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe0\xa0",
        "\xe0\xa0\x7f",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xef\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "a\xc3",
        "\xc3\xa9\xa9",
        "\xe2\x28\xa1",
        "\xe2\x82\x28",
    };
    for (const std::string_view text : good) CHECK(text::valid_utf8(text));
    for (const std::string_view text : bad) {
        CAPTURE(text);
        CHECK_FALSE(text::valid_utf8(text));
    }
}

TEST_CASE("text: UTF-8, every code point there and nothing besides") {
    for (char32_t value = 0; value < 0x110000; value += value < 0x3000 ? 1 : 251) {
        if (value >= 0xD800 && value < 0xE000) continue;
        std::string octets;
        const auto put = [&octets](char32_t octet) { octets += static_cast<char>(octet); };
        if (value < 0x80) {
            put(value);
        } else if (value < 0x800) {
            put(0xC0 | value >> 6);
            put(0x80 | (value & 0x3F));
        } else if (value < 0x10000) {
            put(0xE0 | value >> 12);
            put(0x80 | (value >> 6 & 0x3F));
            put(0x80 | (value & 0x3F));
        } else {
            put(0xF0 | value >> 18);
            put(0x80 | (value >> 12 & 0x3F));
            put(0x80 | (value >> 6 & 0x3F));
            put(0x80 | (value & 0x3F));
        }
        const auto point = text::decode_utf8(octets + "x");
        if (!point || point->value != value || point->length != octets.size())
            FAIL("decoded wrongly: " << static_cast<unsigned>(value));
    }
}

TEST_CASE("text: printable") {
    for (const char32_t value :
         {U'\0', U'\n', U'\x1f', U'\x7f', U'\x80', U'\x85', U'\x9f', U'\u061c', U'\u200e',
          U'\u200f', U'\u2028', U'\u2029', U'\u202a', U'\u202e', U'\u2066', U'\u2069'})
        CHECK_FALSE(text::printable(value));
    for (const char32_t value : {U' ', U'~', U'\xa0', U'\u061b', U'\u061d', U'\u200d', U'\u2010',
                                 U'\u2027', U'\u202f', U'\u2065', U'\u206a', U'\U0001F600'})
        CHECK(text::printable(value));
}

TEST_CASE("text: did you mean") {
    const std::vector<std::string_view> keys{"username", "password_file", "address", "auth", "tls"};
    const auto nearest = [&keys](std::string_view word) {
        return text::nearest(word, keys).value_or("-");
    };
    CHECK(nearest("usrename") == "username");   // neighbours swapped
    CHECK(nearest("user_name") == "username");  // one too many
    CHECK(nearest("adress") == "address");      // one missing
    CHECK(nearest("adresse") == "address");
    CHECK(nearest("passwordfile") == "password_file");
    CHECK(nearest("TLS") == "tls");
    CHECK(nearest("tsl") == "tls");
    CHECK(nearest("auht") == "auth");
    CHECK(nearest("au") == "-");  // two of two is too far
    CHECK(nearest("name") == "-");
    CHECK(nearest("zzzzzz") == "-");
    CHECK(nearest("") == "-");
    CHECK_FALSE(text::nearest("x", {}).has_value());
}

TEST_CASE("text: of two candidates the nearer, then the first") {
    const std::vector<std::string_view> words{"abcdefgi", "abcdefgh", "abcdefgj"};
    CHECK(text::nearest("abcdefgh", words) == "abcdefgh");
    CHECK(text::nearest("abcdefgk", words) == "abcdefgi");
}

TEST_CASE("text: escape") {
    struct Row {
        std::string_view text, escaped;
    };
    constexpr Row rows[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"caf\xc3\xa9 \xe6\x97\xa5", "caf\xc3\xa9 \xe6\x97\xa5"},
        {"\r\n2026 auth ok", "\\x0d\\x0a2026 auth ok"},
        {"a\0b"sv, "a\\x00b"},
        {"\t\x1b[2J\x07\x7f", "\\x09\\x1b[2J\\x07\\x7f"},
        {"a\\nb", "a\\\\nb"},
        {"\xc2\x85\xc2\x9b", "\\xc2\\x85\\xc2\\x9b"},
        {"\xe2\x80\xae\xe2\x80\xa8", "\\xe2\\x80\\xae\\xe2\\x80\\xa8"},
        {"\xff\xc3(\xed\xa0\x80", "\\xff\\xc3(\\xed\\xa0\\x80"},
        {"%s%n{}${jndi:x}", "%s%n{}${jndi:x}"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(text::escape(row.text) == row.escaped);
    }
}

TEST_CASE("text: an escaped text is cut between characters") {
    CHECK(text::escape("abcdef", 6) == "abcdef");
    CHECK(text::escape("abcdefg", 6) == "abcdef…");
    CHECK(text::escape("abc\n", 6) == "abc…");
    CHECK(text::escape("abc\n", 7) == "abc\\x0a");
    CHECK(text::escape("ab\xc3\xa9", 3) == "ab…");
    CHECK(text::escape("a\\", 2) == "a…");
    CHECK(text::escape(std::string(1000000, 'u')).size() == 512 + "…"sv.size());
}

TEST_CASE("text: no octet gets through an escape that could break a line or a terminal") {
    for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) {
            const std::string input{static_cast<char>(a), static_cast<char>(b), 'x'};
            const std::string escaped = text::escape(input);
            bool clean = text::valid_utf8(escaped);
            for (const char c : escaped) clean = clean && (c >= ' ' || c < 0) && c != 0x7f;
            if (!clean) FAIL("came through: " << a << ' ' << b);
        }
    }
}

TEST_CASE("text: a number is digits and nothing else, and fits") {
    CHECK(text::number<unsigned>("0") == 0U);
    CHECK(text::number<unsigned>("007") == 7U);
    CHECK(text::number<unsigned>("0660", 8) == 0660U);
    CHECK(text::number<unsigned>("fF", 16) == 0xffU);
    CHECK(text::number<std::uint16_t>("65535") == 65535U);
    for (const std::string_view wrong : {"", " ", "+1", "-1", "1 ", " 1", "1a", "0x1", "65536",
                                         "1e3", "1.0", "99999999999999999999"})
        CHECK_FALSE(text::number<std::uint16_t>(wrong).has_value());
    CHECK_FALSE(text::number<unsigned>("8", 8).has_value());
    CHECK(text::number<std::uint64_t>("18446744073709551615") == 18446744073709551615U);
    CHECK_FALSE(text::number<std::uint64_t>("18446744073709551616").has_value());
}
