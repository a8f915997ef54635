// Work on threads: where it runs, its bound, and cancelling at every stage.
#include "net/thread_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "support.hpp"

namespace waxseal::net::testing {

namespace {

// Work that begins, and goes on until it is let go.
class Gate {
  public:
    [[nodiscard]] std::function<void()> work() {
        return [begun = begun_, open = open_] {
            begun->set_value();
            open.wait();
        };
    }
    void await_begin() { begun_->get_future().wait(); }
    void release() { opening_.set_value(); }

  private:
    std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
    std::promise<void> opening_;
    std::shared_future<void> open_ = opening_.get_future().share();
};

}  // namespace

TEST_CASE("work is done elsewhere, what it found out arrives here, and never from inside run()") {
    Loop loop;
    const ThreadPool pool;
    PoolWorker worker(loop, pool);
    const auto here = std::this_thread::get_id();
    struct Found {
        std::thread::id where;
        std::string text;
    };
    const auto found = std::make_shared<Found>();
    std::thread::id told;
    int times = 0;
    const auto job = worker.run(
        [found] {
            found->where = std::this_thread::get_id();
            found->text = "derived";
        },
        [&, found] {
            told = std::this_thread::get_id();
            ++times;
        });
    REQUIRE(job != nullptr);
    CHECK(times == 0);
    REQUIRE(run_until(loop, [&] { return times != 0; }));
    CHECK(found->text == "derived");
    CHECK(found->where != here);
    CHECK(told == here);
    settle(loop);
    CHECK(times == 1);
}

TEST_CASE("much work, from several loops at once: each is told of its own") {
    constexpr int pieces = 200;
    const ThreadPool pool({.threads = 3, .waiting = 1000});
    std::atomic<int> worked = 0;
    const auto one_loop = [&](int& told) {
        Loop loop;
        PoolWorker worker(loop, pool);
        std::vector<std::unique_ptr<Job>> jobs;
        for (int i = 0; i < pieces; ++i) {
            jobs.push_back(worker.run([&worked] { ++worked; },
                                      [&] {
                                          if (++told == pieces) loop.stop();
                                      }));
        }
        loop.run();
    };
    int here = 0;
    int there = 0;
    std::thread other([&] { one_loop(there); });
    one_loop(here);
    other.join();
    CHECK(here == pieces);
    CHECK(there == pieces);
    CHECK(worked == 2 * pieces);
}

TEST_CASE("a job may destroy itself, and ask for more, in its own callback") {
    Loop loop;
    const ThreadPool pool;
    PoolWorker worker(loop, pool);
    int left = 3;
    std::unique_ptr<Job> job;
    std::function<void()> next = [&] {
        job.reset();
        if (--left > 0) job = worker.run([] {}, next);
    };
    job = worker.run([] {}, next);
    REQUIRE(run_until(loop, [&] { return left == 0; }));
    CHECK(job == nullptr);
}

TEST_CASE("beyond the bound work is not taken, and cancelling makes room") {
    Loop loop;
    const ThreadPool pool({.threads = 1, .waiting = 2});
    PoolWorker worker(loop, pool);
    Gate gate;
    std::string order;
    const auto first = worker.run(gate.work(), [&] { order += '1'; });
    REQUIRE(first != nullptr);
    gate.await_begin();
    auto second = worker.run([] {}, [&] { order += '2'; });
    const auto third = worker.run([] {}, [&] { order += '3'; });
    CHECK(second != nullptr);
    CHECK(third != nullptr);
    CHECK(worker.run([&] { order += 'x'; }, [&] { order += 'x'; }) == nullptr);
    second.reset();
    const auto fourth = worker.run([] {}, [&] { order += '4'; });
    CHECK(fourth != nullptr);
    gate.release();
    REQUIRE(run_until(loop, [&] { return order.size() == 3; }));
    settle(loop);
    CHECK(order == "134");
}

TEST_CASE("cancelled before it has begun: not done; and what it owns is let go at once") {
    Loop loop;
    const ThreadPool pool({.threads = 1, .waiting = 8});
    PoolWorker worker(loop, pool);
    Gate gate;
    int told = 0;
    const auto first = worker.run(gate.work(), [&] { ++told; });
    gate.await_begin();
    const auto owned = std::make_shared<std::atomic<bool>>(false);
    auto second = worker.run([owned] { *owned = true; }, [&told, owned] { told += 100; });
    CHECK(owned.use_count() == 3);
    second.reset();
    CHECK(owned.use_count() == 1);
    gate.release();
    REQUIRE(run_until(loop, [&] { return told == 1; }));
    CHECK_FALSE(*owned);
}

TEST_CASE("cancelled while it is done: the callback is not called, and dies with the job") {
    Loop loop;
    const ThreadPool pool({.threads = 1, .waiting = 8});
    PoolWorker worker(loop, pool);
    Gate gate;
    int told = 0;
    const auto owned = std::make_shared<int>(0);
    auto first = worker.run(gate.work(), [&told, owned] { told += 100; });
    gate.await_begin();
    first.reset();
    CHECK(owned.use_count() == 1);
    gate.release();
    const auto second = worker.run([] {}, [&] { ++told; });
    REQUIRE(run_until(loop, [&] { return told != 0; }));
    CHECK(told == 1);
}

TEST_CASE("cancelled when it is done and the loop does not know yet") {
    Loop loop;
    int told = 0;
    std::unique_ptr<Job> job;
    {
        const ThreadPool pool({.threads = 1, .waiting = 8});
        PoolWorker worker(loop, pool);
        Gate gate;
        job = worker.run(gate.work(), [&] { ++told; });
        gate.await_begin();
        gate.release();
        // The pool's end waits for what is under way.
    }
    job.reset();
    settle(loop);
    CHECK(told == 0);
}

TEST_CASE("the pool's end drops what waits; jobs may outlive it, and it takes nothing more") {
    Loop loop;
    auto pool = std::make_unique<ThreadPool>(ThreadPoolOptions{.threads = 1, .waiting = 8});
    PoolWorker worker(loop, *pool);
    Gate gate;
    int told = 0;
    const auto worked = std::make_shared<std::atomic<int>>(0);
    const auto first = worker.run(gate.work(), [&] { ++told; });
    gate.await_begin();
    const auto second = worker.run([worked] { ++*worked; }, [&] { told += 100; });
    std::thread ending([&] { pool.reset(); });
    // Until the queue is closed it takes work; that it then refuses shows that it is.
    while (worker.run([worked] { ++*worked; }, [] {}) != nullptr) std::this_thread::yield();
    gate.release();
    ending.join();
    REQUIRE(run_until(loop, [&] { return told == 1; }));
    settle(loop);
    CHECK(told == 1);
    CHECK(*worked == 0);
}

TEST_CASE("a loop may end with work under way") {
    const ThreadPool pool({.threads = 1, .waiting = 8});
    Gate gate;
    {
        Loop loop;
        PoolWorker worker(loop, pool);
        const auto job = worker.run(gate.work(), [] { FAIL("nobody is there"); });
        gate.await_begin();
    }
    gate.release();
}

TEST_CASE("the threads leave signals to the loops") {
    Loop loop;
    const ThreadPool pool;
    PoolWorker worker(loop, pool);
    const auto blocked = std::make_shared<std::atomic<int>>(-1);
    int told = 0;
    const auto job = worker.run(
        [blocked] {
            sigset_t now;
            pthread_sigmask(SIG_SETMASK, nullptr, &now);
            *blocked = sigismember(&now, SIGTERM) + sigismember(&now, SIGHUP);
        },
        [&] { ++told; });
    REQUIRE(run_until(loop, [&] { return told == 1; }));
    CHECK(*blocked == 2);
    sigset_t here;
    pthread_sigmask(SIG_SETMASK, nullptr, &here);
    CHECK(sigismember(&here, SIGTERM) == 0);
}

}  // namespace waxseal::net::testing
