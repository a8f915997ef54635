// Mailboxes in their plain form, and what is none.
#include "message/mailbox.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace waxseal::message;

namespace {

std::string_view found(std::string_view text) { return only_mailbox(text).value_or("-"); }

}  // namespace

TEST_CASE("mailbox: what every reader takes for one") {
    CHECK(found("a@b") == "a@b");
    CHECK(found(" \ta.b+c@d-e.f ") == "a.b+c@d-e.f");
    CHECK(found("<a@b>") == "a@b");
    CHECK(found("A. B <a@b>") == "a@b");
    CHECK(found("\"A, <x@y> \\\" B\" C\t<a@b>") == "a@b");
    CHECK(found("=?UTF-8?B?w6k=?= <a@b>") == "a@b");
    CHECK(found("é <a@b>") == "a@b");
    CHECK(found("a@b (Scanner No. 1)") == "a@b");
    CHECK(found("A <a@b> ()") == "a@b");
    CHECK(found("a@[192.0.2.1]") == "a@[192.0.2.1]");
    CHECK(found("<a@[IPv6:::1]>") == "a@[IPv6:::1]");
    CHECK(found("\"a b@\\\"\"@c") == "\"a b@\\\"\"@c");
    CHECK(found("é@ü.example") == "é@ü.example");
}

TEST_CASE("mailbox: what is none, or doubtful") {
    for (const std::string_view text : {"",
                                        "a",
                                        "@b",
                                        "a@",
                                        "a@b@c",
                                        "a b@c",
                                        "a@b c",
                                        "a@b, c@d",
                                        "a@b,",
                                        "a@b;",
                                        "g: a@b;",
                                        "<a@b",
                                        "a@b>",
                                        "<<a@b>>",
                                        "<a@b> <c@d>",
                                        "<a@b> c",
                                        "< a@b>",
                                        "<a@b >",
                                        "a@b <c@d>",
                                        "a, b <c@d>",
                                        "[a] <c@d>",
                                        "\"a <c@d>",
                                        "a\" <c@d>",
                                        "(a) b@c",
                                        "a (b) <c@d>",
                                        "a@b (c@d)",
                                        "a@b (c (d))",
                                        "a@b (\"c\")",
                                        "a@b (c\\))",
                                        "a@b )",
                                        "a@(x)b",
                                        "<@a:b@c>",
                                        "<@a,@b:c@d>",
                                        "a:b@c",
                                        "a\\@b",
                                        ".a@b",
                                        "a.@b",
                                        "a..b@c",
                                        "a@.b",
                                        "a@b.",
                                        "a@b..c",
                                        "a@b:c",
                                        "a@b/c",
                                        "a@[b",
                                        "a@[]",
                                        "a@[b]c",
                                        "a@[a@b]",
                                        "\"a@b",
                                        "\"a\"b@c",
                                        "\"a\\\"@b",
                                        "a\v@b",
                                        "a@b\v",
                                        "\"\v\" <a@b>",
                                        "a\xFF@b",
                                        "\xFF <a@b>",
                                        "a@b\r\n",
                                        "a\u0085 <b@c>",
                                        "a\u2028b@c",
                                        "a@b (\u202E)"})
        CHECK_MESSAGE(found(text) == "-", text);
}
