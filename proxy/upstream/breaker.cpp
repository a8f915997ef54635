// The machine, single-threaded and pure; and the lock through which everybody gets to it.
#include "upstream/breaker.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
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

// Breaker's functions of the same names, without the lock.
struct Breaker::Machine {
    [[nodiscard]] bool closed() const noexcept { return state == State::closed; }
    [[nodiscard]] bool due(TimePoint now) const noexcept;
    [[nodiscard]] bool last_resort(TimePoint now) const noexcept;
    [[nodiscard]] bool login_refused() const noexcept {
        return state == State::open && caution == Caution::account;
    }
    void begin(const Attempt& attempt, TimePoint now);
    void abandoned(const Attempt& attempt);
    Change succeeded();
    Change failed(const Attempt& attempt, const Failure& why, Caution how, TimePoint now);
    Change open(const Failure& why, Caution how, TimePoint now);

    Random random;
    State state = State::closed;
    Caution caution = Caution::usual;
    std::optional<Failure> failure{};
    TimePoint failed_at{};
    TimePoint down_since{};
    TimePoint due_at{};
    unsigned failures = 0;  // in a row, not counting refused logins
    unsigned refusals = 0;  // of the login, since the last success
    std::uint64_t successes = 0;
    const Attempt* probe = nullptr;
};

bool Breaker::Machine::due(TimePoint now) const noexcept {
    return state == State::open && now >= due_at;
}

bool Breaker::Machine::last_resort(TimePoint now) const noexcept {
    switch (caution) {
        case Caution::message:
            return true;
        case Caution::usual:
            return failures < 2 || now - failed_at >= last_resort_after;
        case Caution::account:
            break;
    }
    return false;
}

void Breaker::Machine::begin(const Attempt& attempt, TimePoint now) {
    if (!due(now)) return;
    state = State::half_open;
    probe = &attempt;
}

void Breaker::Machine::abandoned(const Attempt& attempt) {
    if (probe != &attempt) return;
    probe = nullptr;
    state = State::open;
}

Breaker::Change Breaker::Machine::succeeded() {
    probe = nullptr;
    ++successes;
    failures = 0;
    refusals = 0;
    failure.reset();
    caution = Caution::usual;
    if (std::exchange(state, State::closed) == State::closed) return Change::none;
    return Change::closed;
}

Breaker::Change Breaker::Machine::failed(const Attempt& attempt, const Failure& why, Caution how,
                                         TimePoint now) {
    if (why.kind == FailureKind::busy || attempt.successes_ != successes) {
        abandoned(attempt);
        return Change::none;
    }
    const bool probed = probe == &attempt;
    if (probed) probe = nullptr;
    // Several that fail together are one failure: it counts again only when it is worse than what
    // opened the breaker.
    if (closed() || probed || how > caution) {
        ++(how == Caution::account ? refusals : failures);
        return open(why, how, now);
    }
    failed_at = now;
    if (how == caution) failure = why;
    return Change::none;
}

// Leaves somebody else's probe alone.
Breaker::Change Breaker::Machine::open(const Failure& why, Caution how, TimePoint now) {
    const bool opened = closed();
    if (opened) down_since = now;
    if (opened || probe == nullptr) state = State::open;
    caution = how;
    failure = why;
    failed_at = now;
    const Duration wait =
        how == Caution::account ? after(account, refusals) : after(usual, failures);
    const double factor = 1 - spread + 2 * spread * random();
    due_at = now + std::chrono::duration_cast<Duration>(wait * factor);
    return opened ? Change::opened : Change::none;
}

struct Breaker::Shared {
    std::mutex mutex;
    Machine machine;
};

Breaker::Breaker()
    : Breaker([engine = std::minstd_rand(std::random_device{}())]() mutable {
          return std::uniform_real_distribution<double>(0, 1)(engine);
      }) {}

Breaker::Breaker(Random random) : shared_(std::make_shared<Shared>()) {
    shared_->machine.random = std::move(random);
}

Breaker::State Breaker::state() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.state;
}

bool Breaker::due(TimePoint now) const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.due(now);
}

bool Breaker::last_resort(TimePoint now) const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.last_resort(now);
}

std::optional<Failure> Breaker::failure() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.failure;
}

std::optional<TimePoint> Breaker::due_at() const {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->machine.closed()) return std::nullopt;
    return shared_->machine.due_at;
}

bool Breaker::login_refused() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.login_refused();
}

TimePoint Breaker::down_since() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.down_since;
}

std::unique_ptr<Breaker::Attempt> Breaker::begin(TimePoint now) {
    const std::lock_guard lock(shared_->mutex);
    std::unique_ptr<Attempt> attempt(new Attempt(shared_, shared_->machine.successes));
    shared_->machine.begin(*attempt, now);
    return attempt;
}

std::unique_ptr<Breaker::Attempt> Breaker::try_begin(TimePoint now) {
    const std::lock_guard lock(shared_->mutex);
    Machine& machine = shared_->machine;
    if (!machine.closed() && !machine.due(now) && !machine.last_resort(now)) return nullptr;
    std::unique_ptr<Attempt> attempt(new Attempt(shared_, machine.successes));
    machine.begin(*attempt, now);
    return attempt;
}

Breaker::Attempt::~Attempt() {
    if (!shared_) return;
    const std::lock_guard lock(shared_->mutex);
    shared_->machine.abandoned(*this);
}

Breaker::Change Breaker::succeeded(std::unique_ptr<Attempt> attempt) {
    assert(attempt && attempt->shared_ == shared_);
    attempt->shared_.reset();
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.succeeded();
}

Breaker::Change Breaker::failed(std::unique_ptr<Attempt> attempt, const Failure& failure,
                                Caution caution, TimePoint now) {
    assert(attempt && attempt->shared_ == shared_);
    attempt->shared_.reset();
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.failed(*attempt, failure, caution, now);
}

void Breaker::other_credentials(TimePoint now) {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->machine.login_refused()) shared_->machine.due_at = now;
}

Breaker::Change Breaker::lost(const Failure& failure, TimePoint now) {
    const std::lock_guard lock(shared_->mutex);
    Machine& machine = shared_->machine;
    return machine.closed() ? machine.open(failure, Caution::message, now) : Change::none;
}

}  // namespace waxseal::upstream
