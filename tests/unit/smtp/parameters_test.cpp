// ESMTP parameters: what is read from a downstream, what is refused with which code, and what is
// written for an upstream.
#include "smtp/parameters.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>

using namespace waxseal::smtp;
using namespace std::literals;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

Capabilities everything() {
    Capabilities all;
    for (const Extension extension : {Extension::size, Extension::eight_bit_mime,
                                      Extension::smtputf8, Extension::dsn, Extension::auth})
        all.add(extension);
    return all;
}

MailParameters mail(std::string_view text) {
    CAPTURE(text);
    const auto parsed = parse_mail_parameters(text);
    REQUIRE(parsed.has_value());
    return *parsed;
}

RcptParameters rcpt(std::string_view text) {
    CAPTURE(text);
    const auto parsed = parse_rcpt_parameters(text);
    REQUIRE(parsed.has_value());
    return *parsed;
}

struct Refusal {
    std::string_view text;
    int code;
};

}  // namespace

TEST_CASE("parameters: MAIL, each one read") {
    CHECK(mail("") == MailParameters{});
    CHECK(mail("   ") == MailParameters{});
    CHECK(mail(" SIZE=1000").size == 1000);
    CHECK(mail(" size=0").size == 0);
    CHECK(mail(" SIZE=18446744073709551615").size == most);
    CHECK(mail(" BODY=7BIT").body == Body::seven_bit);
    CHECK(mail(" BODY=8bitmime").body == Body::eight_bit_mime);
    CHECK(mail(" SmtpUtf8").smtputf8);
    CHECK(mail(" RET=FULL").ret == Ret::full);
    CHECK(mail(" RET=hdrs").ret == Ret::headers);
    CHECK(mail(" ENVID=QQ314159+2B").envid == "QQ314159+2B");
    CHECK(mail(" AUTH=<>").auth);
    CHECK(mail(" AUTH=e+3Dmc2@example.com").auth);
    const MailParameters all = mail("  SMTPUTF8 SIZE=5   BODY=8BITMIME RET=HDRS ENVID=x AUTH=a@b ");
    CHECK(all == MailParameters{5, Body::eight_bit_mime, Ret::headers, "x", true, true});
}

TEST_CASE("parameters: a size beyond any number is a size too large, not a syntax error") {
    CHECK(mail(" SIZE=99999999999999999999").size == most);
    CHECK(mail(" SIZE=18446744073709551616").size == most);
}

TEST_CASE("parameters: MAIL, refused") {
    const std::string many = [] {
        std::string text;
        for (int i = 0; i < 200; ++i) text += " SIZE=1";
        return text;
    }();
    const std::string long_envid = " ENVID=" + std::string(101, 'x');
    const Refusal rows[] = {
        {" SIZE", 501},
        {" SIZE=", 501},
        {" SIZE=-1", 501},
        {" SIZE=+1", 501},
        {" SIZE=0x10", 501},
        {" SIZE=1k", 501},
        {" SIZE=1=2", 501},
        {" SIZE=999999999999999999999", 501},
        {" SIZE=1 SIZE=2", 501},
        {" SIZE=1 size=1", 501},
        {" BODY", 501},
        {" BODY=X", 501},
        {" BODY=BINARYMIME", 501},
        {" BODY=7BIT BODY=7BIT", 501},
        {" SMTPUTF8=1", 501},
        {" SMTPUTF8=", 501},
        {" SMTPUTF8 SMTPUTF8", 501},
        {" RET=ALL", 501},
        {" RET", 501},
        {" ENVID=", 501},
        {" ENVID", 501},
        {" ENVID=+00", 501},
        {" ENVID=a+0Db", 501},
        {" ENVID=a+0Ab", 501},
        {" ENVID=+0d", 501},
        {" ENVID=+7F", 501},
        {" ENVID=+1B", 501},
        {" ENVID=+", 501},
        {" ENVID=+2", 501},
        {" ENVID=+G0", 501},
        {" ENVID=a=b", 501},
        {" ENVID=\xc3\xa9", 501},
        {long_envid, 501},
        {" AUTH", 501},
        {" AUTH=", 501},
        {" AUTH=+0A", 501},
        {" AUTH=+0AMAIL", 501},
        {" AUTH=a=b", 501},
        {" SIZE=1\tBODY=8BITMIME", 501},
        {" SIZE=1\r", 501},
        {" SIZE=1\n", 501},
        {" SIZE=1\0"sv, 501},
        {" \tSIZE=1", 501},
        {" =1", 501},
        {" S\x01ZE=1", 501},
        {" SIZE=1\x7f", 501},
        {"SIZE=1", 501},
        {many, 501},
        {" FOO", 555},
        {" FOO=BAR", 555},
        {" NOTIFY=NEVER", 555},
        {" ORCPT=rfc822;a@b", 555},
        {" SIZES=1", 555},
        {" SIZ=1", 555},
        {" X-Y", 555},
        {" MT-PRIORITY=9", 555},
        {" BY=1;R", 555},
        {" REQUIRETLS", 555},
        {" SIZE=1 FOO SIZE=1", 555},
    };
    for (const Refusal& row : rows) {
        CAPTURE(row.text);
        const auto parsed = parse_mail_parameters(row.text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().code == row.code);
        CHECK(parsed.error().enhanced == EnhancedCode{5, 5, 4});
    }
}

