// Whether an upstream is worth trying now: a circuit breaker, pure over TimePoint.
//
// closed     It works, as far as is known: everybody may try.
// open       It failed. Nobody tries until a back-off is over, so that a dead upstream costs
//            a session nothing while there is another one.
// half-open  The back-off is over and one attempt, the probe, is under way. Its success closes, its
//            failure opens for twice as long.
//
// Opens at the first failure on the way to a login (name lookup, connect, TLS, greeting, EHLO,
// login, a reply that does not come): with another upstream at hand a second try gains nothing, and
// without one the last resort below applies. Back-off: 1 s doubling to 5 min, spread by a fifth
// either way, so that many proxies do not come back at the same moment (the first step and the
// spread are those of gRPC's connection-backoff.md; the longest is what an administrator will wait
// who has just repaired it).
//   `busy` says nothing about the upstream and does not count. A refused login is repeated after
//   60 s, doubling to 30 min: no more than four in ten minutes, under what locks an account or bans
//   an address (fail2ban: five in ten minutes); with other credentials, at once. A connection lost
//   inside a transaction opens, too, but it may have been that message: so it never lengthens a
//   back-off, and the last resort need not wait. What an attempt meets that began before the last
//   success is old news and ignored.
//
// The last resort is for a session that has no better upstream. It must not be turned away for
// minutes because of one old failure, and a crowd must not hammer a dead upstream. So after a first
// failure it is tried at once (a device that tries again finds a hiccup over), and after several in
// a row when the last is 5 s old; until then that failure is the session's answer, at no cost.
// After a refused login there is no last resort: until the back-off is over, its failure is the
// answer.
//
// Flow: choose by closed(), due(), last_resort(); begin() an attempt, and give it to succeeded() or
// failed() when its outcome is known. An attempt that is only destroyed has found out nothing: the
// right to probe is free again. It must not outlive the breaker. Single-threaded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/reactor.hpp"

namespace waxseal::upstream {

class Breaker {
  public:
    enum class State : std::uint8_t { closed, open, half_open };
    // How soon a failure may be followed by another attempt.
    enum class Caution : std::uint8_t {
        message,  // it may have been that message alone
        usual,
        account,  // the account may be locked if this goes on
    };
    enum class Change : std::uint8_t { none, opened, closed };
    // Uniform in [0, 1).
    using Random = std::function<double()>;
    class Attempt;

    Breaker();  // with randomness of its own
    explicit Breaker(Random random) : random_(std::move(random)) {}

    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] bool closed() const noexcept { return state_ == State::closed; }
    // Open, and the back-off is over: an attempt now would be the probe.
    [[nodiscard]] bool due(TimePoint now) const noexcept;
    [[nodiscard]] bool last_resort(TimePoint now) const noexcept;
    // What it failed of last; nothing while it is closed.
    [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }
    // When an attempt may probe it, or might have; nothing while it is closed.
    [[nodiscard]] std::optional<TimePoint> due_at() const noexcept;
    // Open because the login was refused.
    [[nodiscard]] bool login_refused() const noexcept {
        return state_ == State::open && caution_ == Caution::account;
    }
    // Since when it is not closed.
    [[nodiscard]] TimePoint down_since() const noexcept { return down_since_; }

    [[nodiscard]] std::unique_ptr<Attempt> begin(TimePoint now);
    Change succeeded(std::unique_ptr<Attempt> attempt);
    Change failed(std::unique_ptr<Attempt> attempt, const Failure& failure, Caution caution,
                  TimePoint now);
    // Goes on from where the one before a reload stands. A probe under way there is none here: the
    // right to it is free.
    void resume(const Breaker& previous);
    // There are other credentials than those that were refused: the back-off is over.
    void other_credentials(TimePoint now) noexcept;
    // A connection was lost inside a transaction.
    Change lost(const Failure& failure, TimePoint now);

  private:
    Change open(const Failure& failure, Caution caution, TimePoint now);

    Random random_;
    State state_ = State::closed;
    Caution caution_ = Caution::usual;
    std::optional<Failure> failure_;
    TimePoint failed_at_{};
    TimePoint down_since_{};
    TimePoint due_at_{};
    unsigned failures_ = 0;  // in a row, not counting refused logins
    unsigned refusals_ = 0;  // of the login, since the last success
    std::uint64_t successes_ = 0;
    const Attempt* probe_ = nullptr;
};

class Breaker::Attempt {
  public:
    ~Attempt();
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

  private:
    friend class Breaker;
    explicit Attempt(Breaker& breaker) : breaker_(breaker), successes_(breaker.successes_) {}
    Breaker& breaker_;
    std::uint64_t successes_;  // of all attempts when this one began
};

}  // namespace waxseal::upstream
