// What all workers share, from several threads at once: run under ThreadSanitizer, too.
#include "relay/door.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace waxseal;
using namespace waxseal::relay;
using namespace std::chrono_literals;

namespace {

constexpr int workers = 4;
constexpr int rounds = 2000;
const TimePoint start{1h};

// The function on that many threads, which begin together.
void together(const std::function<void(int)>& function) {
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) {
        threads.emplace_back([&, i] {
            ++ready;
            while (ready < workers) std::this_thread::yield();
            function(i);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("limits hold over all workers") {
    Door door;
    const std::vector<Network> everyone{*parse_network("192.0.2.0/24")};
    const IpAddress client = *parse_ip("192.0.2.1");
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> refused = 0;
    const auto visit = [&](const AdmissionLimits& limits, int who) {
        const IpAddress own = *parse_ip("192.0.2.1" + std::to_string(who));
        const IpAddress& from = limits.max_sessions_per_client < 10 ? client : own;
        for (int i = 0; i < rounds; ++i) {
            if (door.admission.admit(from, everyone, limits, start) != Verdict::admitted) {
                ++refused;
                continue;
            }
            const int now = ++inside;
            for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
            }
            std::this_thread::yield();
            --inside;
            door.admission.leave(from);
        }
    };
    SUBCASE("of sessions") {
        together([&](int i) { visit({2, 100, 0}, i); });
        CHECK(most <= 2);
    }
    SUBCASE("of one client's") {
        together([&](int i) { visit({100, 2, 0}, i); });
        CHECK(most <= 2);
    }
    CHECK(door.admission.sessions() == 0);
}

TEST_CASE("the rate of a client is one for all workers") {
    Door door;
    const std::vector<Network> everyone{*parse_network("192.0.2.0/24")};
    const IpAddress client = *parse_ip("192.0.2.1");
    std::atomic<int> admitted = 0;
    together([&](int) {
        for (int i = 0; i < 100; ++i) {
            if (door.admission.admit(client, everyone, {1000, 1000, 7}, start) == Verdict::admitted)
                ++admitted;
        }
    });
    CHECK(admitted == 7);
}

TEST_CASE("places of unknown clients are counted, too") {
    Door door;
    const std::vector<Network> everyone{*parse_network("192.0.2.0/24")};
    const IpAddress client = *parse_ip("192.0.2.1");
    const AdmissionLimits limits{3, 2, 0};
    together([&](int) {
        for (int i = 0; i < rounds; ++i) {
            if (door.admission.expect(limits) != Verdict::admitted) continue;
            if (door.admission.identify(client, everyone, limits, start) == Verdict::admitted) {
                door.admission.leave(client);
            } else {
                door.admission.forget();
            }
        }
    });
    CHECK(door.admission.sessions() == 0);
}

TEST_CASE("failed logins count wherever they were") {
    Door door;
    const IpAddress client = *parse_ip("192.0.2.1");
    std::atomic<int> judged = 0;
    together([&](int) {
        for (int i = 0; i < 100; ++i) {
            if (door.lockout.locked(client, start)) continue;
            (void)door.lockout.failed(client, start);
            ++judged;
        }
    });
    CHECK(door.lockout.locked(client, start));
    CHECK(door.lockout.clients() == 1);
    CHECK(judged < 10 + workers);  // what was under way when the lock fell
}

TEST_CASE("a refusal is logged once, and all are counted") {
    Door door;
    const IpAddress client = *parse_ip("192.0.2.1");
    std::atomic<std::uint64_t> lines = 0;
    together([&](int) {
        for (int i = 0; i < rounds; ++i)
            if (door.refusals.note(Verdict::too_many, client, start)) ++lines;
    });
    CHECK(lines == 1);
    CHECK(door.refusals.note(Verdict::too_many, client, start + 1min) ==
          static_cast<std::uint64_t>(workers) * rounds);
    CHECK(door.refusals.remembered() == 1);
}

TEST_CASE("no two sessions have one id") {
    Door door;
    std::vector<std::vector<std::string>> ids(workers);
    together([&](int i) {
        for (int k = 0; k < rounds; ++k) ids[static_cast<std::size_t>(i)].push_back(door.next_id());
    });
    std::set<std::string> all;
    for (const auto& some : ids) all.insert(some.begin(), some.end());
    CHECK(all.size() == static_cast<std::size_t>(workers) * rounds);
}

TEST_CASE("arrivals are counted by listener") {
    Door door;
    together([&](int i) {
        const std::string own = "listener " + std::to_string(i);
        for (int k = 0; k < rounds; ++k) {
            door.arrivals.add("one");
            door.arrivals.add(own);
            door.arrivals.remove(own);
            if (k % 2 == 0) door.arrivals.remove("one");
        }
    });
    CHECK(door.arrivals.of("one") == static_cast<std::size_t>(workers) * rounds / 2);
    CHECK(door.arrivals.of("listener 1") == 0);
}

TEST_CASE("how many sessions there were at once is told once, when all have gone") {
    Door door;
    const std::vector<Network> everyone{*parse_network("192.0.2.0/24")};
    const IpAddress client = *parse_ip("192.0.2.1");
    const AdmissionLimits limits{100, 100, 0};
    std::atomic<std::size_t> told = 0;
    std::atomic<int> times = 0;
    std::atomic<int> inside = 0;
    together([&](int) {
        CHECK(door.admission.admit(client, everyone, limits, start) == Verdict::admitted);
        CHECK(door.admission.expect(limits) == Verdict::admitted);
        ++inside;
        while (inside < workers) std::this_thread::yield();
        door.admission.forget();
        door.admission.leave(client);
        if (const std::size_t most = door.admission.take_most()) {
            told = most;
            ++times;
        }
    });
    CHECK(told == 2U * workers);
    CHECK(times == 1);
    CHECK(door.admission.take_most() == 0);
}
