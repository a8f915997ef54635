// The ready connections of one upstream and account in one worker: connected, verified, logged in,
// between transactions; and who waits for one, in order.
//
// A connection is lent for one transaction and given back after it. It may be given back with
// replies still to come (RSET after an abandoned envelope): it is lent again only when all have,
// and were good. What was not clean is never kept: an error, an octet that nobody asked for, a body
// that was not finished (threats: what one borrower has left must not meet the next). The next
// borrower begins with RSET all the same.
//
// How many are kept: `idle_connections` until `idle_timeout`, and those beyond for a moment, so
// that devices that send one message after another do not meet a closed door each time. If the
// upstream itself closes one that was idle, that time, less a quarter, becomes the limit. Opening
// ahead: expect() says that a device will want one; if then fewer are at hand than are expected,
// on_lack is called, and whoever opens one (upstream/keeper.hpp) holds an Opening meanwhile: a
// claim without a connection waits for it rather than dial for itself.
//
// Flow: claim(), then poll the claim: a connection, or a slot with the duty to dial; give() back
// what may be used again; close() at the end of the pool's time (a reload, a drain): claims go on
// being answered with slots, and nothing is kept any more. Without it a connection that is kept
// would keep its provider, and so the pool. Single-threaded; destroy outside its own calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <variant>

#include "base/reactor.hpp"
#include "upstream/slots.hpp"

namespace waxseal::upstream {

class Connection;

struct PoolSettings {
    std::size_t idle_connections = 0;  // at least 1; who wants none has no pool
    Duration idle_timeout{};
};

class Pool {
  public:
    class Claim;
    class Opening;
    class Expectation;

    Pool(Reactor& reactor, Slots& slots, PoolSettings settings);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // `notify` is called, through the reactor, when poll() has something new to say.
    [[nodiscard]] std::unique_ptr<Claim> claim(std::function<void()> notify);
    void give(std::unique_ptr<Connection> connection);
    void close();

    // A device that has said hello, until it claims or goes.
    [[nodiscard]] std::unique_ptr<Expectation> expect();
    void on_lack(std::function<void()> open) { open_ = std::move(open); }
    // One connection more is being opened for the pool.
    [[nodiscard]] std::unique_ptr<Opening> opening();
    // Fewer than are expected are at hand, and one may be opened without taking it from who waits.
    [[nodiscard]] bool lacks() const;

    [[nodiscard]] std::size_t idle() const noexcept;
    [[nodiscard]] Duration idle_limit() const noexcept;

  private:
    struct Held {
        std::unique_ptr<Connection> connection;
        TimePoint since;       // it is idle
        bool ready = false;    // nothing of the last borrower is still to come
        bool offered = false;  // its slot, to whoever has more use for it
    };
    using Place = std::list<Held>::iterator;

    void offer(Place place);
    void watch(Place place);
    void look_at(Place place);
    void drop(Place place, bool lost);
    void learn(Duration idle);
    [[nodiscard]] std::unique_ptr<Connection> take(Place place);
    void dismiss(std::unique_ptr<Connection> connection);
    void serve(std::unique_ptr<Connection> connection);
    [[nodiscard]] std::size_t coming() const noexcept;
    void fewer_come();
    void sweep();
    void rearm();
    [[nodiscard]] std::size_t waiting_for_openings() const noexcept;

    Reactor& reactor_;
    Slots& slots_;
    PoolSettings settings_;
    std::list<Held> held_;  // the one that was used last is at the back, and is lent first
    std::list<Claim*> claims_;
    std::function<void()> open_;
    std::size_t openings_ = 0;
    std::size_t expected_ = 0;
    std::optional<Duration> learned_;
    std::unique_ptr<Alarm> alarm_;
    std::optional<TimePoint> next_sweep_;
    bool closed_ = false;
    // For what may outlive the pool.
    std::shared_ptr<Pool*> self_ = std::make_shared<Pool*>(this);
};

// One borrower's place in the queue.
class Pool::Claim {
  public:
    Claim(Pool& pool, std::function<void()> notify);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    [[nodiscard]] bool ready() const noexcept { return connection_ != nullptr; }
    // Once each: a connection that is ready, or a slot to open one with.
    [[nodiscard]] std::unique_ptr<Connection> connection() noexcept;
    [[nodiscard]] std::unique_ptr<Slots::Request> slot() noexcept;

  private:
    friend class Pool;
    void dial_yourself();
    void wake();

    std::shared_ptr<Pool*> pool_;
    Reactor& reactor_;
    std::shared_ptr<std::function<void()>> notify_;  // emptied at destruction
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<Slots::Request> slot_;  // or none: it waits for an Opening
};

class Pool::Opening {
  public:
    explicit Opening(Pool& pool) : pool_(pool.self_) {}
    ~Opening();
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

  private:
    std::shared_ptr<Pool*> pool_;
};

class Pool::Expectation {
  public:
    explicit Expectation(Pool& pool) : pool_(pool.self_) { ++pool.expected_; }
    ~Expectation() {
        if (*pool_ != nullptr) --(*pool_)->expected_;
    }
    Expectation(const Expectation&) = delete;
    Expectation& operator=(const Expectation&) = delete;

  private:
    std::shared_ptr<Pool*> pool_;
};

}  // namespace waxseal::upstream
