// Users: where they may come from, and which reverse-paths are theirs.
#include "auth/users.hpp"

#include <doctest/doctest.h>

#include "support.hpp"

using namespace waxseal;
using namespace waxseal::auth;
using namespace waxseal::auth::test;

namespace {

User sending(std::initializer_list<std::string_view> patterns) {
    User user = cleartext("printer", "p");
    for (const std::string_view pattern : patterns) {
        auto parsed = AddressPattern::parse(pattern);
        REQUIRE(parsed.has_value());
        user.senders.push_back(*std::move(parsed));
    }
    return user;
}

bool may_send(std::initializer_list<std::string_view> patterns, std::string_view path) {
    return sending(patterns).may_send(smtp::parse_path(path, smtp::PathKind::reverse)->path);
}

}  // namespace

TEST_CASE("senders: without patterns anything; the null reverse-path where it is named") {
    CHECK(may_send({}, "<anybody@example.net>"));
    CHECK(may_send({}, "<>"));
    CHECK_FALSE(may_send({"scan@example.com"}, "<>"));
    CHECK(may_send({"scan@example.com", "<>"}, "<>"));
    CHECK_FALSE(may_send({"<>"}, "<scan@example.com>"));
    CHECK(may_send({"scan@example.com"}, "<scan@EXAMPLE.com>"));
    CHECK_FALSE(may_send({"scan@example.com"}, "<x@example.com>"));
    CHECK(may_send({"a@x.example", "@y.example"}, "<b@y.example>"));
    CHECK_FALSE(may_send({"a@x.example", "@y.example"}, "<b@x.example>"));
}

TEST_CASE("users: where they may come from") {
    User user = cleartext("printer", "p");
    CHECK(user.allowed_from(*parse_ip("203.0.113.9")));
    user.allow = {*parse_network("192.0.2.0/24"), *parse_network("2001:db8::/32")};
    CHECK(user.allowed_from(*parse_ip("192.0.2.200")));
    CHECK(user.allowed_from(*parse_ip("2001:db8::1")));
    CHECK_FALSE(user.allowed_from(*parse_ip("203.0.113.9")));
    CHECK_FALSE(user.allowed_from(*parse_ip("2001:db9::1")));
}

TEST_CASE("users: found by their exact name; of two the first stands") {
    const auto list = users(cleartext("a", "one"), cleartext("b", "two"), cleartext("a", "three"));
    CHECK(list->all().size() == 2);
    REQUIRE(list->find("a") != nullptr);
    CHECK(list->find("a")->verifier.matches("one"));
    CHECK(list->find("b") == list->all()[1]);
    CHECK(list->find("A") == nullptr);
    CHECK(list->find("") == nullptr);
    CHECK(list->find("a ") == nullptr);
}
