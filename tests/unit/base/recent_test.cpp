// A bounded table of what was heard from lately.
#include "base/recent.hpp"

#include <doctest/doctest.h>

using namespace waxseal;
using namespace std::chrono_literals;

namespace {
const TimePoint start{1h};
}  // namespace

TEST_CASE("an entry is kept, and known again") {
    Recent<int, int> table(3);
    table.touch(1, start) = 10;
    table.touch(2, start) = 20;
    CHECK(table.touch(1, start) == 10);
    CHECK(table.touch(2, start) == 20);
    CHECK(table.size() == 2);
}

TEST_CASE("without room the one that was not touched for longest goes") {
    Recent<int, int> table(3);
    for (int key = 1; key <= 3; ++key) table.touch(key, start) = key;
    table.touch(1, start + 1s);
    table.touch(4, start + 2s) = 4;
    CHECK(table.size() == 3);
    CHECK(table.touch(1, start + 3s) == 1);
    CHECK(table.touch(3, start + 3s) == 3);
    CHECK(table.touch(2, start + 3s) == 0);  // was forgotten; now 4 is
    CHECK(table.touch(4, start + 3s) == 0);
    CHECK(table.size() == 3);
}

TEST_CASE("what is too old is forgotten") {
    Recent<int, int> table(3);
    table.touch(1, start) = 1;
    table.touch(2, start + 5s) = 2;
    table.forget(start);
    CHECK(table.size() == 2);
    table.forget(start + 1ms);
    CHECK(table.size() == 1);
    CHECK(table.touch(2, start + 5s) == 2);
    table.forget(start + 1h);
    CHECK(table.size() == 0);
}
