#include "upstream/breaker.hpp"

#include <algorithm>
#include <cassert>
#include <random>
#include <utility>

namespace waxseal::upstream {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct BackOff {
    Duration first;
    Duration longest;
};
constexpr BackOff usual{seconds(1), minutes(5)};
constexpr BackOff account{seconds(60), minutes(30)};
constexpr double spread = 0.2;
constexpr Duration last_resort_after = seconds(5);

Duration after(BackOff back_off, unsigned failures) {
    Duration wait = back_off.first;
    for (unsigned i = 1; i < failures && wait < back_off.longest; ++i) wait *= 2;
    return std::min(wait, back_off.longest);
}

}  // namespace

Breaker::Breaker()
    : random_([engine = std::minstd_rand(std::random_device{}())]() mutable {
          return std::uniform_real_distribution<double>(0, 1)(engine);
      }) {}

bool Breaker::due(TimePoint now) const noexcept { return state_ == State::open && now >= due_at_; }

bool Breaker::last_resort(TimePoint now) const noexcept {
    switch (caution_) {
        case Caution::message:
            return true;
        case Caution::usual:
            return failures_ < 2 || now - failed_at_ >= last_resort_after;
        case Caution::account:
            break;
    }
    return false;
}

std::optional<TimePoint> Breaker::due_at() const noexcept {
    if (closed()) return std::nullopt;
    return due_at_;
}

std::unique_ptr<Breaker::Attempt> Breaker::begin(TimePoint now) {
    std::unique_ptr<Attempt> attempt(new Attempt(*this));
    if (due(now)) {
        state_ = State::half_open;
        probe_ = attempt.get();
    }
    return attempt;
}

Breaker::Attempt::~Attempt() {
    if (breaker_.probe_ != this) return;
    breaker_.probe_ = nullptr;
    breaker_.state_ = State::open;
}

void Breaker::resume(const Breaker& previous) {
    assert(probe_ == nullptr);
    state_ = previous.state_ == State::half_open ? State::open : previous.state_;
    caution_ = previous.caution_;
    failure_ = previous.failure_;
    failed_at_ = previous.failed_at_;
    down_since_ = previous.down_since_;
    due_at_ = previous.due_at_;
    failures_ = previous.failures_;
    refusals_ = previous.refusals_;
}

Breaker::Change Breaker::succeeded(std::unique_ptr<Attempt> attempt) {
    assert(attempt && &attempt->breaker_ == this);
    probe_ = nullptr;
    ++successes_;
    failures_ = 0;
    refusals_ = 0;
    failure_.reset();
    caution_ = Caution::usual;
    if (std::exchange(state_, State::closed) == State::closed) return Change::none;
    return Change::closed;
}

Breaker::Change Breaker::failed(std::unique_ptr<Attempt> attempt, const Failure& failure,
                                Caution caution, TimePoint now) {
    assert(attempt && &attempt->breaker_ == this);
    if (failure.kind == FailureKind::busy || attempt->successes_ != successes_) return Change::none;
    const bool probe = probe_ == attempt.get();
    if (probe) probe_ = nullptr;
    // Several that fail together are one failure: it counts again only when it is worse than what
    // opened the breaker.
    if (closed() || probe || caution > caution_) {
        ++(caution == Caution::account ? refusals_ : failures_);
        return open(failure, caution, now);
    }
    failed_at_ = now;
    if (caution == caution_) failure_ = failure;
    return Change::none;
}

void Breaker::other_credentials(TimePoint now) noexcept {
    if (login_refused()) due_at_ = now;
}

Breaker::Change Breaker::lost(const Failure& failure, TimePoint now) {
    return closed() ? open(failure, Caution::message, now) : Change::none;
}

// Leaves somebody else's probe alone.
Breaker::Change Breaker::open(const Failure& failure, Caution caution, TimePoint now) {
    const bool opened = closed();
    if (opened) down_since_ = now;
    if (opened || probe_ == nullptr) state_ = State::open;
    caution_ = caution;
    failure_ = failure;
    failed_at_ = now;
    const Duration wait =
        caution == Caution::account ? after(account, refusals_) : after(usual, failures_);
    const double factor = 1 - spread + 2 * spread * random_();
    due_at_ = now + std::chrono::duration_cast<Duration>(wait * factor);
    return opened ? Change::opened : Change::none;
}

}  // namespace waxseal::upstream
