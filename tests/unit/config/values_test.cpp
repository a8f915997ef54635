// The words of the language on their own: durations, sizes, addresses, networks, names; and deep
// nesting.
#include "config/values.hpp"

#include <limits>

#include "config/nesting.hpp"
#include "config/problems.hpp"
#include "support.hpp"

using namespace waxseal::config;
using namespace std::chrono_literals;

TEST_CASE("durations") {
    CHECK(parse_duration("500ms") == 500ms);
    CHECK(parse_duration("30s") == 30s);
    CHECK(parse_duration("5m") == 5min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration(" 10 s ") == 10s);
    CHECK(parse_duration("0s") == 0s);
    for (const char* bad : {"", "s", "10", "1.5s", "-1s", "+1s", "1d", "1min", "1m30s", "5M",
                            "9223372036854775807h", "99999999999999999999s", "1s\n", "0x1s"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_duration(bad));
    }
}

TEST_CASE("sizes") {
    CHECK(parse_size("4096") == 4096);
    CHECK(parse_size("1B") == 1);
    CHECK(parse_size("64KiB") == 65536);
    CHECK(parse_size("50MiB") == 50ULL * 1024 * 1024);
    CHECK(parse_size("2GiB") == 2ULL << 30);
    CHECK(parse_size("35MB") == 35'000'000);
    CHECK(parse_size("1GB") == 1'000'000'000);
    CHECK(parse_size("10KB") == 10'000);
    CHECK(parse_size("10kB") == 10'000);
    CHECK(parse_size("50 MiB") == 50ULL * 1024 * 1024);
    for (const char* bad : {"", "MiB", "50M", "50mib", "-1", "1.5GiB", "9223372036854775808",
                            "9007199254740992GiB"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_size(bad));
    }
    CHECK(parse_size("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("addresses to listen on") {
    CHECK(parse_listen_address("127.0.0.1:2525") == Endpoint{"127.0.0.1", 2525});
    CHECK(parse_listen_address("[::1]:25") == Endpoint{"::1", 25});
    CHECK(parse_listen_address(":2525") == Endpoint{"::", 2525});
    CHECK(parse_listen_address("*:2525") == Endpoint{"::", 2525});
    CHECK(parse_listen_address("localhost:25") == Endpoint{"127.0.0.1", 25});
    CHECK(parse_listen_address("LOCALHOST:25") == Endpoint{"127.0.0.1", 25});
    CHECK(parse_listen_address("127.0.0.1:0") == Endpoint{"127.0.0.1", 0});
    for (const char* bad : {"", ":", "25", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                            "127.0.0.1:-1", "127.0.0.1:+1", "a.example:25", "::1:25", "[::1]",
                            "[]:25", "[::1:25", "[::1]:25:26", "127.1:25", "[:25"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_listen_address(bad));
    }
}

TEST_CASE("addresses and URLs of upstreams") {
    CHECK(parse_upstream_address("a.example:465") == Endpoint{"a.example", 465});
    CHECK(parse_upstream_address("a.example.:465") == Endpoint{"a.example", 465});
    CHECK(parse_upstream_address("[2001:db8::1]:465") == Endpoint{"2001:db8::1", 465});
    CHECK(parse_upstream_address("192.0.2.1:465") == Endpoint{"192.0.2.1", 465});
    CHECK(parse_upstream_address("my_smtp:25") == Endpoint{"my_smtp", 25});
    const auto url = [](std::string_view text) {
        const auto parsed = parse_upstream_url(text);
        REQUIRE(parsed);
        return to_string(parsed->address) +
               (parsed->tls == UpstreamTls::implicit ? " implicit" : " starttls");
    };
    CHECK(url("smtps://a.example") == "a.example:465 implicit");
    CHECK(url("smtps://a.example:4650/") == "a.example:4650 implicit");
    CHECK(url("smtp://a.example") == "a.example:587 starttls");
    CHECK(url("SMTP://a.example:25") == "a.example:25 starttls");
    CHECK(url("smtps://[2001:db8::1]") == "[2001:db8::1]:465 implicit");
    CHECK(url("smtps://[2001:db8::1]:466") == "[2001:db8::1]:466 implicit");
}

TEST_CASE("host names") {
    const std::string label(63, 'a');
    for (const std::string& name :
         {std::string("a"), std::string("a-b.example"), std::string("1.example"),
          std::string("xn--gre-ioa.example"), label + ".example"}) {
        CAPTURE(name);
        CHECK(valid_hostname(name));
    }
    const std::string long_name = label + '.' + label + '.' + label + '.' + label;
    for (const std::string& name :
         {std::string(), std::string("."), std::string("a."), std::string(".a"),
          std::string("a..b"), std::string("-a"), std::string("a-"), std::string("a_b"),
          std::string("a b"), std::string("a\r\nb"), std::string("10.0.0.1"),
          std::string("10.0.0.256"), std::string("ü.example"), label + 'a', long_name}) {
        CAPTURE(name);
        CHECK_FALSE(valid_hostname(name));
    }
}

TEST_CASE("networks") {
    const auto in = [](std::string_view network, std::string_view address) {
        return read_network(network)->contains(*parse_ip(address));
    };
    CHECK(in("192.168.1.0/24", "192.168.1.255"));
    CHECK_FALSE(in("192.168.1.0/24", "192.168.2.0"));
    CHECK(in("192.168.1.0/24", "::ffff:192.168.1.7"));
    CHECK(in("192.0.2.7", "192.0.2.7"));
    CHECK_FALSE(in("192.0.2.7", "192.0.2.6"));
    CHECK(in("10.0.0.0/9", "10.127.255.255"));
    CHECK_FALSE(in("10.0.0.0/9", "10.128.0.0"));
    CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
    CHECK(in("0.0.0.0/0", "255.255.255.255"));
    CHECK_FALSE(in("0.0.0.0/0", "2001:db8::1"));
    CHECK(in("::/0", "2001:db8::1"));
    // All of IPv6 is nothing of IPv4.
    CHECK_FALSE(in("::/0", "192.0.2.1"));
    CHECK(in("::ffff:10.0.0.0/104", "10.1.2.3"));
    for (const char* bad :
         {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10/8", "10.0.0.0/8/8",
          "10.0.0.0/-1", "10.0.0.0/ 8", "localhost", "fe80::1%eth0"}) {
        CAPTURE(bad);
        CHECK_FALSE(read_network(bad));
        CHECK_FALSE(parse_network(bad));
    }
}

TEST_CASE("who is everyone, and what is loopback") {
    for (const char* wide : {"0.0.0.0/0", "128.0.0.0/1", "8.0.0.0/7", "::/0", "2000::/3"})
        CHECK(everyone(*read_network(wide)));
    for (const char* narrow :
         {"10.0.0.0/8", "192.168.0.0/16", "fc00::/7", "::1", "2001:db8::/32"}) {
        CHECK_FALSE(everyone(*read_network(narrow)));
    }
    CHECK(loopback("127.0.0.1"));
    CHECK(loopback("127.255.0.1"));
    CHECK(loopback("::1"));
    CHECK(loopback("::ffff:127.0.0.1"));
    CHECK_FALSE(loopback("::"));
    CHECK_FALSE(loopback("0.0.0.0"));
    CHECK_FALSE(loopback("128.0.0.1"));
}

TEST_CASE("nesting that no configuration has is refused before anything recurses over it") {
    std::string dots = "a";
    std::string brackets = "x = ";
    for (int i = 0; i < 100'000; ++i) {
        dots += ".a";
        brackets += '[';
    }
    CHECK(said(load_string("\n" + dots + " = 1\n")) ==
          Lines{"f:2:34: a key of more than 16 parts; no key here has more than two"});
    CHECK(said(load_string("[" + dots + "]\n"))[0].starts_with(
        "f:1:35: a key of more than 16 parts"));
    CHECK(said(load_string(brackets))[0] ==
          "f:1:21: brackets nested more than 16 deep; a list of texts is all that is needed");
    // One level a line, each within the limits of its line.
    std::string stairs;
    for (int i = 0; i < 10'000; ++i) stairs += "[\n{a.b.c.d = ";
    CHECK(said(load_string("x = " + stairs))[0].contains("brackets nested more than 16 deep"));
}

TEST_CASE("dots and brackets in texts and comments are no nesting") {
    const std::string many(50, '.');
    const std::string open(50, '[');
    for (const std::string& text :
         {"x = \"" + many + open + "\\\"" + many + open + "\"", "x = '" + many + open + "\\'",
          "# " + many + open, "x = \"\"\"" + many + "\n\"" + open + "\\\"\"\"\"",
          "x = '''" + many + "\n''" + open + "'''''", "x = \"\" # " + many,
          std::string("x = [\n\"a.b\",\n\"c.d\",\n]\ny.z = 1.5")}) {
        CAPTURE(text);
        CHECK_FALSE(excessive_nesting(text));
    }
    // And behind a text it goes on counting.
    CHECK(excessive_nesting("x = \"a\\\\\"\n" + open));
    CHECK(excessive_nesting("x = '''a'''''\n" + open));
    CHECK(excessive_nesting("\"a\".\"b\"" + [] {
        std::string parts;
        for (int i = 0; i < 20; ++i) parts += ".'c'";
        return parts;
    }()));
}

TEST_CASE("a problem is one line, whatever is in it") {
    const Problem problem{"a\nb", 1, 2, "c\x1b[2J\r\nd", false};
    CHECK(problem.to_string() == "a\\x0ab:1:2: c\\x1b[2J\\x0d\\x0ad");
    CHECK(Problem{"--listen", 0, 0, "x", true}.to_string() == "--listen: warning: x");
    CHECK(quote(std::string(100, 'x')) == '"' + std::string(64, 'x') + "…\"");
    CHECK(quote(std::string(63, 'x') + "üü") == '"' + std::string(63, 'x') + "…\"");
}
