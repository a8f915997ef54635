// What clients say in SASL: each form that is read, and everything hostile that is refused.
#include "auth/sasl_message.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace waxseal::auth;
using namespace std::literals;

namespace {

constexpr std::string_view proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

std::string plain(std::string_view authzid, std::string_view name, std::string_view password) {
    return std::string(authzid) + '\0' + std::string(name) + '\0' + std::string(password);
}

const std::string_view bad_names[] = {
    ""sv,
    "a\rb"sv,
    "a\nb"sv,
    "u\r\nRCPT TO:<x>"sv,
    "a\tb"sv,
    "\x1b[2J"sv,
    "\x7f"sv,
    "\xff"sv,
    "a\xc3"sv,
    "\xc0\x80"sv,
    "\xc2\x85"sv,
    "\xe2\x80\xa8"sv,
    "\xe2\x80\xae"sv,
    "\xed\xa0\x80"sv,
};
const std::string_view bad_passwords[] = {""sv,     "p\0extra"sv, "\0"sv,
                                          "p\rq"sv, "p\nq"sv,     "p\r\n"sv,
                                          "\xff"sv, "p\xc3"sv,    "\xed\xa0\x80"sv};

}  // namespace

TEST_CASE("names: printable UTF-8 of 1 to 255 octets") {
    for (const std::string_view name :
         {"tim", "a b", "J\xc3\xbcrgen", "scan@example.com", "QUIT", "*"})
        CHECK(parse_name(name).value_or("") == name);
    CHECK(parse_name(std::string(255, 'n')).has_value());
    CHECK_FALSE(parse_name(std::string(256, 'n')).has_value());
    for (const std::string_view name : bad_names) CHECK_FALSE(parse_name(name).has_value());
    CHECK_FALSE(parse_name("a\0b"sv).has_value());
}

TEST_CASE("passwords: UTF-8 of 1 to 4096 octets, without NUL and line ends") {
    for (const std::string_view text : {"p"sv, " ~\"\t\x1b"sv, "p\xc3\xa4ss"sv})
        CHECK(parse_password(text).has_value());
    CHECK(parse_password(std::string(4096, 'p')).has_value());
    CHECK_FALSE(parse_password(std::string(4097, 'p')).has_value());
    for (const std::string_view text : bad_passwords) CHECK_FALSE(parse_password(text).has_value());
}

TEST_CASE("PLAIN: the examples of RFC 4616") {
    const auto first = parse_plain("\0tim\0tanstaaftanstaaf"sv);
    REQUIRE(first.has_value());
    CHECK(first->authzid == "");
    CHECK(first->name == "tim");
    CHECK(first->password.reveal() == "tanstaaftanstaaf");
    const auto second = parse_plain("Ursel\0Kurt\0xipj3plmq"sv);
    REQUIRE(second.has_value());
    CHECK(second->authzid == "Ursel");
    CHECK(second->name == "Kurt");
    CHECK(second->password.reveal() == "xipj3plmq");
}

TEST_CASE("PLAIN: hostile messages") {
    for (const std::string_view message :
         {""sv, "tim"sv, "\0"sv, "\0tim"sv, "tim\0p"sv, "\0\0"sv, "\0\0p"sv, "\0tim\0"sv,
          "\0u\0p\0extra"sv, "\0u\0\0"sv, "u\0u\0p\0"sv, "\0\0u\0p"sv})
        CHECK_FALSE(parse_plain(message).has_value());
    CHECK(parse_plain(plain("n", "n", "p")).has_value());
    for (const std::string_view bad : bad_names) {
        CHECK_FALSE(parse_plain(plain("", bad, "p")).has_value());
        if (!bad.empty()) CHECK_FALSE(parse_plain(plain(bad, "n", "p")).has_value());
    }
    for (const std::string_view bad : bad_passwords)
        CHECK_FALSE(parse_plain(plain("", "n", bad)).has_value());
    CHECK_FALSE(parse_plain(plain("", std::string(256, 'n'), "p")).has_value());
    CHECK_FALSE(parse_plain(plain(std::string(256, 'n'), "n", "p")).has_value());
    CHECK_FALSE(parse_plain(plain("", "n", std::string(9000, 'p'))).has_value());
}

TEST_CASE("PLAIN: no part of a message that was cut off is another login") {
    const std::string whole = plain("", "tim", "tanstaaf");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto cut = parse_plain(std::string_view(whole).substr(0, size));
        CHECK(cut.has_value() == (size > 5));
        if (cut) CHECK(cut->name == "tim");
    }
}

