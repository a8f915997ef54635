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
        auto parsed = SenderPattern::parse(pattern);
        REQUIRE(parsed.has_value());
        user.senders.push_back(*std::move(parsed));
    }
    return user;
}

}  // namespace

TEST_CASE("senders: without patterns anything; the null reverse-path where it is named") {
    CHECK(sending({}).may_send("anybody@example.net"));
    CHECK(sending({}).may_send(""));
    CHECK_FALSE(sending({"scan@example.com"}).may_send(""));
    CHECK(sending({"scan@example.com", "<>"}).may_send(""));
    CHECK_FALSE(sending({"<>"}).may_send("scan@example.com"));
    CHECK_FALSE(sending({"<>"}).may_send("a@<>"));
    CHECK(sending({"*"}).may_send(""));
    const auto path = smtp::parse_path("<scan@EXAMPLE.com>", smtp::PathKind::reverse);
    const auto other = smtp::parse_path("<x@example.com>", smtp::PathKind::reverse);
    REQUIRE(path.has_value());
    REQUIRE(other.has_value());
    CHECK(sending({"scan@example.com"}).may_send(path->path));
    CHECK_FALSE(sending({"scan@example.com"}).may_send(other->path));
}

TEST_CASE("senders: each form of a pattern") {
    struct Row {
        std::string_view pattern, address;
        bool allowed;
    };
    constexpr Row rows[] = {
        {"*", "a@b.example", true},
        {"*", "postmaster", true},
        {"scan@example.com", "scan@example.com", true},
        {"scan@example.com", "scan@Example.COM", true},
        {"scan@example.com", "Scan@example.com", false},
        {"scan@example.com", "scan2@example.com", false},
        {"scan@example.com", "xscan@example.com", false},
        {"scan@example.com", "scan@example.com.evil.example", false},
        {"scan@example.com", "scan@evil.example", false},
        {"scan@example.com", "scan", false},
        {"@example.com", "anybody@example.com", true},
        {"@example.com", "anybody@EXAMPLE.com", true},
        {"@example.com", "anybody@sub.example.com", false},
        {"@example.com", "anybody@notexample.com", false},
        {"@example.com", "\"a@example.com\"@evil.example", false},
        {"@example.com", "\"a@evil.example\"@example.com", true},
        {"*@example.com", "anybody@example.com", true},
        {"*@example.com", "anybody@example.org", false},
        {"@[192.0.2.1]", "a@[192.0.2.1]", true},
        {"@example.com", "postmaster", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pattern);
        CAPTURE(row.address);
        CHECK(sending({row.pattern}).may_send(row.address) == row.allowed);
    }
    CHECK(sending({"a@x.example", "@y.example"}).may_send("b@y.example"));
    CHECK_FALSE(sending({"a@x.example", "@y.example"}).may_send("b@x.example"));
}

TEST_CASE("senders: what is no pattern is refused") {
    for (const std::string_view text :
         {"", "scan", "scan@", "@", "*scan@example.com", "sc*n@example.com", "@*.example.com",
          "scan@*", "**", "*@"}) {
        CAPTURE(text);
        CHECK_FALSE(SenderPattern::parse(text).has_value());
    }
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
