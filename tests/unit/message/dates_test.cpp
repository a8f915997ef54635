#include "message/dates.hpp"

#include <doctest/doctest.h>

using std::chrono::system_clock;
using waxseal::message::date_time;

TEST_CASE("dates: RFC 5322 date-times, in UTC") {
    const auto at = [](long long seconds) {
        return date_time(system_clock::time_point(std::chrono::seconds(seconds)));
    };
    CHECK(at(0) == "Thu, 01 Jan 1970 00:00:00 +0000");
    CHECK(at(1'709'210'096) == "Thu, 29 Feb 2024 12:34:56 +0000");
    CHECK(at(1'798'761'599) == "Thu, 31 Dec 2026 23:59:59 +0000");
    CHECK(at(1'798'761'600) == "Fri, 01 Jan 2027 00:00:00 +0000");
    CHECK(at(-1) == "Wed, 31 Dec 1969 23:59:59 +0000");
}

TEST_CASE("dates: a part of a second is cut off") {
    CHECK(date_time(system_clock::time_point(std::chrono::milliseconds(1999))) ==
          "Thu, 01 Jan 1970 00:00:01 +0000");
}
