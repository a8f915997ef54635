// PROXY headers of both versions, whole and broken, under every split.
#include "relay/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using namespace waxseal::testing;
using namespace std::string_literals;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string two(std::size_t n) { return {static_cast<char>(n / 256), static_cast<char>(n % 256)}; }

// A version 2 header with a right length.
std::string block(int command, int family, const std::string& rest) {
    return signature + static_cast<char>(command) + static_cast<char>(family) + two(rest.size()) +
           rest;
}

const std::string ipv4 = "\xc0\x00\x02\x07\xc6\x33\x64\x01"s + two(56324) + two(25);
const std::string ipv6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07" + "\x20\x01\x0d\xb8" +
                         std::string(11, '\0') + "\x01" + two(65535) + two(465);

std::string tlv(int type, const std::string& value) {
    return static_cast<char>(type) + two(value.size()) + value;
}

// The result for the whole input, after checking that no way of cutting it changes anything and
// that nothing behind the header is touched.
struct Parsed {
    ProxyHeader::Result result;
    std::size_t used = 0;
};
Parsed parse(const std::string& octets) {
    ProxyHeader whole;
    const std::size_t used = whole.receive(octets);
    CHECK(used <= octets.size());
    const auto check = [&](const Chunks& chunks) {
        ProxyHeader parser;
        std::size_t total = 0;
        for (const std::string_view piece : chunks) total += parser.receive(piece);
        CHECK(total == used);
        CHECK((parser.result() == whole.result()));
    };
    // Long ones are only cut where it matters, by octets.
    if (octets.size() <= 600) {
        for_each_split(octets, check);
    }
    return {whole.result(), used};
}

void check_source(const std::string& header, const char* ip, std::uint16_t port) {
    CAPTURE(header);
    const ProxyHeader::Header wanted{header.size(), ProxySource{*parse_ip(ip), port}};
    for (const std::string& behind : {""s, "E"s, "\x16"s, "\x16\x03\x01\x02\x00"s, header}) {
        const Parsed parsed = parse(header + behind);
        CHECK(parsed.used == header.size());
        CHECK((parsed.result == ProxyHeader::Result(wanted)));
    }
}

void check_no_source(const std::string& header) {
    CAPTURE(header);
    const ProxyHeader::Header wanted{header.size(), std::nullopt};
    for (const std::string& behind : {""s, "EHLO x\r\n"s, "\x16\x03"s}) {
        const Parsed parsed = parse(header + behind);
        CHECK(parsed.used == header.size());
        CHECK((parsed.result == ProxyHeader::Result(wanted)));
    }
}

std::string fault(const std::string& octets) {
    CAPTURE(octets);
    const auto result = parse(octets).result;
    const auto* malformed = std::get_if<ProxyHeader::Malformed>(&result);
    if (malformed == nullptr) return "not malformed";
    for (const char c : malformed->reason) CHECK((c >= ' ' && c <= '~'));
    return malformed->reason;
}

}  // namespace

