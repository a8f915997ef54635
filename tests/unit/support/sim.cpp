// FakeReactor and FakeDialer. The Wire is in sim_wire.cpp.
#include "unit/support/sim.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace waxseal::testing {

namespace {
// More events than any test has without time passing: beyond, two parts wake each other for ever.
constexpr std::size_t livelock = 10'000'000;
}  // namespace

// --- FakeReactor

class FakeReactor::Appointment final : public Alarm {
  public:
    Appointment(FakeReactor& reactor, std::function<void()> on_expiry)
        : reactor_(reactor), on_expiry_(std::move(on_expiry)) {
        reactor_.appointments_.push_back(this);
    }
    ~Appointment() override { reactor_.appointments_.remove(this); }
    void arm(Duration delay) override {
        due = reactor_.now_ + std::max(delay, Duration(0));
        order = ++reactor_.order_;
    }
    void disarm() override { due.reset(); }
    // A copy is called: the alarm may be destroyed meanwhile.
    void fire() {
        due.reset();
        const auto call = on_expiry_;
        call();
    }

    std::optional<TimePoint> due;
    std::uint64_t order = 0;

  private:
    FakeReactor& reactor_;
    std::function<void()> on_expiry_;
};

std::unique_ptr<Alarm> FakeReactor::alarm(std::function<void()> on_expiry) {
    return std::make_unique<Appointment>(*this, std::move(on_expiry));
}

void FakeReactor::defer(std::function<void()> function) {
    deferred_.push_back(std::move(function));
}

void FakeReactor::post(std::function<void()> event) { posted_.push_back(std::move(event)); }

void FakeReactor::run_deferred() {
    for (std::size_t count = 0; !deferred_.empty(); ++count) {
        if (count == livelock) throw std::logic_error("deferred functions without end");
        const auto function = std::move(deferred_.front());
        deferred_.pop_front();
        function();
    }
}

FakeReactor::Appointment* FakeReactor::next_due() const noexcept {
    Appointment* best = nullptr;
    for (Appointment* const candidate : appointments_) {
        if (!candidate->due) continue;
        if (best == nullptr || *candidate->due < *best->due ||
            (*candidate->due == *best->due && candidate->order < best->order))
            best = candidate;
    }
    return best;
}

bool FakeReactor::fire_due() {
    Appointment* const due = next_due();
    if (due == nullptr || *due->due > now_) return false;
    due->fire();
    run_deferred();
    return true;
}

bool FakeReactor::run_one() {
    run_deferred();
    if (posted_.empty()) return fire_due();
    const std::size_t which = choose ? choose(posted_.size()) % posted_.size() : 0;
    const auto event = std::move(posted_[which]);
    posted_.erase(posted_.begin() + static_cast<std::ptrdiff_t>(which));
    event();
    run_deferred();
    return true;
}

void FakeReactor::run_until_idle() {
    for (std::size_t count = 0; run_one(); ++count) {
        if (count == livelock) throw std::logic_error("events without end");
    }
}

void FakeReactor::advance(Duration duration) {
    const TimePoint target = now_ + duration;
    run_until_idle();
    for (Appointment* due = next_due(); due != nullptr && *due->due <= target; due = next_due()) {
        now_ = std::max(now_, *due->due);
        run_until_idle();
    }
    now_ = target;
}

bool FakeReactor::advance_to_next_alarm() {
    run_until_idle();
    const Appointment* const due = next_due();
    if (due == nullptr) return false;
    now_ = *due->due;
    run_until_idle();
    return true;
}

std::size_t FakeReactor::armed() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(appointments_.begin(), appointments_.end(),
                      [](const Appointment* one) { return one->due.has_value(); }));
}

// --- FakeDialer

class FakeDialer::Attempt final : public Dial {
  public:
    Attempt(std::shared_ptr<std::size_t> count, std::function<void(DialResult)> on_result)
        : on_result_(std::move(on_result)), count_(std::move(count)) {
        ++*count_;
    }
    ~Attempt() override { --*count_; }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    std::unique_ptr<Alarm> delay;
    void finish(DialResult result) {
        const auto call = std::exchange(on_result_, nullptr);
        if (call) call(std::move(result));
    }

  private:
    std::function<void(DialResult)> on_result_;
    std::shared_ptr<std::size_t> count_;
};

std::unique_ptr<Dial> FakeDialer::dial(std::function<void(DialResult)> on_result) {
    ++dials_;
    if (on_dial) on_dial();
    DialPlan plan = otherwise;
    if (!plans.empty()) {
        plan = std::move(plans.front());
        plans.pop_front();
    }
    auto attempt = std::make_unique<Attempt>(under_way_, std::move(on_result));
    if (plan.hangs) return attempt;
    attempt->delay = reactor_.alarm([this, plan, self = attempt.get()] {
        if (plan.failure) return self->finish(std::unexpected(*plan.failure));
        self->finish(connect_()->channel());
    });
    attempt->delay->arm(plan.after);
    return attempt;
}

}  // namespace waxseal::testing
