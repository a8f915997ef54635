// RFC 9525's rules, one row a case.
#include "tls/names.hpp"

#include <doctest/doctest.h>

using namespace waxseal::tls;

TEST_CASE("DNS names match label by label, a wildcard is the whole left-most one") {
    struct Row {
        const char* wanted;
        const char* presented;
        bool match;
    };
    constexpr Row rows[] = {
        {"mail.example.org", "mail.example.org", true},
        {"mail.example.org", "MAIL.Example.Org", true},
        {"mail.example.org", "mail.example.org.", true},
        {"mail.example.org", "mail.example.orgx", false},
        {"mail.example.org", "xmail.example.org", false},
        {"mail.example.org", "example.org", false},
        {"mail.example.org", ".example.org", false},
        {"mail.example.org", "", false},
        {"mail.example.org", ".", false},
        {"mail.example.org", "*.example.org", true},
        {"mail.example.org", "*.EXAMPLE.org", true},
        {"mail.example.org", "*.example.org.", true},
        {"a.mail.example.org", "*.example.org", false},
        {"example.org", "*.example.org", false},
        {"example.org", "*.org", false},
        {"localhost", "*", false},
        {"localhost", "*.", false},
        {"localhost", "localhost", true},
        {"mail.example.org", "*", false},
        {"mail.example.org", "*.*", false},
        {"mail.example.org", "*.*.org", false},
        {"mail.example.org", "**.example.org", false},
        {"mail.example.org", "m*.example.org", false},
        {"mail.example.org", "*il.example.org", false},
        {"mail.example.org", "m*l.example.org", false},
        {"mail.example.org", "mail.*.org", false},
        {"mail.example.org", "mail.example.*", false},
        {"xn--bcher-kva.example.org", "*.example.org", true},
        {"xn--bcher-kva.example.org", "xn--*.example.org", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.wanted);
        CAPTURE(row.presented);
        CHECK(dns_name_matches(row.wanted, row.presented) == row.match);
    }
    using std::string_view_literals::operator""sv;
    CHECK_FALSE(dns_name_matches("mail.example.org", "mail.example.org\0"sv));
    CHECK_FALSE(dns_name_matches("mail.example.org", "mail.example.org\0.evil.example"sv));
}

TEST_CASE("what is asked for is normalised or refused") {
    struct Row {
        const char* name;
        const char* text;  // null: refused
        bool address;
    };
    constexpr Row rows[] = {
        {"Mail.Example.ORG", "mail.example.org", false},
        {"mail.example.org.", "mail.example.org", false},
        {"a_b.example", "a_b.example", false},
        {"localhost", "localhost", false},
        {"1st.example", "1st.example", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"[192.0.2.1]", "192.0.2.1", true},
        {"[2001:db8::1]", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::1", true},
        {"fe80::1%eth0", "fe80::1", true},
        {"[fe80::1%25]", "fe80::1", true},
        {"", nullptr, false},
        {".", nullptr, false},
        {"..", nullptr, false},
        {"mail.example.org..", nullptr, false},
        {"mail..example.org", nullptr, false},
        {".example.org", nullptr, false},
        {"*.example.org", nullptr, false},
        {"mail.example.org:465", nullptr, false},
        {"mail example.org", nullptr, false},
        {"-mail.example.org", nullptr, false},
        {"mail-.example.org", nullptr, false},
        {"10.0.0.300", nullptr, false},
        {"127.1", nullptr, false},
        {"[::1", nullptr, false},
        {"[]", nullptr, false},
        {"::1::", nullptr, false},
        {"b\xC3\xBC"
         "cher.example",
         nullptr, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto name = reference_name(row.name);
        CHECK(name.has_value() == (row.text != nullptr));
        if (!name || row.text == nullptr) continue;
        CHECK(name->text == row.text);
        CHECK(name->is_address() == row.address);
    }
    CHECK_FALSE(reference_name(std::string_view("192.0.2.1\0x", 11)).has_value());
    const std::string label(63, 'a');
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
    CHECK(reference_name(longest).has_value());
    CHECK_FALSE(reference_name(longest + "a").has_value());
    CHECK_FALSE(reference_name(std::string(64, 'a') + ".example").has_value());
    CHECK(reference_name("a b\n").error().text ==
          "\"a b\\x0a\" is not a name a certificate can be checked for");
}

TEST_CASE("addresses match octet for octet, and only address entries") {
    const auto wanted = reference_name("192.0.2.1");
    REQUIRE(wanted.has_value());
    CHECK(matches(*wanted, {{}, {std::string("\xC0\0\2\1", 4)}}));
    CHECK(matches(*wanted, {{}, {"zzzz", std::string("\xC0\0\2\1", 4)}}));
    CHECK_FALSE(matches(*wanted, {{}, {std::string("\xC0\0\2\2", 4)}}));
    CHECK_FALSE(matches(*wanted, {{"192.0.2.1", "*.0.2.1"}, {}}));
    CHECK_FALSE(matches(
        *wanted, {{}, {std::string("\xC0\0\2", 3), std::string("\xC0\0\2\1\xFF\xFF\xFF\0", 8)}}));
    CHECK_FALSE(matches(*wanted, {{}, {}}));
    // And a name never matches an address entry.
    const auto name = reference_name("abcd");
    REQUIRE(name.has_value());
    CHECK_FALSE(matches(*name, {{}, {"abcd"}}));
}

TEST_CASE("addresses in words") {
    CHECK(address_text(std::string("\xC0\0\2\1", 4)) == "192.0.2.1");
    CHECK(address_text(address_octets("2001:db8::1")) == "2001:db8::1");
    CHECK(address_text("ab\xFF") == "0x6162ff");
    CHECK(address_octets("1.2.3").empty());
}
