#include "upstream/slots.hpp"

#include <cassert>
#include <utility>

namespace waxseal::upstream {

std::unique_ptr<Slots::Request> Slots::request(std::function<void()> notify) {
    return std::make_unique<Request>(reactor_, state_, std::move(notify));
}

void Slots::succeed(const Slots& previous) {
    assert(in_use() == 0 && waiting() == 0);
    const std::size_t capacity = state_->capacity;
    state_ = previous.state_;
    state_->capacity = capacity;
    Request::grant_waiting(reactor_, *state_);
}

Slots::Request::Request(Reactor& reactor, std::shared_ptr<State> state,
                        std::function<void()> notify)
    : reactor_(reactor),
      state_(std::move(state)),
      notify_(std::make_shared<std::function<void()>>(std::move(notify))) {
    if (state_->in_use < state_->capacity) {
        ++state_->in_use;
        granted_ = true;
    } else {
        state_->waiting.push_back(this);
        reclaim_one(reactor_, state_);
    }
}

void Slots::Request::spare(std::function<void()> reclaim) {
    state_->spare.remove(this);
    *reclaim_ = std::move(reclaim);
    if (!*reclaim_) return;
    state_->spare.push_back(this);
    if (!state_->waiting.empty()) reclaim_one(reactor_, state_);
}

// One waiting request asks one holder: each that begins to wait, and each offer that finds somebody
// waiting.
void Slots::Request::reclaim_one(Reactor& reactor, const std::shared_ptr<State>& state) {
    if (state->spare.empty()) return;
    Request* const holder = state->spare.front();
    state->spare.pop_front();
    reactor.defer([&reactor, state, reclaim = holder->reclaim_] {
        if (const auto call = *reclaim) return call();
        // It has found a use for it meanwhile: then another is asked.
        if (!state->waiting.empty()) reclaim_one(reactor, state);
    });
}

void Slots::Request::call_later(Reactor& reactor,
                                const std::shared_ptr<std::function<void()>>& function) {
    reactor.defer([function] {
        if (const auto call = *function) call();
    });
}

Slots::Request::~Request() {
    *notify_ = nullptr;
    *reclaim_ = nullptr;
    state_->spare.remove(this);
    if (!granted_) {
        state_->waiting.remove(this);
        return;
    }
    --state_->in_use;
    if (state_->in_use < state_->capacity) {
        grant_waiting(reactor_, *state_);
    } else if (!state_->waiting.empty()) {
        // Too many still for a capacity that has become smaller: the next holder is asked.
        reclaim_one(reactor_, state_);
    }
}

void Slots::Request::grant_waiting(Reactor& reactor, State& state) {
    while (!state.waiting.empty() && state.in_use < state.capacity) {
        Request* const next = state.waiting.front();
        state.waiting.pop_front();
        ++state.in_use;
        next->granted_ = true;
        call_later(reactor, next->notify_);
    }
}

}  // namespace waxseal::upstream
