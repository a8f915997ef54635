// The deciding parts of the limits: connection rate, which refusals are logged, the pace of a body.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "relay/pace.hpp"
#include "relay/rate.hpp"
#include "relay/refusals.hpp"

using namespace waxseal;
using namespace std::chrono_literals;
using relay::ConnectionRate;
using relay::Pace;
using relay::Refusals;
using relay::Verdict;

namespace {

const TimePoint start{1h};

IpAddress address(std::size_t number) {
    IpAddress ip{};
    ip[10] = ip[11] = 0xff;
    for (std::size_t i = 0; i < 3; ++i)
        ip[15 - i] = static_cast<std::uint8_t>(number >> (8 * i) & 0xffU);
    return ip;
}

}  // namespace

TEST_CASE("rate: the number in a minute, and not one more") {
    ConnectionRate rate;
    for (int i = 0; i < 5; ++i) CHECK(rate.take(address(1), 5, start));
    CHECK_FALSE(rate.take(address(1), 5, start + 59s));
    CHECK(rate.take(address(2), 5, start));
    // The window slides: in the middle of the next minute half of them still count.
    int taken = 0;
    while (rate.take(address(1), 5, start + 90s)) ++taken;
    CHECK(taken == 3);
    taken = 0;
    while (rate.take(address(1), 5, start + 1h)) ++taken;
    CHECK(taken == 5);
}

TEST_CASE("rate: whoever hammers still gets his number, whoever keeps to it gets all") {
    ConnectionRate rate;
    int taken = 0;
    for (int i = 0; i < 600'000; i += 10)  // a hundred a second, for ten minutes
        taken += rate.take(address(1), 60, start + Duration(i)) ? 1 : 0;
    CHECK(taken >= 600);
    CHECK(taken <= 660);
    for (int i = 0; i < 600; ++i) CHECK(rate.take(address(2), 60, start + i * 1001ms));
}

TEST_CASE("rate: off; and its memory is bounded and let go") {
    ConnectionRate rate;
    for (int i = 0; i < 1000; ++i) CHECK(rate.take(address(1), 0, start));
    CHECK(rate.clients() == 0);
    for (std::size_t i = 0; i < 3 * limits::remembered_clients; ++i)
        static_cast<void>(rate.take(address(i), 5, start));
    CHECK(rate.clients() == limits::remembered_clients);
    static_cast<void>(rate.take(address(1), 5, start + 121s));
    CHECK(rate.clients() == 1);
}

TEST_CASE("refusals: a line for each kind and client, a number for the rest") {
    Refusals refusals;
    CHECK(refusals.note(Verdict::not_allowed, address(1), start) == 1);
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(refusals.note(Verdict::not_allowed, address(1), start + 59s).has_value());
    CHECK(refusals.note(Verdict::too_fast, address(1), start) == 1);
    CHECK(refusals.note(Verdict::not_allowed, address(2), start) == 1);
    CHECK(refusals.note(Verdict::not_allowed, address(1), start + 60s) == 21);
    CHECK_FALSE(refusals.note(Verdict::not_allowed, address(1), start + 61s).has_value());
}

TEST_CASE("refusals: a crowd of clients is no flood either, in lines or in memory") {
    Refusals refusals;
    std::size_t lines = 0;
    for (std::size_t i = 0; i < 50'000; ++i)
        lines +=
            refusals.note(Verdict::not_allowed, address(i), start + Duration(i / 10)) ? 1U : 0U;
    CHECK(lines == 50);  // five seconds
    CHECK(refusals.remembered() == limits::remembered_clients);
}

TEST_CASE("pace: silence lasts as long as the grace") {
    const Pace pace(500, 30s, start);
    CHECK(pace.left(start) == 30s);
    CHECK(pace.left(start + 29'999ms) == 1ms);
    CHECK(pace.left(start + 30s) == 0ms);
    CHECK(pace.left(start + 24h) == 0ms);
}

TEST_CASE("pace: octets give time back, up to the grace") {
    Pace pace(500, 30s, start);
    pace.received(1'000'000'000, start + 10s);
    CHECK(pace.left(start + 10s) == 30s);
    pace.received(500, start + 20s);
    CHECK(pace.left(start + 20s) == 21s);
    pace.received(1, start + 20s);
    CHECK(pace.left(start + 20s) == 21s + 2ms);
}

TEST_CASE("pace: exactly the rate goes on for ever, a little less does not") {
    for (const std::uint64_t octets : {500U, 499U, 250U, 1U}) {
        CAPTURE(octets);
        Pace pace(500, 30s, start);
        TimePoint now = start;
        for (int second = 0; second < 100'000 && pace.left(now) != 0ms; ++second) {
            now += 1s;
            pace.received(octets, now);
        }
        if (octets == 500) CHECK(now == start + 100'000s);
        if (octets == 499) CHECK(now > start + 14'000s);
        if (octets == 499) CHECK(now < start + 15'100s);
        if (octets == 250) CHECK(now <= start + 61s);
        if (octets == 1) CHECK(now <= start + 31s);
    }
}

TEST_CASE("pace: too late is too late") {
    Pace pace(500, 30s, start);
    pace.received(1'000'000, start + 30s);
    CHECK(pace.left(start + 30s) == 0ms);
}

TEST_CASE("pace: while nothing is read the clock stands still") {
    Pace pace(500, 30s, start);
    pace.run(false, start + 10s);
    CHECK_FALSE(pace.left(start + 1h).has_value());
    pace.run(false, start + 1h);
    pace.run(true, start + 2h);
    CHECK(pace.left(start + 2h) == 20s);
    pace.run(true, start + 2h + 5s);
    CHECK(pace.left(start + 2h + 5s) == 15s);
}

TEST_CASE("pace: extreme settings") {
    Pace pace(std::uint64_t{1} << 62U, 24h, start);
    CHECK(*pace.left(start) >= 1ms);
    Pace none(1, 0ms, start);
    CHECK(none.left(start) == 0ms);
}
