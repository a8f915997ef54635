// Address patterns: what each form fits, and what is none.
#include "auth/address_pattern.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace waxseal;
using namespace waxseal::auth;

namespace {

bool fits(std::string_view pattern, std::string_view path) {
    return AddressPattern::parse(pattern)->fits(
        smtp::parse_path(path, smtp::PathKind::reverse)->path);
}

}  // namespace

TEST_CASE("address patterns: an address, a domain, the null reverse-path") {
    CHECK(fits("a@example.com", "<a@example.com>"));
    CHECK(fits("A@Example.COM", "<a@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<b@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<a@example.org>"));
    CHECK_FALSE(fits("a@example.com", "<aa@example.com>"));
    CHECK_FALSE(fits("a@example.com", "<>"));
    for (const char* pattern : {"@example.com", "*@example.com", "@EXAMPLE.com"}) {
        CHECK(fits(pattern, "<a@example.com>"));
        CHECK(fits(pattern, "<b@eXample.com>"));
        CHECK(fits(pattern, "<\"x y\"@example.com>"));
        CHECK_FALSE(fits(pattern, "<\"x@evil.example\"@example.com>"));
        CHECK_FALSE(fits(pattern, "<\"evil.example!x\"@example.com>"));
        CHECK_FALSE(fits(pattern, "<evil.example!x@example.com>"));
        CHECK_FALSE(fits(pattern, "<a@sub.example.com>"));
        CHECK_FALSE(fits(pattern, "<a@notexample.com>"));
        CHECK_FALSE(fits(pattern, "<a@example.com.evil.example>"));
        CHECK_FALSE(fits(pattern, "<\"x@example.com\"@evil.example>"));
        CHECK_FALSE(fits(pattern, "<>"));
    }
    CHECK(fits("<>", "<>"));
    CHECK_FALSE(fits("<>", "<a@example.com>"));
}

TEST_CASE("what is no address pattern") {
    for (const char* text : {"", "*", "@", "*@", "a", "a@", "<a@b.example>", "*.example.com", "<",
                             "a@b.example>", "a@b.example> x", "a b@c.example", "@b c.example",
                             "a@b.example\r\n", "@*", "@@b.example", "<> "}) {
        CAPTURE(text);
        CHECK_FALSE(AddressPattern::parse(text).has_value());
    }
}

TEST_CASE("recipients: a list that allows, and what has no domain") {
    const auto to = [](std::string_view path) {
        return smtp::parse_path(path, smtp::PathKind::forward)->path;
    };
    const std::vector patterns{*AddressPattern::parse("a@b.example"),
                               *AddressPattern::parse("*@corp.example")};
    CHECK(allows(patterns, to("<a@b.example>")));
    CHECK(allows(patterns, to("<anyone@CORP.example>")));
    CHECK_FALSE(allows(patterns, to("<b@b.example>")));
    CHECK_FALSE(allows(patterns, to("<a@sub.corp.example>")));
    CHECK_FALSE(allows(patterns, to("<postmaster>")));
    // What routes onwards is not taken for the domain it is sent to first.
    CHECK_FALSE(allows(patterns, to("<\"x@corp.example\"@evil.example>")));
    CHECK_FALSE(allows(patterns, to("<\"x@evil.example\"@corp.example>")));
    CHECK_FALSE(allows(patterns, to("<evil.example!x@corp.example>")));
    CHECK(
        allows(std::vector{*AddressPattern::parse("a!b@corp.example")}, to("<a!b@corp.example>")));
    CHECK(allows(patterns, to("<@evil.example:x@corp.example>")));
    CHECK(allows({}, to("<postmaster>")));
    CHECK(allows({}, to("<x@evil.example>")));
}