TEST_CASE("version 1: the source of a connection") {
    check_source("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", "192.0.2.7", 56324);
    check_source("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255",
                 65535);
    check_source("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0);
    check_source("PROXY TCP6 2001:db8::7 2001:db8::1 1 465\r\n", "2001:db8::7", 1);
    check_source("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 465\r\n", "192.0.2.7", 1);
    // The longest of IPv6 that the specification gives: 104 octets.
    const std::string all_f = "ffff:f...f:ffff:ffff:ffff:ffff:ffff:ffff";
    const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check_source("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n", longest.c_str(),
                 65535);
    CHECK(fault("PROXY TCP6 " + all_f + " " + longest + " 65535 65535\r\n") ==
          "its PROXY line is not understood");
}

TEST_CASE("version 1: UNKNOWN, with whatever follows it up to 107 octets") {
    check_no_source("PROXY UNKNOWN\r\n");
    check_no_source("PROXY UNKNOWN \r\n");
    check_no_source("PROXY UNKNOWN 1.2.3.4 x\t\xff 1\r\n");
    const std::string longest = "PROXY UNKNOWN " + std::string(limits::proxy_line - 16, 'f');
    check_no_source(longest + "\r\n");
    CHECK(fault(longest + "f\r\n") == "its PROXY line is too long");
    CHECK(fault(longest + std::string(9000, 'f')) == "its PROXY line is too long");
    CHECK(parse(longest + std::string(9000, 'f')).used <= limits::proxy_line);
}

TEST_CASE("version 1: what is not exactly right is refused") {
    for (const char* said : {"",
                             " ",
                             "TCP4",
                             "TCP4 ",
                             "UNKNOWNX",
                             "unknown",
                             "tcp4 192.0.2.7 198.51.100.1 1 25",
                             "TCP5 192.0.2.7 198.51.100.1 1 25",
                             "UDP4 192.0.2.7 198.51.100.1 1 25",
                             " TCP4 192.0.2.7 198.51.100.1 1 25",
                             "TCP4  192.0.2.7 198.51.100.1 1 25",
                             "TCP4\t192.0.2.7 198.51.100.1 1 25",
                             "TCP4 192.0.2.7  198.51.100.1 1 25",
                             "TCP4 192.0.2.7 198.51.100.1 1 25 ",
                             "TCP4 192.0.2.7 198.51.100.1 1 25 9",
                             "TCP4 192.0.2.7 198.51.100.1 1",
                             "TCP4 192.0.2.7 198.51.100.1",
                             "TCP4 192.0.2.7",
                             "TCP4 192.0.2.07 198.51.100.1 1 25",
                             "TCP4 192.0.2 198.51.100.1 1 25",
                             "TCP4 192.0.2.256 198.51.100.1 1 25",
                             "TCP4 192.0.2.7 198.51.100.999 1 25",
                             "TCP4 0xc0000207 198.51.100.1 1 25",
                             "TCP4 3221225991 198.51.100.1 1 25",
                             "TCP4 192.0.2.7/32 198.51.100.1 1 25",
                             "TCP4 localhost 198.51.100.1 1 25",
                             "TCP4 2001:db8::7 2001:db8::1 1 25",
                             "TCP4 ::ffff:192.0.2.7 198.51.100.1 1 25",
                             "TCP6 192.0.2.7 198.51.100.1 1 25",
                             "TCP6 2001:db8::7 198.51.100.1 1 25",
                             "TCP6 [2001:db8::7] 2001:db8::1 1 25",
                             "TCP6 fe80::1%eth0 fe80::2 1 25",
                             "TCP6 2001:db8:::7 2001:db8::1 1 25",
                             "TCP4 192.0.2.7 198.51.100.1 01 25",
                             "TCP4 192.0.2.7 198.51.100.1 -1 25",
                             "TCP4 192.0.2.7 198.51.100.1 +1 25",
                             "TCP4 192.0.2.7 198.51.100.1 65536 25",
                             "TCP4 192.0.2.7 198.51.100.1 99999999999 25",
                             "TCP4 192.0.2.7 198.51.100.1 1 65536",
                             "TCP4 192.0.2.7 198.51.100.1 1x 25",
                             "TCP4 192.0.2.7 198.51.100.1  25"}) {
        CHECK(fault("PROXY "s + said + "\r\n") == "its PROXY line is not understood");
    }
    CHECK(fault("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 25\r\n"s) ==
          "its PROXY line is not understood");
}

TEST_CASE("version 1: only CRLF ends the line") {
    const std::string line = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25";
    for (const char* end : {"\n", "\r\r\n", "\r \n", "\n\r\n", "\rEHLO x\r\n"})
        CHECK(fault(line + end) == "its PROXY line does not end in CRLF");
    CHECK(fault("PROXY \n") == "its PROXY line does not end in CRLF");
}

TEST_CASE("a header that is not there is noticed at its first wrong octet") {
    const std::string none = "it does not begin with a PROXY header";
    for (const std::string& octets :
         {"EHLO printer\r\n"s, "\x16\x03\x01\x02\x00\x01"s, "proxy TCP4"s, "PROXY\tTCP4"s,
          "PROXY\r\n"s, "PRoXY"s, " PROXY TCP4 192.0.2.7 198.51.100.1 1 25\r\n"s, "\r\nPROXY "s,
          "\n"s, "\0"s, "\r\n\r\nQUIT\n"s, "\r\n\r\n\0\r\nQUIT\r"s, "\r\n\r\n\0\r\nquit\n"s,
          "GET / HTTP/1.1\r\n"s}) {
        CHECK(fault(octets) == none);
    }
    CHECK(parse("EHLO printer\r\n").used == 1);
}

TEST_CASE("version 2: the source of a connection") {
    check_source(block(0x21, 0x11, ipv4), "192.0.2.7", 56324);
    check_source(block(0x21, 0x21, ipv6), "2001:db8::7", 65535);
}

TEST_CASE("version 2: TLVs are counted and left alone") {
    const std::string tlvs = tlv(0x02, "mail.example.org") + tlv(0x04, "") + tlv(0xea, "\r\n\0x"s);
    check_source(block(0x21, 0x11, ipv4 + tlvs), "192.0.2.7", 56324);
    check_source(block(0x21, 0x21, ipv6 + tlvs), "2001:db8::7", 65535);
    const std::string room(limits::proxy_header - 16 - ipv4.size() - 3, 'x');
    const Parsed longest = parse(block(0x21, 0x11, ipv4 + tlv(0x20, room)) + "\x16");
    CHECK(longest.used == limits::proxy_header);
    CHECK(std::holds_alternative<ProxyHeader::Header>(longest.result));
    const std::string inside = "its PROXY header ends inside a TLV";
    CHECK(fault(block(0x21, 0x11, ipv4 + "\x04")) == inside);
    CHECK(fault(block(0x21, 0x11, ipv4 + "\x04\0"s)) == inside);
    CHECK(fault(block(0x21, 0x11, ipv4 + "\x04\0\x02x"s)) == inside);
    CHECK(fault(block(0x21, 0x21, ipv6 + tlvs + "\x04\xff\xff")) == inside);
}

TEST_CASE("version 2: no address in LOCAL, unspecified, datagram and unix headers") {
    check_no_source(block(0x20, 0x00, ""));
    check_no_source(block(0x20, 0x11, ipv4));
    check_no_source(block(0x20, 0xff, "whatever"));  // its family does not matter
    check_no_source(block(0x21, 0x00, ""));
    check_no_source(block(0x21, 0x00, "skipped"));
    check_no_source(block(0x21, 0x12, ipv4));
    check_no_source(block(0x21, 0x22, ipv6));
    check_no_source(block(0x21, 0x31, std::string(216, '/')));
    check_no_source(block(0x21, 0x32, std::string(216, '/') + tlv(4, "")));
}

TEST_CASE("version 2: what is not exactly right is refused as soon as it is seen") {
    for (const int other : {0x00, 0x01, 0x11, 0x31, 0xf1})
        CHECK(fault(block(other, 0x11, ipv4)) == "its PROXY header is of an unknown version");
    for (const int other : {0x22, 0x2f})
        CHECK(fault(block(other, 0x11, ipv4)) == "its PROXY header has an unknown command");
    for (const int other : {0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff})
        CHECK(fault(block(0x21, other, ipv6)) == "its PROXY header has an unknown address family");
    const std::string short_of = "its PROXY header is too short for its addresses";
    for (std::size_t n = 0; n < ipv4.size(); ++n) {
        CHECK(fault(block(0x21, 0x11, ipv4.substr(0, n))) == short_of);
        CHECK(fault(block(0x21, 0x12, ipv4.substr(0, n))) == short_of);
    }
    for (std::size_t n = 0; n < ipv6.size(); ++n)
        CHECK(fault(block(0x21, 0x21, ipv6.substr(0, n))) == short_of);
    CHECK(fault(block(0x21, 0x31, std::string(215, '/'))) == short_of);
}

TEST_CASE("version 2: the length is in network order, and bounded before anything is awaited") {
    // 12 in the order of a little machine: a header of 3072 octets that is not complete.
    const std::string swapped = signature + "\x21\x11" + std::string("\x0c\0", 2) + ipv4;
    CHECK(std::holds_alternative<ProxyHeader::NeedMore>(parse(swapped).result));
    const std::string head = signature + "\x21\x11";
    CHECK(fault(head + two(limits::proxy_header - 15)) == "its PROXY header is too long");
    CHECK(fault(head + "\xff\xff") == "its PROXY header is too long");
    CHECK(fault(signature + "\x20\x00"s + "\xff\xff") == "its PROXY header is too long");
    CHECK(std::holds_alternative<ProxyHeader::NeedMore>(
        parse(head + two(limits::proxy_header - 16)).result));
}

TEST_CASE("every beginning of a header needs more, and all of it was taken") {
    for (const std::string& header :
         {"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"s, "PROXY UNKNOWN\r\n"s,
          block(0x21, 0x11, ipv4 + tlv(4, "xx")), block(0x21, 0x21, ipv6), block(0x20, 0, "")}) {
        for (std::size_t n = 0; n < header.size(); ++n) {
            ProxyHeader parser;
            CHECK(parser.receive(std::string_view(header).substr(0, n)) == n);
            CHECK(std::holds_alternative<ProxyHeader::NeedMore>(parser.result()));
        }
    }
}
