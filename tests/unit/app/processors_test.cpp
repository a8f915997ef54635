// What "auto" means.
#include "app/processors.hpp"

#include <doctest/doctest.h>

using namespace waxseal::app;

TEST_CASE("the quota of a cgroup, in processors") {
    CHECK(parse_quota("200000 100000") == 2);
    CHECK(parse_quota("150000 100000") == 2);
    CHECK(parse_quota("1000 100000") == 1);
    CHECK(parse_quota("6400000 100000") == 64);
    for (const char* none :
         {"max 100000", "", "100000", "x y", "100000 0", "-1 100000", "6400001 100000", "200000 "})
        CHECK_FALSE(parse_quota(none).has_value());
}

TEST_CASE("as configured, else what there is") {
    CHECK(worker_count(1) == 1);
    CHECK(worker_count(7) == 7);
    CHECK(worker_count(1000) == 64);
    CHECK(worker_count(0) >= 1);
    CHECK(worker_count(0) <= 64);
}
