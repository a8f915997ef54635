// Paths: what is accepted and what is left of it; what is refused, above all whatever could become
// a second line, a route, or another address at a server further on.
#include "smtp/path.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "smtp/address_literal.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;

namespace {

constexpr auto reverse = PathKind::reverse;
constexpr auto forward = PathKind::forward;

bool refused(std::string_view text, PathKind kind) {
    const auto parsed = parse_path(text, kind);
    return !parsed.has_value() && !parsed.error().reason.empty();
}

}  // namespace

TEST_CASE("path: what is accepted, and written back") {
    struct Row {
        std::string_view text, written, domain, rest;
    };
    constexpr Row rows[] = {
        {"<a@b>", "<a@b>", "b", ""},
        {"<a@b> SIZE=1  X", "<a@b>", "b", " SIZE=1  X"},
        {"<a@b>  ", "<a@b>", "b", "  "},
        {"<A.b+c=d@Example.ORG>", "<A.b+c=d@Example.ORG>", "Example.ORG", ""},
        {"<!#$&'*+-/=?^_`{|}~@b>", "<!#$&'*+-/=?^_`{|}~@b>", "b", ""},
        {"<a@my_host.local>", "<a@my_host.local>", "my_host.local", ""},
        {"<a@1-2.3>", "<a@1-2.3>", "1-2.3", ""},
        {"<\"a b\"@c>", "<\"a b\"@c>", "c", ""},
        {"<\"\"@c>", "<\"\"@c>", "c", ""},
        {"<\"a@b\"@c>", "<\"a@b\"@c>", "c", ""},
        {"<\"a\\\"\\\\b>\"@c> X", "<\"a\\\"\\\\b>\"@c>", "c", " X"},
        {"<a@[192.0.2.1]>", "<a@[192.0.2.1]>", "[192.0.2.1]", ""},
        {"<a@[IPv6:2001:db8::1]>", "<a@[IPv6:2001:db8::1]>", "[IPv6:2001:db8::1]", ""},
        {"<@x,@y.z:u@d>", "<u@d>", "d", ""},
        {"<@[192.0.2.1]:u@d>", "<u@d>", "d", ""},
        {"<jos\xc3\xa9@ex\xc3\xa4mple>", "<jos\xc3\xa9@ex\xc3\xa4mple>", "ex\xc3\xa4mple", ""},
        {"<\"\xe6\x97\xa5 \"@\xe6\x97\xa5>", "<\"\xe6\x97\xa5 \"@\xe6\x97\xa5>", "\xe6\x97\xa5",
         ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        for (const PathKind kind : {reverse, forward}) {
            const auto parsed = parse_path(row.text, kind);
            REQUIRE(parsed.has_value());
            CHECK(parsed->path.text() == row.written);
            CHECK(parsed->path.domain() == row.domain);
            CHECK(parsed->rest == row.rest);
            CHECK_FALSE(parsed->path.null());
            const bool above_ascii =
                row.written.find_first_of("\xc3\xe6") != std::string_view::npos;
            CHECK(parsed->path.needs_utf8() == above_ascii);
            // What was written back is a path, and the same one.
            const auto again = parse_path(parsed->path.text(), kind);
            REQUIRE(again.has_value());
            CHECK(again->path == parsed->path);
        }
    }
}

TEST_CASE("path: the null path is a sender only, the bare postmaster a recipient only") {
    const auto null = parse_path("<> BODY=7BIT", reverse);
    REQUIRE(null.has_value());
    CHECK(null->path.null());
    CHECK(null->path.text() == "<>");
    CHECK(null->rest == " BODY=7BIT");
    CHECK(refused("<>", forward));

    const auto postmaster = parse_path("<PostMaster>", forward);
    REQUIRE(postmaster.has_value());
    CHECK(postmaster->path.address() == "PostMaster");
    CHECK(postmaster->path.domain().empty());
    CHECK(parse_path("<postmaster@d>", forward).has_value());
    CHECK(refused("<postmaster>", reverse));
    CHECK(refused("<@a:postmaster>", forward));
    CHECK(refused("<\"postmaster\">", forward));
    CHECK(refused("<postmaste>", forward));
}

TEST_CASE("path: what is refused") {
    constexpr std::string_view rows[] = {
        // Not in brackets, or not only.
        "",
        " ",
        " <a@b>",
        "a@b",
        "<",
        "<a@b",
        "a@b>",
        "<a@b>>",
        "<<a@b>>",
        "<a@b>x",
        "<a@b>\tX",
        "\t<a@b>",
        "<a@b>SIZE=1",
        "< a@b>",
        "<a@b >",
        "Name <a@b>",
        "<Name <a@b>>",
        "< >",
        // Parts missing.
        "<a>",
        "<a@>",
        "<@b>",
        "<@>",
        "<a@b@c>",
        "<a@b,c@d>",
        "<a@b><c@d>",
        // Dots where none may be, percent hack, other characters.
        "<.a@b>",
        "<a.@b>",
        "<a..b@c>",
        "<a@.b>",
        "<a@b.>",
        "<a@b..c>",
        "<u%d2@d>",
        "<\"u%d2\"@d>",
        "<\"u\\%d2\"@d>",
        "<a b@c>",
        "<a(x)@b>",
        "<a;@b>",
        "<a:b@c>",
        "<a[@b>",
        "<a\\@b>",
        "<a@b c>",
        "<a@b/c>",
        "<a@-b>",
        "<a@b->",
        "<a@b-.c>",
        "<a@b%c>",
        "<a@b!c>",
        "<a@b:25>",
        // Quoting.
        "<\"a@b>",
        "<\"a\"b@c>",
        "<\"a\"\"b\"@c>",
        "<a\"b\"@c>",
        "<\"a\\\"@b>",
        "<\"a\\",
        "<\"a\\\xc3\xa9\"@b>",
        "<\"a\"@\"b\">",
        // Source routes that are none.
        "<@a:>",
        "<@a!u@d>",
        "<@a,:u@d>",
        "<@a,b:u@d>",
        "<@a@b:u@d>",
        "<@a:@b:u@d>",
        "<@:u@d>",
        "<@a u@d>",
        // Address literals that are none.
        "<a@[>",
        "<a@[]>",
        "<a@[192.0.2.1>",
        "<a@192.0.2.1]>",
        "<a@[192.0.2.256]>",
        "<a@[192.0.2.1]x>",
        "<a@[x]y>",
        "<a@[IPv6:]>",
        "<a@[2001:db8::1]>",
        "<a@[tag:x]>",
        // Octets that could become a line, or drive a terminal.
        "<a@b>\rRCPT TO:<x@y>",
        "<a\r@b>",
        "<a@b\r>",
        "<a@b\nX: y>",
        "<a\0@b>"sv,
        "<a@b\0>"sv,
        "<\"a\r\nb\"@c>",
        "<\"a\0b\"@c>"sv,
        "<\"a\tb\"@c>",
        "<a\x1b[2J@b>",
        "<a\x7f@b>",
        "<a@b\x1b>",
        "<\"a\x7f\"@c>",
        // UTF-8 that is none, and characters that are not to be seen.
        "<\x80@b>",
        "<a@\xff>",
        "<a\xc3@b>",
        "<\xc0\xae@b>",
        "<\xed\xa0\x80@b>",
        "<\xf4\x90\x80\x80@b>",
        "<a\xc2\x85@b>",
        "<a@b\xe2\x80\xa8>",
        "<\"\xe2\x80\xa9\"@b>",
        "<a\xe2\x80\xae@b>",
    };
    for (const std::string_view text : rows) {
        CAPTURE(text);
        CHECK(refused(text, reverse));
        CHECK(refused(text, forward));
    }
}

TEST_CASE("path: every octet in a local part, a quoted local part and a domain") {
    for (int c = 0; c < 256; ++c) {
        CAPTURE(c);
        const auto octet = static_cast<char>(c);
        const bool letter = (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
                            (octet >= '0' && octet <= '9');
        const bool graphic = c >= 0x20 && c <= 0x7E;
        const bool atom =
            letter || (graphic && "!#$&'*+-/=?^_`{|}~."sv.find(octet) != std::string::npos);
        // (A backslash makes a pair with the x after it.)
        const bool quoted = graphic && octet != '%' && octet != '"';
        const bool host = letter || octet == '-' || octet == '_' || octet == '.';
        const std::string s(1, octet);
        CHECK(parse_path("<x" + s + "x@b>", reverse).has_value() == atom);
        CHECK(parse_path("<\"x" + s + "x\"@b>", reverse).has_value() == quoted);
        CHECK(parse_path("<\"x\\" + s + "x\"@b>", reverse).has_value() ==
              (graphic && octet != '%'));
        CHECK(parse_path("<a@x" + s + "x>", reverse).has_value() == host);
    }
}

TEST_CASE("path: the limits of RFC 5321 4.5.3.1") {
    const auto path = [](std::size_t local, std::size_t labels) {
        std::string text = "<" + std::string(local, 'l') + "@d";
        for (std::size_t i = 0; i < labels; ++i) text += "." + std::string(9, 'd');
        return text + ">";
    };
    CHECK(parse_path(path(limits::local_part, 3), forward).has_value());
    CHECK(refused(path(limits::local_part + 1, 3), forward));
    const std::string quoted(limits::local_part - 1, 'q');
    CHECK(refused("<\"" + quoted + "\"@d>", forward));
    CHECK(parse_path("<\"" + quoted.substr(1) + "\"@d>", forward).has_value());

    CHECK(parse_path("<a@" + std::string(63, 'd') + ">", forward).has_value());
    CHECK(refused("<a@" + std::string(64, 'd') + ">", forward));

    // "<aa@d" + 25 * 10 + ">" is 256 octets.
    CHECK(parse_path(path(2, 25), forward).has_value());
    CHECK(refused(path(3, 25), forward));
    CHECK(refused(path(1, 26), forward));
    std::string domain = "d";
    for (int i = 0; i < 127; ++i) domain += ".d";
    CHECK(parse_path("<@" + domain + ":u@d>", forward).has_value());
    CHECK(refused("<@" + domain + "d:u@d>", forward));
    // A route does not count once it is gone.
    CHECK(parse_path("<@x,@y:" + path(2, 25).substr(1), forward).has_value());
}

TEST_CASE("path: the reason quotes nothing of what was sent") {
    const auto parsed = parse_path("<evil\x1b@b>", forward);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().reason.find("evil") == std::string::npos);
    CHECK(parsed.error().reason.find('\x1b') == std::string::npos);
}

TEST_CASE("path: the reason is the one that its owner can do something about") {
    const auto reason = [](std::string_view text) {
        const auto parsed = parse_path(text, forward);
        return parsed ? std::string() : parsed.error().reason;
    };
    CHECK(reason("<a>") == "the address has no domain");
    CHECK(reason("<a") == "the address has no domain");
    CHECK(reason("<u%d2@d>") == "the local part is not valid");
    CHECK(reason("<Name a@b>") == "the local part is not valid");
    CHECK(reason("<\"a\"b@c>") == "the local part is not valid");
    CHECK(reason("<.a@b>") == "the local part is not valid");
    CHECK(reason("<a@b c>") == "the address does not end in an angle bracket");
    CHECK(reason("a@b") == "the address is not in angle brackets");
}

TEST_CASE("path: address literals") {
    constexpr std::string_view good[] = {
        "0.0.0.0",
        "255.255.255.255",
        "1.02.003.4",
        "IPv6:::",
        "IPv6:::1",
        "ipv6:1::",
        "IPv6:1:2:3:4:5:6:7:8",
        "IPv6:1:2:3:4:5:6:1.2.3.4",
        "IPv6:::ffff:1.2.3.4",
        "IPv6:::1.2.3.4",
        "IPv6:1:2:3:4:5:6:7::",
        "IPv6:::2:3:4:5:6:7:8",
        "IPv6:abCD:0001::f",
        "IPv6:1::3:4:5:6:7:8",
    };
    constexpr std::string_view bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "1.2.3.256",
        "1.2.3.0004",
        "1.2.3.4 ",
        "a.b.c.d",
        "IPv6:",
        "IPv6::",
        "IPv6:::::",
        "IPv6:1",
        "IPv6:1:2:3:4:5:6:7",
        "IPv6:1:2:3:4:5:6:7:8:9",
        "IPv6:1:2:3:4:5:6:7:8::",
        "IPv6:::1:2:3:4:5:6:7:8",
        "IPv6:1::2::3",
        "IPv6:1:::2",
        "IPv6:12345::",
        "IPv6:g::",
        "IPv6:1:2:3:4:5:6:7:",
        "IPv6::1:2:3:4:5:6:7",
        "IPv6:1:2:3:4:5:6:7:1.2.3.4",
        "IPv6:1.2.3.4",
        "IPv6:1.2.3.4::",
        "IPv6:1:1.2.3.4:2::",
        "IPv6:fe80::1%eth0",
        "IPv6: ::1",
        "IPv4:1.2.3.4",
        "2001:db8::1",
    };
    for (const std::string_view text : good) {
        CAPTURE(text);
        CHECK(valid_address_literal(text));
    }
    for (const std::string_view text : bad) {
        CAPTURE(text);
        CHECK_FALSE(valid_address_literal(text));
    }
}
