// The oracle itself: an oracle that cannot see is worse than none.
#include "unit/support/lenient.hpp"

#include <doctest/doctest.h>

using namespace std::literals;
using waxseal::testing::Begins;
using waxseal::testing::count_messages;
using waxseal::testing::count_messages_leniently;
using waxseal::testing::Leniency;
using waxseal::testing::strict;
using waxseal::testing::unambiguous;

TEST_CASE("lenient: commands and messages are told apart") {
    const auto session =
        "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nDATA\r\n..\r\nx\r\n.\r\n"
        "MAIL FROM:<a@b>\r\ndata\r\n.\r\n.\r\nQUIT\r\n"sv;
    CHECK(count_messages(session, strict) == 2);
    CHECK(unambiguous(session));
    CHECK(count_messages("DATA x\r\n.\r\n", strict) == 1);
    CHECK(count_messages("DATABASE\r\n.\r\n", strict) == 0);
    CHECK(count_messages(".\r\n", strict) == 0);
    CHECK(count_messages(".\r\n", strict, Begins::message) == 1);
    CHECK(count_messages("A\r\n.", strict, Begins::message) == 0);
}

TEST_CASE("lenient: chunks are skipped by their count") {
    CHECK(count_messages("BDAT 8\r\nDATA\r\n.\nBDAT 0 LAST\r\n", strict) == 1);
    CHECK(count_messages("BDAT 9 LAST\r\nDATA\r\n.\r\nBDAT 0 LAST\r\n", strict) == 2);
}

TEST_CASE("lenient: each leniency sees what it is named after") {
    struct Row {
        std::string_view bytes;
        Leniency rules;
    };
    const Row rows[] = {
        {"A\n.\n"sv, {true, false, false, false}},
        {"A\r.\r"sv, {false, true, false, false}},
        {"A\r\n\0.\r\n"sv, {false, false, true, false}},
        {"A\r\n.\r\r\n"sv, {false, false, false, true}},
        {"A\r\n.\r\0\r\n"sv, {false, false, true, true}},
    };
    for (const Row& row : rows) {
        CHECK(count_messages(row.bytes, strict, Begins::message) == 0);
        CHECK(count_messages(row.bytes, row.rules, Begins::message) == 1);
        CHECK(count_messages_leniently(row.bytes, Begins::message) == 1);
        CHECK_FALSE(unambiguous(row.bytes, Begins::message));
    }
}
