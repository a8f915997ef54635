// The contract of Worker, kept by the one of the simulated world.
#include "base/worker.hpp"

#include <doctest/doctest.h>

#include <string>

#include "unit/support/sim_worker.hpp"

using namespace waxseal;
using namespace waxseal::testing;

TEST_CASE("work and its end are an event of their own, in the order of asking") {
    FakeReactor reactor;
    FakeWorker worker(reactor);
    std::string order;
    const auto first = worker.run([&] { order += "a"; }, [&] { order += "A"; });
    const auto second = worker.run([&] { order += "b"; }, [&] { order += "B"; });
    CHECK(order.empty());
    CHECK(worker.under_way() == 2);
    reactor.run_until_idle();
    CHECK(order == "aAbB");
}

TEST_CASE("a job may destroy itself in its callback, and is cancelled before it by its end") {
    FakeReactor reactor;
    FakeWorker worker(reactor);
    std::string order;
    std::unique_ptr<Job> first;
    std::unique_ptr<Job> second;
    first = worker.run([&] { order += "a"; },
                       [&] {
                           first.reset();
                           second.reset();
                           order += "A";
                       });
    second = worker.run([&] { order += "b"; }, [&] { order += "B"; });
    reactor.run_until_idle();
    CHECK(order == "aA");
    CHECK(worker.under_way() == 0);
}

TEST_CASE("a worker may hang, or have too much to do") {
    FakeReactor reactor;
    FakeWorker worker(reactor);
    int told = 0;
    worker.plan = FakeWorker::Plan::hangs;
    const auto job = worker.run([&] { ++told; }, [&] { ++told; });
    CHECK(job != nullptr);
    worker.plan = FakeWorker::Plan::refuses;
    CHECK(worker.run([&] { ++told; }, [&] { ++told; }) == nullptr);
    reactor.run_until_idle();
    CHECK(told == 0);
    CHECK(worker.under_way() == 1);
}
