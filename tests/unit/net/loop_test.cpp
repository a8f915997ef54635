// The loop: the order of deferred functions and alarms, other threads, signals, and an end without
// leftovers.
#include "net/loop.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "support.hpp"

namespace waxseal::net::testing {

TEST_CASE(
    "deferred functions run in order, after the one that defers, and those they defer run later") {
    Loop loop;
    std::string order;
    loop.defer([&] {
        order += 'a';
        loop.defer([&] {
            order += 'c';
            loop.stop();
        });
        order += 'A';
    });
    loop.defer([&] { order += 'b'; });
    CHECK(order.empty());
    loop.run();
    CHECK(order == "aAbc");
}

TEST_CASE("a deferred function runs although nothing else would wake the loop") {
    Loop loop;
    int rounds = 0;
    const auto alarm = loop.alarm([&] {
        loop.defer([&] {
            ++rounds;
            loop.stop();
        });
        CHECK(rounds == 0);
    });
    alarm->arm(Duration(1));
    loop.run();
    CHECK(rounds == 1);
}

TEST_CASE("deferring for ever does not keep alarms from firing") {
    Loop loop;
    bool fired = false;
    std::function<void()> again = [&] {
        if (!fired) loop.defer(again);
    };
    const auto alarm = loop.alarm([&] {
        fired = true;
        loop.stop();
    });
    alarm->arm(Duration(2));
    again();
    loop.run();
    CHECK(fired);
}

TEST_CASE("what a deferred function owns dies with it, in its turn") {
    Loop loop;
    std::string order;
    auto owned = std::shared_ptr<int>(new int(1), [&](int* p) {
        order += 'd';
        delete p;
    });
    loop.defer([&, owned = std::move(owned)] { order += 'a'; });
    loop.defer([&] {
        order += 'b';
        loop.stop();
    });
    loop.run();
    CHECK(order == "adb");
}

TEST_CASE(
    "alarms fire once, in the order of their times; arming again replaces, disarming silences") {
    Loop loop;
    std::string order;
    const auto late = loop.alarm([&] {
        order += 'l';
        loop.stop();
    });
    const auto early = loop.alarm([&] { order += 'e'; });
    const auto moved = loop.alarm([&] { order += 'm'; });
    const auto silent = loop.alarm([&] { order += 's'; });
    auto destroyed = loop.alarm([&] { order += 'd'; });
    late->arm(Duration(30));
    early->arm(Duration(5));
    moved->arm(Duration(1));
    moved->arm(Duration(15));
    silent->arm(Duration(1));
    silent->disarm();
    destroyed->arm(Duration(1));
    destroyed.reset();
    loop.run();
    CHECK(order == "eml");
}

TEST_CASE("an alarm never fires from inside arm(), may arm itself again and may destroy itself") {
    Loop loop;
    int times = 0;
    std::unique_ptr<Alarm> alarm;
    alarm = loop.alarm([&] {
        if (++times < 3) {
            alarm->arm(Duration(0));
            return;
        }
        alarm.reset();
        loop.stop();
    });
    alarm->arm(Duration(0));
    CHECK(times == 0);
    loop.run();
    CHECK(times == 3);
    CHECK(alarm == nullptr);
}

TEST_CASE("time does not go back, and an alarm is not early") {
    Loop loop;
    TimePoint fired{};
    const auto alarm = loop.alarm([&] {
        fired = loop.now();
        loop.stop();
    });
    alarm->arm(Duration(20));
    const TimePoint armed = loop.now();
    loop.run();
    CHECK(fired >= armed + Duration(20));
}

TEST_CASE(
    "messages from other threads arrive on the loop's thread, all of them, in each thread's "
    "order") {
    Loop loop;
    constexpr int each = 1000;
    std::vector<std::pair<int, int>> got;
    const auto home = std::this_thread::get_id();
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t, poster = loop.poster()] {
            for (int i = 0; i < each; ++i) {
                poster.post([&, t, i] {
                    if (std::this_thread::get_id() == home) got.emplace_back(t, i);
                    if (got.size() == 3 * each) loop.stop();
                });
            }
        });
    }
    loop.run();
    for (auto& thread : threads) thread.join();
    REQUIRE(got.size() == 3 * each);
    std::vector<int> next(3, 0);
    for (const auto& [t, i] : got) CHECK(next[static_cast<std::size_t>(t)]++ == i);
}

TEST_CASE("a poster may outlive its loop") {
    auto loop = std::make_unique<Loop>();
    const auto poster = loop->poster();
    auto owned = std::make_shared<int>(7);
    CHECK(poster.post([owned] { FAIL("must not run"); }));
    loop.reset();
    CHECK(owned.use_count() == 1);
    CHECK_FALSE(poster.post([] { FAIL("must not run"); }));
}

TEST_CASE("signals arrive on the loop") {
    Loop loop;
    int arrived = 0;
    loop.on_signal(SIGUSR2, [&] {
        if (++arrived == 2) loop.stop();
        std::raise(SIGUSR2);
    });
    loop.defer([] { std::raise(SIGUSR2); });
    loop.run();
    CHECK(arrived == 2);
}

TEST_CASE("stop() before run() ends it at once, and run() may be called again") {
    Loop loop;
    loop.stop();
    loop.run();
    bool ran = false;
    loop.defer([&] {
        ran = true;
        loop.stop();
    });
    loop.run();
    CHECK(ran);
}

TEST_CASE("a loop that ends destroys what was deferred, with whatever it owns and defers again") {
    bool destroyed = false;
    {
        Loop loop;
        std::shared_ptr<Alarm> alarm = loop.alarm([] {});
        alarm->arm(Duration(60'000));
        const auto owner = std::shared_ptr<int>(new int(0), [&](int* p) {
            delete p;
            loop.defer([&] { FAIL("must not run"); });
            destroyed = true;
        });
        loop.defer([alarm, owner] { FAIL("must not run"); });
    }
    CHECK(destroyed);
}

}  // namespace waxseal::net::testing
