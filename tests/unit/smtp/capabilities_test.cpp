// Capabilities: only what is on the list is read from an upstream, only what both can honour is
// offered to a downstream, and what is written is what is held.
#include "smtp/capabilities.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace waxseal::smtp;
using Lines = std::vector<std::string>;

namespace {

Capabilities ehlo(Lines lines) {
    lines.insert(lines.begin(), "mx.example.com at your service, SIZE 5");
    return parse_ehlo({250, {}, std::move(lines)});
}

bool only(const Capabilities& capabilities, Extension extension) {
    return capabilities.extensions == static_cast<std::uint32_t>(extension);
}

bool mentions(const Reply& reply, std::string_view word) {
    return std::any_of(reply.lines.begin(), reply.lines.end(), [word](const std::string& line) {
        return line.find(word) != std::string::npos;
    });
}

}  // namespace

TEST_CASE("capabilities: each extension is read, in any case, and the first line is not") {
    CHECK(ehlo({}) == Capabilities{});
    CHECK(parse_ehlo({250, {}, {"PIPELINING"}}) == Capabilities{});
    CHECK(parse_ehlo({250, {}, {}}) == Capabilities{});
    CHECK(only(ehlo({"PIPELINING"}), Extension::pipelining));
    CHECK(only(ehlo({"Size"}), Extension::size));
    CHECK(only(ehlo({"8bitmime"}), Extension::eight_bit_mime));
    CHECK(only(ehlo({"SMTPUTF8"}), Extension::smtputf8));
    CHECK(only(ehlo({"DSN"}), Extension::dsn));
    CHECK(only(ehlo({"EnhancedStatusCodes"}), Extension::enhanced_status_codes));
    CHECK(only(ehlo({"LIMITS"}), Extension::limits));
    CHECK(only(ehlo({"starttls"}), Extension::starttls));
    CHECK(only(ehlo({"AUTH"}), Extension::auth));
    CHECK(only(ehlo({"CHUNKING"}), Extension::chunking));
    CHECK(only(ehlo({"  DSN  x "}), Extension::dsn));
}

TEST_CASE("capabilities: whatever else is offered does not exist") {
    CHECK(ehlo({"XFORWARD NAME",
                "BURL imap",
                "ETRN",
                "TURN",
                "VRFY",
                "HELP",
                "BINARYMIME",
                "PIPE_CONNECT",
                "REQUIRETLS",
                "MT-PRIORITY",
                "DELIVERBY",
                "X",
                "",
                " ",
                "PIPELININGS",
                "DSNX",
                "SIZ",
                "STARTTLS=1",
                "AUTHX PLAIN",
                "\tDSN",
                "DSN\t"}) == Capabilities{});
}

TEST_CASE("capabilities: SIZE") {
    CHECK(ehlo({"SIZE 35882577"}).size_limit == 35882577);
    for (const char* line : {"SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 1k", "SIZE 0x10",
                             "SIZE 99999999999999999999999", "SIZE  "}) {
        CAPTURE(line);
        const Capabilities capabilities = ehlo({line});
        CHECK(capabilities.has(Extension::size));
        CHECK(capabilities.size_limit == 0);
    }
    CHECK(ehlo({"SIZE 1000", "SIZE", "SIZE 2000"}).size_limit == 1000);
}

TEST_CASE("capabilities: AUTH") {
    CHECK(ehlo({"AUTH PLAIN login", "AUTH LOGIN  Cram-Md5"}).auth_mechanisms ==
          Lines{"PLAIN", "LOGIN", "CRAM-MD5"});
    CHECK(ehlo({"AUTH PLAIN", "AUTH=LOGIN PLAIN"}).auth_mechanisms == Lines{"PLAIN"});
    CHECK(ehlo({"AUTH=LOGIN PLAIN"}) == Capabilities{});
    CHECK(ehlo({"AUTH PL\x1b[2JAIN a.b =LOGIN ABCDEFGHIJKLMNOPQRSTU X_1"}).auth_mechanisms ==
          Lines{"X_1"});
}

TEST_CASE("capabilities: XCLIENT is noted, and never offered on") {
    const Capabilities upstream = ehlo({"xclient NAME ADDR PORT PROTO HELO LOGIN"});
    CHECK(upstream.xclient == 0x0F);
    CHECK(upstream.extensions == 0);
    CHECK(ehlo({"XCLIENT"}) == Capabilities{});
    CHECK(ehlo({"XCLIENTX ADDR"}) == Capabilities{});
    CHECK(translate({}, &upstream).xclient == 0);
    CHECK_FALSE(mentions(write_ehlo("mx", translate({}, &upstream)), "XCLIENT"));
    CHECK_FALSE(mentions(write_ehlo("mx", upstream), "XCLIENT"));
}

