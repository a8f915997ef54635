// Who may open a session: networks, the limit for all, the limit for one client.
#include "relay/admission.hpp"

#include <doctest/doctest.h>

using namespace waxseal;
using relay::Admission;
using relay::AdmissionLimits;
using relay::Verdict;

namespace {

const std::vector<Network> allowed{*parse_network("192.0.2.0/24"), *parse_network("2001:db8::/32")};

const TimePoint now{std::chrono::hours(1)};

IpAddress ip(const char* text) { return *parse_ip(text); }

}  // namespace

TEST_CASE("only the listener's networks, in both families") {
    Admission admission;
    const AdmissionLimits limits{10, 10};
    CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.admit(ip("::ffff:192.0.2.2"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.admit(ip("2001:db8::1"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.admit(ip("192.0.3.1"), allowed, limits, now) == Verdict::not_allowed);
    CHECK(admission.admit(ip("::1"), allowed, limits, now) == Verdict::not_allowed);
    CHECK(admission.admit(ip("192.0.2.1"), {}, limits, now) == Verdict::not_allowed);
    CHECK(admission.admit(ip("192.0.2.1"), {*parse_network("::/0")}, limits, now) ==
          Verdict::not_allowed);
    CHECK(admission.sessions() == 3);
}

TEST_CASE("the limit for all sessions") {
    Admission admission;
    const AdmissionLimits limits{2, 10};
    CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.admit(ip("192.0.2.2"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.admit(ip("192.0.2.3"), allowed, limits, now) == Verdict::too_many);
    admission.leave(ip("192.0.2.1"));
    CHECK(admission.admit(ip("192.0.2.3"), allowed, limits, now) == Verdict::admitted);
}

TEST_CASE("the limit for one client; an IPv6 client is its /64") {
    Admission admission;
    const AdmissionLimits limits{100, 2};
    for (const auto& [first, second, third, other] :
         {std::tuple{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"},
          std::tuple{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3",
                     "2001:db8:0:2::1"}}) {
        CHECK(admission.admit(ip(first), allowed, limits, now) == Verdict::admitted);
        CHECK(admission.admit(ip(second), allowed, limits, now) == Verdict::admitted);
        CHECK(admission.admit(ip(third), allowed, limits, now) == Verdict::too_many_from_client);
        CHECK(admission.admit(ip(other), allowed, limits, now) == Verdict::admitted);
        admission.leave(ip(second));
        CHECK(admission.admit(ip(third), allowed, limits, now) == Verdict::admitted);
    }
}

TEST_CASE("leaving gives back exactly what was taken") {
    Admission admission;
    const AdmissionLimits limits{100, 1};
    for (int round = 0; round < 3; ++round) {
        CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) == Verdict::admitted);
        CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) ==
              Verdict::too_many_from_client);
        CHECK(admission.sessions() == 1);
        admission.leave(ip("192.0.2.1"));
        CHECK(admission.sessions() == 0);
        admission.leave(ip("192.0.2.1"));  // nobody of that name: nothing happens
        CHECK(admission.sessions() == 0);
    }
}

TEST_CASE("the rate of connections of one client; an IPv6 client is its /64") {
    Admission admission;
    const AdmissionLimits limits{100, 100, 2};
    for (const auto& [first, second, other] :
         {std::tuple{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"},
          std::tuple{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"}}) {
        CHECK(admission.admit(ip(first), allowed, limits, now) == Verdict::admitted);
        admission.leave(ip(first));
        CHECK(admission.admit(ip(second), allowed, limits, now) == Verdict::admitted);
        admission.leave(ip(second));
        CHECK(admission.admit(ip(first), allowed, limits, now) == Verdict::too_fast);
        CHECK(admission.admit(ip(other), allowed, limits, now) == Verdict::admitted);
        CHECK(admission.admit(ip(first), allowed, limits, now + std::chrono::minutes(2)) ==
              Verdict::admitted);
    }
    // Strangers are not even counted.
    CHECK(admission.admit(ip("198.51.100.1"), allowed, limits, now) == Verdict::not_allowed);
}

TEST_CASE("a client behind a load balancer has a place before it has a name") {
    Admission admission;
    const AdmissionLimits limits{2, 1};
    CHECK(admission.expect(limits) == Verdict::admitted);
    CHECK(admission.expect(limits) == Verdict::admitted);
    CHECK(admission.expect(limits) == Verdict::too_many);
    CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) == Verdict::too_many);
    CHECK(admission.sessions() == 2);
    // Its own place is not in its way.
    CHECK(admission.identify(ip("192.0.2.1"), allowed, limits, now) == Verdict::admitted);
    CHECK(admission.sessions() == 2);
    CHECK(admission.identify(ip("192.0.2.1"), allowed, limits, now) ==
          Verdict::too_many_from_client);
    CHECK(admission.sessions() == 2);
    CHECK(admission.identify(ip("198.51.100.1"), allowed, limits, now) == Verdict::not_allowed);
    CHECK(admission.sessions() == 2);
    admission.forget();
    CHECK(admission.sessions() == 1);
    admission.leave(ip("192.0.2.1"));
    CHECK(admission.sessions() == 0);
    CHECK(admission.admit(ip("192.0.2.1"), allowed, limits, now) == Verdict::admitted);
}
