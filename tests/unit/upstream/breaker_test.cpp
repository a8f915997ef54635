// The breaker: when it opens, for how long, who may try meanwhile.
#include "upstream/breaker.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

using namespace waxseal;
using namespace std::chrono_literals;
using upstream::Breaker;
using Caution = Breaker::Caution;
using Change = Breaker::Change;
using State = Breaker::State;

namespace {

const Failure refused{FailureKind::connect, "connection refused"};
const Failure wrong_password{FailureKind::credentials, "535"};
const Failure gone{FailureKind::lost, "reset"};

struct Bench {
    double random = 0.5;  // no spread
    Breaker breaker{[this] { return random; }};
    TimePoint now{1h};

    Change fail(Caution caution = Caution::usual, const Failure& failure = refused) {
        return breaker.failed(breaker.begin(now), failure, caution, now);
    }
    Change succeed() { return breaker.succeeded(breaker.begin(now)); }
    [[nodiscard]] Duration wait() const { return *breaker.due_at() - now; }
    // As soon as the breaker allows.
    void wait_until_due() {
        now = *breaker.due_at() - 1ms;
        CHECK_FALSE(breaker.due(now));
        now += 1ms;
        CHECK(breaker.due(now));
    }
};

}  // namespace

TEST_CASE("closed until the first failure, which it remembers") {
    Bench bench;
    CHECK(bench.breaker.closed());
    CHECK_FALSE(bench.breaker.failure().has_value());
    CHECK_FALSE(bench.breaker.due_at().has_value());
    CHECK(bench.succeed() == Change::none);
    CHECK(bench.fail() == Change::opened);
    CHECK(bench.breaker.state() == State::open);
    CHECK(bench.breaker.failure()->reason == refused.reason);
    CHECK(bench.breaker.down_since() == bench.now);
}

TEST_CASE("each kind of failure opens but one, and each that refuses a login is careful") {
    for (const FailureKind kind :
         {FailureKind::name_lookup, FailureKind::connect, FailureKind::timeout, FailureKind::tls,
          FailureKind::protocol, FailureKind::unavailable, FailureKind::lost}) {
        CAPTURE(to_string(kind));
        Bench bench;
        CHECK(bench.fail(Caution::usual, {kind, "x"}) == Change::opened);
        CHECK(bench.wait() == 1s);
    }
    Bench bench;
    CHECK(bench.fail(Caution::usual, {FailureKind::busy, "x"}) == Change::none);
    CHECK(bench.breaker.closed());
    CHECK(bench.fail(Caution::account, wrong_password) == Change::opened);
    CHECK(bench.wait() == 60s);
}

TEST_CASE("the back-off doubles up to its longest, and a success forgets it") {
    struct Row {
        Caution caution;
        std::vector<Duration> waits;
    };
    const std::vector<Row> rows{
        {Caution::usual, {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 5min, 5min}},
        {Caution::account, {60s, 120s, 240s, 480s, 960s, 30min, 30min}}};
    for (const Row& row : rows) {
        Bench bench;
        for (int round = 0; round < 2; ++round) {
            for (std::size_t i = 0; i < row.waits.size(); ++i) {
                CHECK(bench.fail(row.caution) == (i == 0 ? Change::opened : Change::none));
                CHECK(bench.wait() == row.waits[i]);
                bench.wait_until_due();
            }
            CHECK(bench.succeed() == Change::closed);
            CHECK_FALSE(bench.breaker.failure().has_value());
        }
    }
}

TEST_CASE("a year of failures does not overflow anything") {
    Bench bench;
    for (int i = 0; i < 100'000; ++i) {
        bench.fail(i % 2 == 0 ? Caution::usual : Caution::account);
        bench.now = *bench.breaker.due_at();
    }
    bench.fail();
    CHECK(bench.wait() == 5min);
}

TEST_CASE("the spread is a fifth either way") {
    Bench bench;
    for (const auto& [random, wait] : {std::pair{0.0, 800ms}, {0.5, 1000ms}, {0.9999, 1199ms}}) {
        bench.random = random;
        bench.fail();
        CHECK(bench.wait() == wait);
        bench.succeed();
    }
    // With randomness of its own, too, and not always the same.
    std::vector<Duration> seen;
    for (int i = 0; i < 100; ++i) {
        Breaker breaker;
        static_cast<void>(
            breaker.failed(breaker.begin(bench.now), refused, Caution::usual, bench.now));
        seen.push_back(*breaker.due_at() - bench.now);
        CHECK(seen.back() >= 800ms);
        CHECK(seen.back() <= 1200ms);
    }
    CHECK(std::count(seen.begin(), seen.end(), seen.front()) < 100);
}

