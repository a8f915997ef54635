// Header blocks that are made to cost time or memory. Nothing is timed: what is quadratic would
// outlast the test's own limit.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/limits.hpp"
#include "message/header_block.hpp"
#include "unit/message/editing.hpp"

using namespace waxseal;
using namespace waxseal::testing;

namespace {

std::string repeated(std::string_view piece, std::size_t size) {
    std::string text;
    while (text.size() + piece.size() <= size) text += piece;
    return text;
}

void check_block(const std::string& block) {
    message::Edits edits = all_added();
    edits.sender = "me@own.example";
    edits.own_domains = {"other.example"};
    const Edited result = edit(block + "\r\nbody\r\n", edits);
    REQUIRE(result.untouched.empty());
    CHECK(result.message.ends_with("\r\n\r\nbody\r\n"));
    std::string_view rest = result.message;
    while (!rest.empty()) CHECK(message::take_line(rest).size() <= 1000);
    const Edited again = edit(result.message, later(edits));
    // What has grown above the limit on its way is not looked at again.
    if (again.untouched.empty()) {
        CHECK((again.message == result.message));
        CHECK(again.repairs == "");
    }
}

}  // namespace

TEST_CASE("hostile header: as many fields, or lines, as there is room for") {
    constexpr std::size_t size = limits::header_block - 100;
    for (const std::string_view piece :
         {"a:\r\n", "a :\r\n", "From:\r\n", "From: a@b\r\n", "To: a.b <c@d>\r\n",
          "Subject: \xFC\r\n", "Content-Type: a;b=\xFC\r\n", "a:\r\n \r\n"}) {
        CAPTURE(piece);
        check_block(repeated(piece, size / 2));
        check_block(repeated(piece, size));
    }
    check_block("a: b\r\n" + repeated(" \r\n", size));
    check_block("a: b\r\n" + repeated(" c\r\n", size));
    check_block(repeated("From a@b\r\n", size) + "a: b\r\n");
}

TEST_CASE("hostile header: one field") {
    constexpr std::size_t size = limits::header_block - 100;
    for (const std::string_view name : {"From", "To", "Subject", "Content-Type", "X"}) {
        for (const std::string_view piece : {"x",
                                             " ",
                                             "x ",
                                             ",",
                                             "a,",
                                             ";",
                                             ":",
                                             ":;",
                                             "<",
                                             "<<@>",
                                             "<a@b>",
                                             "<a@b>,",
                                             "a.<b@c>,",
                                             "(",
                                             ")",
                                             "()",
                                             "(\xFC)",
                                             "\"",
                                             "\"\"",
                                             "\\",
                                             "\\ ",
                                             "[",
                                             "]",
                                             "[]",
                                             "@",
                                             "a@b,",
                                             "=?",
                                             "=?x?q?a?= ",
                                             "\xFC",
                                             "\xFC ",
                                             "=?x?q?a?= \xFC ",
                                             "; a=\xFC",
                                             "; a*=\xFC;a=\xFC",
                                             "\r\n \xFC",
                                             "\r\n x",
                                             "x;y=\"",
                                             "a. "}) {
            CAPTURE(name);
            CAPTURE(piece);
            check_block(std::string(name) + ": " + repeated(piece, size / 4) + "\r\n");
        }
    }
    check_block("From: " + repeated("(", size / 2) + repeated(")", size / 2 - 10) +
                " a. <b@c>\r\n");
}

TEST_CASE("hostile header: what is opened again and again inside of what is closed") {
    constexpr std::size_t size = limits::header_block - 300;
    const std::vector<std::vector<std::string_view>> shapes{
        {"<", "(", "a@b>"},      {"<", "((a)", "a@b>"},     {"<(", "\"(\"", ")a@b>"},
        {"<", "[", "a@b>"},      {"<(\"", "<\\\"", ")\">"}, {"<(\"", "\\\" ", ")\" a@b>"},
        {"<(\")", "\"\"", ">"},  {"<(\")\"", "<", "\">"},   {"", "<(a@b>,", "c@d"},
        {"a@b", "(\\", ")"},     {"", "a b@c,", "d"},       {"g:", "a. b@c;", "d"},
        {"", "\"(\" b@c,", "d"}, {"", "(\")\" a@b,", "d"},
    };
    for (const std::string_view name : {"From", "To", "Received", "Content-Type"}) {
        for (const auto& shape : shapes) {
            for (const std::string_view start : {"", "\xFC "}) {
                CAPTURE(name);
                CAPTURE(shape[0]);
                CAPTURE(shape[1]);
                check_block(std::string(name) + ": " + std::string(start) + std::string(shape[0]) +
                            repeated(shape[1], size / 2) + std::string(shape[2]) + "\r\n");
            }
        }
    }
}

TEST_CASE("hostile header: a parameter's name is not written more often than its value is long") {
    constexpr std::size_t size = limits::header_block / 2 - 100;
    const std::string block =
        "Content-Type: a/b; " + repeated("n", size) + "=" + repeated("\xFC", size) + "\r\n";
    CHECK(edit(block + "\r\n", nothing_added()).message.size() < 16 * block.size());
    check_block(block);
}
