// The Worker of the simulated world: work is an event of its own, in no time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/worker.hpp"
#include "unit/support/sim.hpp"

namespace waxseal::testing {

class FakeWorker final : public Worker {
  public:
    explicit FakeWorker(FakeReactor& reactor) : reactor_(reactor) {}

    enum class Plan {
        does,   // the work, and says so
        hangs,  // takes the work, and never does it
        refuses
    };
    Plan plan = Plan::does;

    [[nodiscard]] std::unique_ptr<Job> run(std::function<void()> work,
                                           std::function<void()> done) override {
        if (plan == Plan::refuses) return nullptr;
        auto job = std::make_unique<FakeJob>(under_way_);
        if (plan == Plan::hangs) return job;
        reactor_.post([alive = std::weak_ptr<int>(job->alive), work = std::move(work),
                       done = std::move(done)] {
            if (alive.expired()) return;
            work();
            done();
        });
        return job;
    }
    // Jobs that are held by somebody, done or not.
    [[nodiscard]] std::size_t under_way() const noexcept { return *under_way_; }

  private:
    struct FakeJob final : Job {
        explicit FakeJob(std::shared_ptr<std::size_t> count) : count_(std::move(count)) {
            ++*count_;
        }
        ~FakeJob() override { --*count_; }
        FakeJob(const FakeJob&) = delete;
        FakeJob& operator=(const FakeJob&) = delete;
        std::shared_ptr<int> alive = std::make_shared<int>(0);

      private:
        std::shared_ptr<std::size_t> count_;
    };
    FakeReactor& reactor_;
    std::shared_ptr<std::size_t> under_way_ = std::make_shared<std::size_t>(0);
};

}  // namespace waxseal::testing