TEST_CASE("four refused logins in ten minutes, not five") {
    for (const double random : {0.0, 0.5, 0.9999}) {
        Bench bench;
        bench.random = random;
        const TimePoint start = bench.now;
        int logins = 0;
        for (; bench.now < start + 10min; bench.now = *bench.breaker.due_at(), ++logins)
            bench.fail(Caution::account, wrong_password);
        CHECK(logins == 4);
    }
}

TEST_CASE("half-open: one probe, and nobody beside it is due") {
    Bench bench;
    bench.fail();
    bench.wait_until_due();
    auto probe = bench.breaker.begin(bench.now);
    CHECK(bench.breaker.state() == State::half_open);
    CHECK_FALSE(bench.breaker.due(bench.now + 1h));
    CHECK(bench.breaker.failure().has_value());
    SUBCASE("it succeeds") {
        CHECK(bench.breaker.succeeded(std::move(probe)) == Change::closed);
        CHECK(bench.breaker.closed());
        bench.fail();
        CHECK(bench.wait() == 1s);
    }
    SUBCASE("it fails") {
        bench.now += 10s;
        CHECK(bench.breaker.failed(std::move(probe), refused, Caution::usual, bench.now) ==
              Change::none);
        CHECK(bench.breaker.state() == State::open);
        CHECK(bench.wait() == 2s);
    }
    SUBCASE("it finds out nothing: the next may probe at once") {
        SUBCASE("dropped") { probe.reset(); }
        SUBCASE("busy") {
            CHECK(bench.breaker.failed(std::move(probe), {FailureKind::busy, "full"},
                                       Caution::usual, bench.now) == Change::none);
        }
        CHECK(bench.breaker.due(bench.now));
        const auto next = bench.breaker.begin(bench.now);
        CHECK(bench.breaker.state() == State::half_open);
    }
    SUBCASE("another attempt succeeds meanwhile: what the probe says is old news") {
        CHECK(bench.succeed() == Change::closed);
        CHECK(bench.breaker.failed(std::move(probe), refused, Caution::usual, bench.now) ==
              Change::none);
        CHECK(bench.breaker.closed());
    }
    SUBCASE("another attempt fails meanwhile: the probe still decides") {
        CHECK(bench.fail() == Change::none);
        CHECK(bench.breaker.state() == State::half_open);
        CHECK(bench.breaker.succeeded(std::move(probe)) == Change::closed);
    }
    SUBCASE("another login is refused meanwhile: the probe is left alone, the account too") {
        bench.fail(Caution::account, wrong_password);
        CHECK(bench.breaker.state() == State::half_open);
        probe.reset();
        CHECK_FALSE(bench.breaker.due(bench.now + 59s));
        CHECK(bench.breaker.due(bench.now + 60s));
    }
}

TEST_CASE("a copy is another view on the same: of another worker, or after a reload") {
    Bench bench;
    Breaker other = bench.breaker;
    (void)bench.fail(Caution::account, wrong_password);
    CHECK(other.state() == State::open);
    CHECK(other.due_at() == bench.breaker.due_at());
    CHECK(other.failure()->reason == wrong_password.reason);
    CHECK(other.login_refused());
    bench.wait_until_due();
    SUBCASE("one of them probes") {
        auto probe = other.try_begin(bench.now);
        REQUIRE(probe != nullptr);
        CHECK(bench.breaker.state() == State::half_open);
        CHECK(bench.breaker.try_begin(bench.now) == nullptr);
        SUBCASE("and succeeds") {
            CHECK(other.succeeded(std::move(probe)) == Change::closed);
            CHECK(bench.breaker.closed());
            CHECK(bench.breaker.try_begin(bench.now) != nullptr);
        }
        SUBCASE("and is gone before the breaker is") {
            other = Breaker();
            probe.reset();
            CHECK(bench.breaker.due(bench.now));
        }
    }
    SUBCASE("an attempt outlives all views") {
        auto attempt = other.begin(bench.now);
        other = Breaker();
        bench.breaker = Breaker();
        attempt.reset();
    }
}

TEST_CASE("of many threads one gets the right to probe, and one refusal counts") {
    Bench bench;
    (void)bench.fail(Caution::account, wrong_password);
    bench.wait_until_due();
    std::atomic<int> probes = 0;
    std::atomic<int> opened = 0;
    std::atomic<int> started = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, breaker = bench.breaker]() mutable {
            ++started;
            while (started < 4) std::this_thread::yield();
            auto attempt = breaker.try_begin(bench.now);
            if (!attempt) return;
            ++probes;
            const auto change =
                breaker.failed(std::move(attempt), wrong_password, Caution::account, bench.now);
            if (change == Change::opened) ++opened;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(probes == 1);
    CHECK(opened == 0);  // it has never been closed
    CHECK(*bench.breaker.due_at() - bench.now == 120s);
}

