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
// right to probe is free again.
// Threads: all workers share one, or a dead upstream would be tried, and an account refused, once
// for each of them. A copy is another view on the same. What two questions are answered need not be
// of one moment, so who has chosen asks try_begin().
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
    explicit Breaker(Random random);

    [[nodiscard]] State state() const;
    [[nodiscard]] bool closed() const { return state() == State::closed; }
    // Open, and the back-off is over: an attempt now would be the probe.
    [[nodiscard]] bool due(TimePoint now) const;
    [[nodiscard]] bool last_resort(TimePoint now) const;
    // What it failed of last; nothing while it is closed.
    [[nodiscard]] std::optional<Failure> failure() const;
    // When an attempt may probe it, or might have; nothing while it is closed.
    [[nodiscard]] std::optional<TimePoint> due_at() const;
    // Open because the login was refused.
    [[nodiscard]] bool login_refused() const;
    // Since when it is not closed.
    [[nodiscard]] TimePoint down_since() const;

    [[nodiscard]] std::unique_ptr<Attempt> begin(TimePoint now);
    // The same; null when nobody may try any more: another worker has begun the probe, or failed.
    [[nodiscard]] std::unique_ptr<Attempt> try_begin(TimePoint now);
    Change succeeded(std::unique_ptr<Attempt> attempt);
    Change failed(std::unique_ptr<Attempt> attempt, const Failure& failure, Caution caution,
                  TimePoint now);
    // There are other credentials than those that were refused: the back-off is over.
    void other_credentials(TimePoint now);
    // A connection was lost inside a transaction.
    Change lost(const Failure& failure, TimePoint now);

  private:
    struct Machine;
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

class Breaker::Attempt {
  public:
    ~Attempt();
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

  private:
    friend class Breaker;
    Attempt(std::shared_ptr<Shared> shared, std::uint64_t successes)
        : shared_(std::move(shared)), successes_(successes) {}
    std::shared_ptr<Shared> shared_;
    std::uint64_t successes_;  // of all attempts when this one began
};

}  // namespace waxseal::upstream
