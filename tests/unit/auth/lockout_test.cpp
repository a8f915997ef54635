// Delays and lock-out of a client address, in simulated time.
#include "auth/lockout.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace waxseal;
using namespace waxseal::auth;
using namespace std::chrono_literals;

namespace {

IpAddress ip(std::string_view text) { return *parse_ip(text); }

constexpr TimePoint start{1000h};
const IpAddress client = ip("192.0.2.1");

}  // namespace

TEST_CASE("lockout: each failure is answered later, up to a bound; the tenth locks out") {
    Lockout lockout;
    const std::vector<Duration> delays{2s, 4s, 8s, 15s, 15s, 15s, 15s, 15s, 15s, 15s};
    TimePoint now = start;
    for (const Duration delay : delays) {
        CHECK_FALSE(lockout.locked(client, now));
        CHECK(lockout.failed(client, now) == delay);
        now += 1s;
    }
    const TimePoint last = now - 1s;
    CHECK(lockout.locked(client, now));
    CHECK_FALSE(lockout.locked(ip("192.0.2.2"), now));
    CHECK(lockout.locked(client, last + 10min - 1ms));
    CHECK_FALSE(lockout.locked(client, last + 10min));
    CHECK(lockout.failed(client, last + 10min) == 2s);  // begins afresh
    CHECK_FALSE(lockout.locked(client, last + 10min));
}

TEST_CASE("lockout: a late failure does not change a lock") {
    Lockout lockout;
    for (int i = 0; i < 10; ++i) (void)lockout.failed(client, start);
    CHECK(lockout.failed(client, start + 9min) == 15s);
    CHECK(lockout.locked(client, start + 10min - 1ms));
    CHECK_FALSE(lockout.locked(client, start + 10min));
}

TEST_CASE("lockout: time forgets") {
    Lockout lockout;
    for (int i = 0; i < 9; ++i) (void)lockout.failed(client, start);
    CHECK(lockout.failed(client, start + 10min) == 2s);
    for (int i = 0; i < 8; ++i) (void)lockout.failed(client, start + 20min - 1ms);
    CHECK_FALSE(lockout.locked(client, start + 20min));
    (void)lockout.failed(client, start + 20min);
    CHECK(lockout.locked(client, start + 20min));
}

TEST_CASE("lockout: an IPv6 client is its /64; IPv4 and its mapped form are one") {
    for (const auto& [first, second, other] :
         {std::tuple{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"},
          std::tuple{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"}}) {
        Lockout lockout;
        for (int i = 0; i < 10; ++i)
            (void)lockout.failed(i % 2 == 0 ? ip(first) : ip(second), start);
        CHECK(lockout.clients() == 1);
        CHECK(lockout.locked(ip(first), start));
        CHECK(lockout.locked(ip(second), start));
        CHECK_FALSE(lockout.locked(ip(other), start));
    }
}

TEST_CASE("lockout: memory is bounded, and whose failure is longest ago is forgotten first") {
    LockoutLimits limits;
    limits.clients = 3;
    limits.failures = 2;
    Lockout lockout(limits);
    for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
        (void)lockout.failed(ip(address), start);
    (void)lockout.failed(ip("192.0.2.1"), start);  // now the latest, and locked out
    (void)lockout.failed(ip("192.0.2.4"), start);
    CHECK(lockout.clients() == 3);
    CHECK(lockout.locked(ip("192.0.2.1"), start));
    (void)lockout.failed(ip("192.0.2.2"), start);  // forgotten: this is its first again
    CHECK_FALSE(lockout.locked(ip("192.0.2.2"), start));
    for (unsigned i = 0; i < 1000; ++i) {
        IpAddress address = ip("2001:db8::1");
        address[6] = static_cast<std::uint8_t>(i >> 8U);
        address[7] = static_cast<std::uint8_t>(i);
        CHECK(lockout.failed(address, start) == 2s);
        CHECK(lockout.clients() == 3);
    }
}
