#include "upstream/slots.hpp"

#include <utility>

namespace waxseal::upstream {

std::unique_ptr<Slots::Request> Slots::request(std::function<void()> notify) {
    return std::make_unique<Request>(reactor_, state_, std::move(notify));
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
    if (state_->waiting.empty()) {
        --state_->in_use;
        return;
    }
    // The slot passes on: in_use stays as it is.
    Request* next = state_->waiting.front();
    state_->waiting.pop_front();
    next->granted_ = true;
    call_later(reactor_, next->notify_);
}

}  // namespace waxseal::upstream