TEST_CASE("parameters: RCPT, each one read") {
    CHECK(rcpt("") == RcptParameters{});
    CHECK(rcpt(" NOTIFY=NEVER").notify == Notify{true, 0});
    CHECK(rcpt(" NOTIFY=success").notify == Notify{false, Notify::success});
    CHECK(rcpt(" NOTIFY=DELAY,Failure,DELAY").notify ==
          Notify{false, Notify::delay | Notify::failure});
    CHECK(rcpt(" ORCPT=rfc822;Bob+2B@example.com").orcpt == "rfc822;Bob+2B@example.com");
    CHECK(rcpt(" ORCPT=RFC822;a@b NOTIFY=FAILURE").orcpt == "RFC822;a@b");
    CHECK(rcpt(" ORCPT=rfc822;" + std::string(493, 'a')).orcpt.size() == 500);
}

TEST_CASE("parameters: an original recipient of another kind is checked, and dropped") {
    CHECK(rcpt(" ORCPT=x400;abc").orcpt.empty());
    CHECK(rcpt(" ORCPT=utf-8;a\\x{0A}b@c").orcpt.empty());
}

TEST_CASE("parameters: RCPT, refused") {
    const std::string long_orcpt = " ORCPT=rfc822;" + std::string(494, 'a');
    const Refusal rows[] = {
        {" NOTIFY", 501},
        {" NOTIFY=", 501},
        {" NOTIFY=X", 501},
        {" NOTIFY=NEVER,SUCCESS", 501},
        {" NOTIFY=SUCCESS,NEVER", 501},
        {" NOTIFY=SUCCESS,", 501},
        {" NOTIFY=,SUCCESS", 501},
        {" NOTIFY=SUCCESS,,DELAY", 501},
        {" NOTIFY=NEVER NOTIFY=NEVER", 501},
        {" ORCPT", 501},
        {" ORCPT=rfc822", 501},
        {" ORCPT=rfc822;", 501},
        {" ORCPT=;a", 501},
        {" ORCPT=rfc822;+0D+0A", 501},
        {" ORCPT=rfc822;a+00b", 501},
        {" ORCPT=utf-8;+0A", 501},
        {" ORCPT=utf-8;\xc3\xa9", 501},
        {" ORCPT=rfc(822;a", 501},
        {" ORCPT=rfc822;a=b", 501},
        {long_orcpt, 501},
        {" SIZE=1", 555},
        {" FOO=BAR", 555},
        {" AUTH=<>", 555},
    };
    for (const Refusal& row : rows) {
        CAPTURE(row.text);
        const auto parsed = parse_rcpt_parameters(row.text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().code == row.code);
        CHECK(parsed.error().enhanced == EnhancedCode{5, 5, 4});
    }
}

