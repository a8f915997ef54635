// Where a header block ends, and what its fields are.
#include "message/header_block.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unit/support/split.hpp"

using namespace waxseal::message;
using waxseal::testing::Chunks;
using waxseal::testing::for_each_split;

namespace {

struct Case {
    std::string_view mbox;
    std::string_view fields;
    std::string_view separator;
    std::string_view body;
};

const std::vector<Case> cases{
    {"", "", "", ""},
    {"", "", "\r\n", ""},
    {"", "", "\r\n", "a: b\r\n"},
    {"", "A: b\r\n", "\r\n", "body\r\n"},
    {"", "A: b\r\n c\r\n\td\r\nE:\r\n", "\r\n", "\r\n"},
    {"", "A : b\r\nB\t :\r\n", "\r\n", ""},
    {"", "A: b\r\n \r\n c\r\n", "\r\n", ""},
    // No field.
    {"", "A: b\r\n", "", "no field\r\n"},
    {"", "A: b\r\n", "", ": no name\r\n\r\n"},
    {"", "A: b\r\n", "", "Gr\xC3\xBC\xC3\x9F: x\r\n"},
    {"", "", "", " A: b\r\n\r\n"},
    {"", "", "", "hello\r\nA: b\r\n"},
    {"", "", "", "hello"},
    // The message ends inside.
    {"", "A: b\r\n", "", ""},
    {"", "A: b", "", ""},
    {"", "A: b\r\n ", "", ""},
    // mbox
    {"From a@b Mon Jan  1 00:00:00 2026\r\n", "A: b\r\n", "\r\n", "c\r\n"},
    {">From a@b Mon Jan  1 00:00:00 2026\r\n", "A: b\r\n", "\r\n", "c\r\n"},
    {"From user Mon, 1 Jan 2026 00:00\r\n", "", "\r\n", "c\r\n"},
    {"From user Mon Jan 1\r\n", "A: b\r\n", "\r\n", ""},
    {"From user@host\r\n", "A: b\r\n", "\r\n", ""},
    {"From - sent\r\n", "A: b\r\n", "\r\n", ""},
    {"From a@b\r\nFrom c@d\r\n", "A: b\r\n", "\r\n", ""},
    {"From a@b Mon Jan  1 00:00:00 2026\r\n", "", "", "hello\r\n"},
    {"From a@b Mon Jan  1 00:00:00 2026\r\n", "", "", " A: b\r\n"},
    {"From a@b Mon Jan  1 00:00:00 2026", "", "", ""},
    {"From root\r\n", "A: b\r\n", "\r\n", ""},
    {"From \r\n>From root\r\n", "A: b\r\n", "\r\n", ""},
    {"From root\r\n", "", "\r\n", "A: b\r\n"},
    {"From a:b\r\n", "A : b\r\n", "", "c\r\n"},
    // It only seems to be.
    {"", "", "", "From root\r\n A: b\r\n"},
    {"", "", "", "From root\r\nA\r\n\r\n"},
    {"", "From \t: a\r\n", "\r\n", ""},
    {"", "", "", "From now on\r\n"},
    {"", "", "", "From user Mon Jan 1\r\nhello\r\n"},
    {"", "", "", "From user at 12:00 on\r\nhello\r\n"},
    {"", "", "", "FROM a@b Mon Jan  1 00:00:00 2026\r\n"},
    {"", "A: b\r\n", "", "From a@b Mon Jan  1 00:00:00 2026\r\nC: d\r\n"},
    {"", "From: a\r\nFrom : b\r\n", "\r\n", ""},
};

std::string whole(const Case& expected) {
    return std::string(expected.mbox)
        .append(expected.fields)
        .append(expected.separator)
        .append(expected.body);
}

}  // namespace

TEST_CASE("header block: its parts") {
    for (const Case& expected : cases) {
        const std::string text = whole(expected);
        CAPTURE(text);
        const Division division = divide(text);
        CHECK(division.mbox == expected.mbox);
        CHECK(division.fields == expected.fields);
        CHECK(division.separator == expected.separator);
        CHECK(division.body == expected.body);
    }
}

TEST_CASE("header block: is complete at the same place, whatever the pieces, and that is enough") {
    for (const Case& expected : cases) {
        const std::string text = whole(expected) + "more\r\n\r\nand more";
        const Division all = divide(text);
        const auto end = BlockScanner().complete(text);
        REQUIRE(end);
        const Division known = divide(std::string_view(text).substr(0, *end));
        CHECK(known.mbox == all.mbox);
        CHECK(known.fields == all.fields);
        CHECK(known.separator == all.separator);
        for_each_split(text, [&](const Chunks& chunks) {
            BlockScanner scanner;
            std::string held;
            std::optional<std::size_t> found;
            for (const std::string_view chunk : chunks) {
                held += chunk;
                found = scanner.complete(held);
                if (found) break;
            }
            if (found != end) FAIL("the pieces changed where the block ends");
        });
    }
}

TEST_CASE("header block: fields") {
    std::string_view fields = "A: b\r\nC-d \t:\r\n e:f\r\nG:h";
    const auto a = take_field(fields);
    const auto c = take_field(fields);
    const auto g = take_field(fields);
    CHECK_FALSE(take_field(fields));
    REQUIRE((a && c && g));
    CHECK(a->raw == "A: b\r\n");
    CHECK(a->name == "A");
    CHECK(a->body == " b");
    CHECK(c->raw == "C-d \t:\r\n e:f\r\n");
    CHECK(c->name == "C-d");
    CHECK(c->body == "\r\n e:f");
    CHECK(g->raw == "G:h");
    CHECK(g->body == "h");
}

TEST_CASE("header block: a name has to fit on a line") {
    const std::string most = std::string(997, 'x') + ": a\r\n";
    const std::string more = std::string(998, 'x') + ": a\r\n";
    CHECK(divide(most).fields == most);
    CHECK(divide(more).body == more);
}
