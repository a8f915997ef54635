#include "upstream/slots.hpp"

#include <cassert>
#include <utility>

namespace waxseal::upstream {

std::unique_ptr<Slots::Request> Slots::request(std::function<void()> notify) {
    return std::make_unique<Request>(state_, lane_, std::move(notify));
}

void Slots::succeed(const Slots& previous) {
    std::size_t capacity = 0;
    {
        const std::lock_guard lock(state_->mutex);
        assert(lane_->in_use == 0);
        capacity = state_->capacity;
    }
    state_ = previous.state_;
    lane_ = previous.lane_;
    const std::lock_guard lock(state_->mutex);
    state_->capacity = capacity;
    Request::grant_waiting(*lane_, *state_);
}

bool Slots::ours_first() const {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.empty()) return true;
    const Lane& first = *state_->waiting.front()->lane_;
    return &first == lane_.get() || first.in_use >= lane_->in_use;
}

std::size_t Slots::in_use() const {
    const std::lock_guard lock(state_->mutex);
    return state_->in_use;
}

std::size_t Slots::waiting() const {
    const std::lock_guard lock(state_->mutex);
    return state_->waiting.size();
}

bool Slots::any_free() const {
    const std::lock_guard lock(state_->mutex);
    return state_->in_use < state_->capacity;
}

Slots::Request::Request(std::shared_ptr<State> state, std::shared_ptr<Lane> lane,
                        std::function<void()> notify)
    : state_(std::move(state)),
      lane_(std::move(lane)),
      notify_(std::make_shared<std::function<void()>>(std::move(notify))) {
    const std::lock_guard lock(state_->mutex);
    if (state_->in_use < state_->capacity) {
        ++state_->in_use;
        ++lane_->in_use;
        granted_ = true;
    } else {
        state_->waiting.push_back(this);
        reclaim_one(*lane_, state_);
    }
}

void Slots::Request::spare(std::function<void()> reclaim) {
    *reclaim_ = std::move(reclaim);
    const std::lock_guard lock(state_->mutex);
    state_->spare.remove(this);
    if (!*reclaim_) return;
    state_->spare.push_back(this);
    if (!state_->waiting.empty()) reclaim_one(*lane_, state_);
}

// One waiting request asks one holder: each that begins to wait, and each offer that finds somebody
// waiting. With the lock held.
void Slots::Request::reclaim_one(const Lane& from, const std::shared_ptr<State>& state) {
    if (state->spare.empty()) return;
    Request* const holder = state->spare.front();
    state->spare.pop_front();
    call_later(from, *holder->lane_, [state, lane = holder->lane_, reclaim = holder->reclaim_] {
        if (const auto call = *reclaim) return call();
        // It has found a use for it meanwhile: then another is asked.
        const std::lock_guard lock(state->mutex);
        if (!state->waiting.empty()) reclaim_one(*lane, state);
    });
}

// On the thread of `to`, whose own functions are the only ones that are touched there.
void Slots::Request::call_later(const Lane& from, const Lane& to, std::function<void()> function) {
    if (&from.reactor == &to.reactor) return to.reactor.defer(std::move(function));
    to.reactor.post(std::move(function));
}

Slots::Request::~Request() {
    *notify_ = nullptr;
    *reclaim_ = nullptr;
    const std::lock_guard lock(state_->mutex);
    state_->spare.remove(this);
    if (!granted_) {
        state_->waiting.remove(this);
        return;
    }
    --state_->in_use;
    --lane_->in_use;
    if (state_->in_use < state_->capacity) {
        grant_waiting(*lane_, *state_);
    } else if (!state_->waiting.empty()) {
        // Too many still for a capacity that has become smaller: the next holder is asked.
        reclaim_one(*lane_, state_);
    }
}

// With the lock held.
void Slots::Request::grant_waiting(const Lane& from, State& state) {
    while (!state.waiting.empty() && state.in_use < state.capacity) {
        Request* const next = state.waiting.front();
        state.waiting.pop_front();
        ++state.in_use;
        ++next->lane_->in_use;
        next->granted_ = true;
        call_later(from, *next->lane_, [notify = next->notify_] {
            if (const auto call = *notify) call();
        });
    }
}

}  // namespace waxseal::upstream