TEST_CASE("parameters: a refusal repeats nothing of what was sent") {
    const auto parsed = parse_mail_parameters(" EVIL=\x1b[2J");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(write(parsed.error()).find("EVIL") == std::string::npos);
    CHECK(write(parsed.error()).find('\x1b') == std::string::npos);
}

TEST_CASE("parameters: written for an upstream, each only where it is offered") {
    const MailParameters parameters =
        mail(" SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=admin@victim");
    CHECK(write(parameters, everything()) ==
          " SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=<>");
    CHECK(write(parameters, Capabilities{}).empty());
    struct Row {
        Extension extension;
        std::string_view written;
    };
    constexpr Row rows[] = {
        {Extension::size, " SIZE=5"},       {Extension::eight_bit_mime, " BODY=8BITMIME"},
        {Extension::smtputf8, " SMTPUTF8"}, {Extension::dsn, " RET=HDRS ENVID=x+2By"},
        {Extension::auth, " AUTH=<>"},      {Extension::pipelining, ""},
        {Extension::starttls, ""},
    };
    for (const Row& row : rows) {
        Capabilities one;
        one.add(row.extension);
        CHECK(write(parameters, one) == row.written);
    }
    CHECK(write(MailParameters{}, everything()).empty());
    CHECK(write(mail(" BODY=7bit RET=full"), everything()) == " BODY=7BIT RET=FULL");
}

TEST_CASE("parameters: RCPT written for an upstream") {
    Capabilities dsn;
    dsn.add(Extension::dsn);
    CHECK(write(rcpt(" NOTIFY=delay,success ORCPT=rfc822;a@b"), dsn) ==
          " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b");
    CHECK(write(rcpt(" NOTIFY=SUCCESS,FAILURE,DELAY"), dsn) == " NOTIFY=SUCCESS,FAILURE,DELAY");
    CHECK(write(rcpt(" NOTIFY=never"), dsn) == " NOTIFY=NEVER");
    CHECK(write(rcpt(" NOTIFY=never ORCPT=rfc822;a@b"), Capabilities{}).empty());
    CHECK(write(RcptParameters{}, dsn).empty());
    RcptParameters odd;
    odd.notify = Notify{};
    CHECK(write(odd, dsn).empty());
}

TEST_CASE("parameters: what is written is read as the same") {
    const MailParameters parameters =
        mail(" SIZE=5 BODY=7BIT SMTPUTF8 RET=FULL ENVID=a+20b AUTH=x");
    CHECK(mail(write(parameters, everything())) == parameters);
    const RcptParameters recipient = rcpt(" NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+3Db@c");
    CHECK(rcpt(write(recipient, everything())) == recipient);
}

TEST_CASE("parameters: octets written as xtext") {
    CHECK(xtext("a-Z.9~!").size() == 7);
    CHECK(xtext("a b+c=d") == "a+20b+2Bc+3Dd");
    CHECK(xtext(std::string_view("\r\n\0\x7f\xff", 5)) == "+0D+0A+00+7F+FF");
    CHECK(xtext("").empty());
    CHECK(valid_xtext(xtext("any printable = + text")));
}

TEST_CASE("parameters: xtext") {
    for (const std::string_view text : {""sv, "a"sv, "+2B"sv, "+3D+20+7E"sv, "a@b;c<d>"sv})
        CHECK(valid_xtext(text));
    for (const std::string_view text :
         {"+"sv, "+2"sv, "+2b"sv, "+2 "sv, "a=b"sv, "a b"sv, "\t"sv, "+00"sv, "+0A"sv, "+0D"sv,
          "+1F"sv, "+7F"sv, "\x7f"sv, "\x80"sv, "a\0"sv, "++2B"sv})
        CHECK_FALSE(valid_xtext(text));
}
