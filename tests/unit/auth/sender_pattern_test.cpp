// Sender patterns: what each form fits, and what is none.
#include "auth/sender_pattern.hpp"

#include <doctest/doctest.h>

using namespace waxseal;
using namespace waxseal::auth;

namespace {

bool fits(std::string_view pattern, std::string_view path) {
    return SenderPattern::parse(pattern)->fits(
        smtp::parse_path(path, smtp::PathKind::reverse)->path);
}

}  // namespace

TEST_CASE("sender patterns: an address, a domain, the null reverse-path") {
    CHECK(fits("a@example.com", "<a@example.com>"));
    CHECK(fits("A@Example.COM", "<a@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<b@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<a@example.org>"));
    CHECK_FALSE(fits("a@example.com", "<aa@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<>"));
    for (const char* pattern : {"@example.com", "*@example.com", "@EXAMPLE.com"}) {
        CHECK(fits(pattern, "<a@example.com>"));
        CHECK(fits(pattern, "<b@eXample.com>"));
        CHECK(fits(pattern, "<\"x@evil.example\"@example.com>"));
        CHECK_FALSE(fits(pattern, "<a@sub.example.com>"));
        CHECK_FALSE(fits(pattern, "<a@notexample.com>"));
        CHECK_FALSE(fits(pattern, "<a@example.com.evil.example>"));
        CHECK_FALSE(fits(pattern, "<\"x@example.com\"@evil.example>"));
        CHECK_FALSE(fits(pattern, "<>"));
    }
    CHECK(fits("<>", "<>"));
    CHECK_FALSE(fits("<>", "<a@example.com>"));
}

TEST_CASE("what is no sender pattern") {
    for (const char* text : {"", "*", "@", "*@", "a", "a@", "<a@b.example>", "*.example.com", "<",
                             "a@b.example>", "a@b.example> x", "a b@c.example", "@b c.example",
                             "a@b.example\r\n", "@*", "@@b.example", "<> "}) {
        CAPTURE(text);
        CHECK_FALSE(SenderPattern::parse(text).has_value());
    }
}
