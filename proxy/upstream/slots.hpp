// How many connections to one upstream may exist at once, over all workers, and who waits, in
// order.
//
// Flow: request() at once gives a Request; granted() says whether it holds a slot now; notify is
// called (through the reactor, never from inside request()) when that changes. Destroying the
// Request gives the slot back, or leaves the queue. beside() makes another worker's door to the
// same slots. After a reload the new Slots succeed() the old ones: all count as one from then on.
// Threads: a Slots and its Requests belong to one worker, whose reactor must outlive what the
// others do; what they share is locked.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "base/reactor.hpp"

namespace waxseal::upstream {

class Slots {
  public:
    class Request;

    Slots(Reactor& reactor, std::size_t capacity)
        : state_(std::make_shared<State>(capacity)), lane_(std::make_shared<Lane>(reactor)) {}

    // The same slots, for another worker.
    [[nodiscard]] Slots beside(Reactor& reactor) const { return {state_, reactor}; }
    [[nodiscard]] std::unique_ptr<Request> request(std::function<void()> notify);
    // Goes on from `previous`, of the same worker, whose holders and waiters stay, with our own
    // capacity: a larger one grants waiters now, a smaller one takes effect as connections end.
    // Before any request().
    void succeed(const Slots& previous);
    // Whether a connection that is not needed any more should go to a request of ours that waits.
    // No: a request of a worker that has fewer connections has waited longer, and the slot is its.
    [[nodiscard]] bool ours_first() const;
    // Over all workers.
    [[nodiscard]] std::size_t in_use() const;
    [[nodiscard]] std::size_t waiting() const;
    [[nodiscard]] bool any_free() const;

  private:
    struct Lane {  // one worker's part; the count is State's to lock
        explicit Lane(Reactor& reactor_) : reactor(reactor_) {}
        Reactor& reactor;
        std::size_t in_use = 0;
    };
    struct State {
        explicit State(std::size_t capacity_) : capacity(capacity_) {}
        std::mutex mutex;
        std::size_t capacity;
        std::size_t in_use = 0;
        std::list<Request*> waiting;
        std::list<Request*> spare;  // held, but their holders could do without: oldest first
    };
    Slots(std::shared_ptr<State> state, Reactor& reactor)
        : state_(std::move(state)), lane_(std::make_shared<Lane>(reactor)) {}

    std::shared_ptr<State> state_;  // outlived by nobody: a Request keeps it
    std::shared_ptr<Lane> lane_;
};

class Slots::Request {
  public:
    Request(std::shared_ptr<State> state, std::shared_ptr<Lane> lane, std::function<void()> notify);
    ~Request();
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    [[nodiscard]] bool granted() const noexcept { return granted_; }
    // The holder keeps this slot only for comfort (a connection between two transactions):
    // `reclaim` is called, through the reactor, when somebody needs it. An empty function withdraws
    // the offer.
    void spare(std::function<void()> reclaim);

  private:
    friend class Slots;
    using Shared = std::shared_ptr<std::function<void()>>;
    static void grant_waiting(const Lane& from, State& state);
    static void call_later(const Lane& from, const Lane& to, std::function<void()> function);
    static void reclaim_one(const Lane& from, const std::shared_ptr<State>& state);

    std::shared_ptr<State> state_;
    std::shared_ptr<Lane> lane_;
    // Emptied at destruction, so that a deferred call finds nothing.
    Shared notify_;
    Shared reclaim_ = std::make_shared<std::function<void()>>();
    std::atomic<bool> granted_ = false;
};

}  // namespace waxseal::upstream