TEST_CASE("CRAM-MD5: a name, a space, a digest") {
    const auto message = parse_cram("tim b913a602c7eda7a495b4e6e7334d3890");
    REQUIRE(message.has_value());
    CHECK(message->name == "tim");
    CHECK(message->digest == "b913a602c7eda7a495b4e6e7334d3890");
    CHECK(parse_cram("a b B913A602C7EDA7A495B4E6E7334D3890")->name == "a b");
    CHECK(parse_cram("a B913A602C7EDA7A495B4E6E7334D3890")->digest ==
          "b913a602c7eda7a495b4e6e7334d3890");
    for (const std::string_view bad :
         {""sv, " "sv, "tim"sv, "tim "sv, " b913a602c7eda7a495b4e6e7334d3890"sv,
          "tim b913a602c7eda7a495b4e6e7334d389"sv, "tim b913a602c7eda7a495b4e6e7334d38900"sv,
          "tim g913a602c7eda7a495b4e6e7334d3890"sv, "tim b913a602c7eda7a495b4e6e7334d3890\r\n"sv,
          "t\0m b913a602c7eda7a495b4e6e7334d3890"sv, "b913a602c7eda7a495b4e6e7334d3890"sv})
        CHECK_FALSE(parse_cram(bad).has_value());
}

TEST_CASE("SCRAM: first messages") {
    const auto first = parse_scram_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    REQUIRE(first.has_value());
    CHECK(first->gs2_header == "n,,");
    CHECK(first->authzid == "");
    CHECK(first->name == "user");
    CHECK(first->nonce == "rOprNGfwEbeRWgbNEkqO");
    CHECK(first->bare == "n=user,r=rOprNGfwEbeRWgbNEkqO");
    const auto odd = parse_scram_first("y,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=n~!=,x=extension");
    REQUIRE(odd.has_value());
    CHECK(odd->gs2_header == "y,a=a=2Cb=3Dc,");
    CHECK(odd->authzid == "a,b=c");
    CHECK(odd->name == "a,b=c");
    CHECK(odd->nonce == "n~!=");
    CHECK(odd->bare == "n=a=2Cb=3Dc,r=n~!=,x=extension");
}

TEST_CASE("SCRAM: hostile first messages") {
    for (const std::string_view bad : {""sv,
                                       "n"sv,
                                       "n,"sv,
                                       "n,,"sv,
                                       "n,,n="sv,
                                       "n,,n=u"sv,
                                       "n,,n=u,"sv,
                                       "n,,n=u,r="sv,
                                       "n,,r=x,n=u"sv,
                                       "n,,n=,r=x"sv,
                                       "x,,n=u,r=x"sv,
                                       ",,n=u,r=x"sv,
                                       "N,,n=u,r=x"sv,
                                       "p=tls-unique,,n=u,r=x"sv,
                                       "p=,,n=u,r=x"sv,
                                       "n,,m=ext,n=u,r=x"sv,
                                       "n,u,n=u,r=x"sv,
                                       "n,a=,n=u,r=x"sv,
                                       "n,a=\r\n,n=u,r=x"sv,
                                       "n,,n=u=,r=x"sv,
                                       "n,,n=u=2c,r=x"sv,
                                       "n,,n=u=2,r=x"sv,
                                       "n,,n=u=3E,r=x"sv,
                                       "n,,n=u\0,r=x"sv,
                                       "n,,n=\xff,r=x"sv,
                                       "n,,n=u,r=x y"sv,
                                       "n,,n=u,r=x\r\n"sv,
                                       "n,,n=u,r=\xc3\xa4"sv,
                                       "n,,n=u\n,r=x"sv}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_scram_first(bad).has_value());
    }
    const std::string start = "n,,n=u,r=";
    CHECK(parse_scram_first(start + std::string(256, 'r')).has_value());
    CHECK_FALSE(parse_scram_first(start + std::string(257, 'r')).has_value());
    CHECK_FALSE(parse_scram_first("n,,n=" + std::string(256, 'u') + ",r=x").has_value());
}

TEST_CASE("SCRAM: final messages") {
    const std::string good = "c=biws,r=nonce,p=" + std::string(proof);
    const auto final = parse_scram_final(good);
    REQUIRE(final.has_value());
    CHECK(final->binding == "n,,");
    CHECK(final->nonce == "nonce");
    CHECK(final->proof.size() == 32);
    CHECK(final->without_proof == "c=biws,r=nonce");
    CHECK(parse_scram_final("c=biws,r=n,x=y,p=" + std::string(proof))->without_proof ==
          "c=biws,r=n,x=y");
    for (const std::string& bad :
         {std::string(), "p="s + std::string(proof), "c=biws,r=nonce"s, "c=biws,r=nonce,p="s,
          "c=biws,p="s + std::string(proof), "r=nonce,p="s + std::string(proof),
          "c=*,r=n,p="s + std::string(proof), "r=nonce,c=biws,p="s + std::string(proof), good + "=",
          good + ",x=y", good + "\r\n", good.substr(0, good.size() - 1), "c=biws,r=nonce,p=AAAA"s})
        CHECK_FALSE(parse_scram_final(bad).has_value());
}