TEST_CASE("ten that fail together are one failure") {
    for (const Caution caution : {Caution::usual, Caution::account}) {
        Bench bench;
        std::vector<std::unique_ptr<Breaker::Attempt>> attempts;
        for (int i = 0; i < 10; ++i) attempts.push_back(bench.breaker.begin(bench.now));
        for (auto& attempt : attempts)
            static_cast<void>(
                bench.breaker.failed(std::move(attempt), refused, caution, bench.now));
        CHECK(bench.wait() == (caution == Caution::usual ? 1s : 60s));
    }
}

TEST_CASE("a failure that began before the last success is old news") {
    Bench bench;
    auto slow = bench.breaker.begin(bench.now);
    bench.succeed();
    CHECK(bench.breaker.failed(std::move(slow), refused, Caution::usual, bench.now) ==
          Change::none);
    CHECK(bench.breaker.closed());
}

TEST_CASE("the last resort: at once after one failure; never after a refused login") {
    Bench bench;
    bench.fail();
    CHECK(bench.breaker.last_resort(bench.now));
    for (int i = 0; i < 10; ++i) bench.fail();  // of those who try: together they are one
    CHECK(bench.breaker.last_resort(bench.now));
    bench.wait_until_due();
    bench.fail();
    CHECK_FALSE(bench.breaker.last_resort(bench.now));
    bench.succeed();
    bench.fail(Caution::account, wrong_password);
    CHECK_FALSE(bench.breaker.last_resort(bench.now + 24h));
}

TEST_CASE("the last resort: five seconds after the last of several failures") {
    Bench bench;
    for (int i = 0; i < 6; ++i) {
        bench.fail();
        if (i < 5) bench.now = *bench.breaker.due_at();
    }
    REQUIRE(bench.wait() == 32s);
    CHECK_FALSE(bench.breaker.last_resort(bench.now + 5s - 1ms));
    CHECK(bench.breaker.last_resort(bench.now + 5s));
    SUBCASE("tried, it fails: the back-off stays, the five seconds begin anew") {
        bench.now += 5s;
        CHECK(bench.fail() == Change::none);
        CHECK(bench.wait() == 27s);
        CHECK_FALSE(bench.breaker.last_resort(bench.now + 5s - 1ms));
        CHECK(bench.breaker.last_resort(bench.now + 5s));
    }
    SUBCASE("tried, it works") {
        bench.now += 5s;
        CHECK(bench.succeed() == Change::closed);
    }
    SUBCASE("tried, the login is refused") {
        bench.now += 5s;
        bench.fail(Caution::account, wrong_password);
        CHECK(bench.wait() == 60s);
        CHECK_FALSE(bench.breaker.last_resort(bench.now + 60s - 1ms));
        CHECK(bench.breaker.failure()->reason == wrong_password.reason);
        bench.wait_until_due();
        SUBCASE("other failures between refusals do not make them more frequent") {
            bench.fail();
            CHECK(bench.wait() == 64s);
            bench.now += 5s;
            bench.fail(Caution::account, wrong_password);
            CHECK(bench.wait() == 120s);
        }
    }
}

TEST_CASE("a connection lost in a transaction opens for a second, and is no reason to refuse") {
    Bench bench;
    CHECK(bench.breaker.lost(gone, bench.now) == Change::opened);
    CHECK(bench.wait() == 1s);
    CHECK(bench.breaker.last_resort(bench.now));
    CHECK(bench.breaker.lost(gone, bench.now) == Change::none);
    SUBCASE("it was the upstream: a login fails as well") {
        bench.fail();
        CHECK(bench.wait() == 1s);
        bench.wait_until_due();
        bench.fail();
        CHECK(bench.wait() == 2s);
        CHECK_FALSE(bench.breaker.last_resort(bench.now));
    }
    SUBCASE("it was that message") {
        CHECK(bench.succeed() == Change::closed);
        CHECK(bench.breaker.lost(gone, bench.now) == Change::opened);
        CHECK(bench.wait() == 1s);
    }
    SUBCASE("while it is down for another reason it changes nothing") {
        bench.fail(Caution::account, wrong_password);
        CHECK(bench.breaker.lost(gone, bench.now) == Change::none);
        CHECK(bench.breaker.failure()->reason == wrong_password.reason);
        CHECK_FALSE(bench.breaker.last_resort(bench.now + 1s));
    }
}
