// How many connections to one upstream may exist at once, and who waits, in order.
//
// Flow: request() at once gives a Request; granted() says whether it holds a slot now; notify is
// called (through the reactor, never from inside request()) when that changes. Destroying the
// Request gives the slot back, or leaves the queue. After a reload the new Slots succeed() the old
// ones: all count as one from then on. Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "base/reactor.hpp"

namespace waxseal::upstream {

class Slots {
  public:
    class Request;

    Slots(Reactor& reactor, std::size_t capacity)
        : reactor_(reactor), state_(std::make_shared<State>(capacity)) {}

    [[nodiscard]] std::unique_ptr<Request> request(std::function<void()> notify);
    // Goes on from `previous`, whose holders and waiters stay, with our own capacity: a larger one
    // grants waiters now, a smaller one takes effect as connections end. Before any request().
    void succeed(const Slots& previous);
    [[nodiscard]] std::size_t in_use() const noexcept { return state_->in_use; }
    [[nodiscard]] std::size_t waiting() const noexcept { return state_->waiting.size(); }

  private:
    struct State {
        explicit State(std::size_t capacity_) : capacity(capacity_) {}
        std::size_t capacity;
        std::size_t in_use = 0;
        std::list<Request*> waiting;
        std::list<Request*> spare;  // held, but their holders could do without: oldest first
    };
    Reactor& reactor_;
    std::shared_ptr<State> state_;  // outlived by nobody: a Request keeps it
};

class Slots::Request {
  public:
    Request(Reactor& reactor, std::shared_ptr<State> state, std::function<void()> notify);
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
    static void grant_waiting(Reactor& reactor, State& state);
    static void call_later(Reactor& reactor,
                           const std::shared_ptr<std::function<void()>>& function);
    static void reclaim_one(Reactor& reactor, const std::shared_ptr<State>& state);

    Reactor& reactor_;
    std::shared_ptr<State> state_;
    // Emptied at destruction, so that a deferred call finds nothing.
    std::shared_ptr<std::function<void()>> notify_;
    std::shared_ptr<std::function<void()>> reclaim_ = std::make_shared<std::function<void()>>();
    bool granted_ = false;
};

}  // namespace waxseal::upstream