TEST_CASE("capabilities: LIMITS") {
    CHECK(ehlo({"LIMITS MAILMAX=5 rcptmax=100 RCPTDOMAINMAX=1"}).limits == MailLimits{5, 100});
    CHECK(ehlo({"LIMITS RCPTMAX=999999"}).limits == MailLimits{{}, 999999});
    CHECK(ehlo({"LIMITS MAILMAX=0 RCPTMAX=01"}).limits == MailLimits{});
    CHECK(ehlo({"LIMITS MAILMAX= RCPTMAX=1000000"}).limits == MailLimits{});
    CHECK(ehlo({"LIMITS MAILMAX RCPTMAX=-1 X=5 =5 RCPTMAX=1x"}).limits == MailLimits{});
}

TEST_CASE("capabilities: translated without an upstream") {
    const Capabilities offer = translate({1000, 50}, nullptr);
    CHECK(write_ehlo("wax.example", offer).lines == Lines{"wax.example", "PIPELINING", "SIZE 1000",
                                                          "ENHANCEDSTATUSCODES",
                                                          "LIMITS RCPTMAX=50"});
    CHECK(write_ehlo("w", translate({0, 0}, nullptr)).lines ==
          Lines{"w", "PIPELINING", "SIZE", "ENHANCEDSTATUSCODES"});
    CHECK(translate({1, 5000000}, nullptr).limits.rcpt_max == 999999);
}

TEST_CASE("capabilities: translated, nothing travels that waxseal does not vouch for") {
    const Capabilities upstream =
        ehlo({"PIPELINING", "SIZE 500", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
              "STARTTLS", "AUTH PLAIN XOAUTH2", "CHUNKING", "BINARYMIME", "XCLIENT", "VRFY",
              "LIMITS MAILMAX=1 RCPTMAX=10"});
    const Reply reply = write_ehlo("wax.example", translate({1000, 50}, &upstream));
    CHECK(reply.code == 250);
    CHECK_FALSE(reply.enhanced.has_value());
    CHECK(reply.lines == Lines{"wax.example", "PIPELINING", "SIZE 500", "ENHANCEDSTATUSCODES",
                               "8BITMIME", "SMTPUTF8", "DSN", "LIMITS RCPTMAX=10"});
    for (const char* word : {"STARTTLS", "AUTH", "CHUNKING", "BINARYMIME", "XCLIENT", "MAILMAX"})
        CHECK_FALSE(mentions(reply, word));
}

TEST_CASE("capabilities: translated, the smaller limit counts and none is no limit") {
    const Capabilities none = ehlo({"SIZE"});
    CHECK(translate({1000, 50}, &none).size_limit == 1000);
    CHECK(translate({0, 0}, &none).size_limit == 0);
    const Capabilities less = ehlo({"SIZE 10", "LIMITS RCPTMAX=5"});
    CHECK(translate({1000, 50}, &less).size_limit == 10);
    CHECK(translate({0, 0}, &less).size_limit == 10);
    CHECK(translate({0, 0}, &less).limits == MailLimits{{}, 5});
    const Capabilities more = ehlo({"SIZE 5000", "LIMITS RCPTMAX=500"});
    CHECK(translate({1000, 50}, &more).size_limit == 1000);
    CHECK(translate({1000, 50}, &more).limits == MailLimits{{}, 50});
}

TEST_CASE("capabilities: 8BITMIME, SMTPUTF8 and DSN each depend on the upstream alone") {
    for (const char* name : {"8BITMIME", "SMTPUTF8", "DSN"}) {
        const Capabilities with = ehlo({name});
        CHECK(mentions(write_ehlo("w", translate({1, 1}, &with)), name));
        const Capabilities without = ehlo({"PIPELINING"});
        CHECK_FALSE(mentions(write_ehlo("w", translate({1, 1}, &without)), name));
    }
}

TEST_CASE("capabilities: what is written is read as the same") {
    const Capabilities all =
        ehlo({"PIPELINING", "SIZE 500", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
              "STARTTLS", "AUTH PLAIN LOGIN", "CHUNKING", "LIMITS MAILMAX=1 RCPTMAX=10"});
    CHECK(parse_ehlo(write_ehlo("w", all)) == all);
    CHECK(write_ehlo("w", all).lines.size() == 11);
}

TEST_CASE("capabilities: an AUTH or LIMITS line with nothing in it is not written") {
    Capabilities offer;
    offer.add(Extension::auth);
    offer.add(Extension::limits);
    CHECK(write_ehlo("w", offer).lines == Lines{"w"});
    offer.auth_mechanisms = {"PLAIN", "LOGIN"};
    CHECK(write_ehlo("w", offer).lines == Lines{"w", "AUTH PLAIN LOGIN"});
    offer.remove(Extension::auth);
    CHECK(write_ehlo("w", offer).lines == Lines{"w"});
}
