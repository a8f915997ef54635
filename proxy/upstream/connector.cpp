#include "upstream/connector.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

namespace event = smtp::client_event;
using Caution = Breaker::Caution;

Connector::Connector(Reactor& reactor, Providers providers, Borrower borrower,
                     std::function<void()> notify)
    : reactor_(reactor),
      providers_(std::move(providers)),
      left_(providers_),
      borrower_(std::move(borrower)),
      notify_(std::move(notify)),
      alarm_(reactor.alarm([this] {
          queue_expired_ = true;
          notify_();
      })) {
    assert(!providers_.empty());
    if (borrowed()) left_.resize(1);
    begin();
    // Known already, which nobody could have been told yet.
    if (!provider_ || dialled_ || (claim_ && claim_->ready())) alarm_->arm({});
}

Connector::~Connector() {
    dial_.reset();
    if (connection_) connection_->close();
}

std::shared_ptr<Provider> Connector::choose() const {
    if (borrowed()) return left_.empty() ? nullptr : left_.front();
    const TimePoint now = reactor_.now();
    const auto first = [this](auto fits) -> std::shared_ptr<Provider> {
        const auto found = std::find_if(left_.begin(), left_.end(),
                                        [&](const auto& one) { return fits(one->breaker); });
        return found == left_.end() ? nullptr : *found;
    };
    if (auto works = first([](const Breaker& one) { return one.closed(); })) return works;
    if (auto due = first([now](const Breaker& one) { return one.due(now); })) return due;
    return first([now](const Breaker& one) { return one.last_resort(now); });
}

void Connector::begin() {
    timings_ = {};
    since_ = reactor_.now();
    queue_expired_ = false;
    if (!borrowed())
        for (const auto& one : left_) one->look_for_other_credentials(since_);
    provider_ = choose();
    const auto& front = providers_.front();
    if (provider_ != front && !failure_) failure_ = front->breaker.failure();
    // Another worker has found it working again, this moment.
    if (!provider_ && !failure_) provider_ = front;
    if (provider_) queue();
}

void Connector::queue() {
    if (borrower_.slot && borrower_.slot_of == provider_.get()) {
        slot_ = std::move(borrower_.slot);
    } else if (provider_->shares() && !borrowed() && !borrower_.fresh) {
        claim_ = provider_->pool->claim(notify_);
        if (claim_->ready()) return;
    } else {
        slot_ = provider_->slots.request(notify_);
    }
    if (may_dial()) return dial();
    alarm_->arm(provider_->timeouts.queue);
}

std::unique_ptr<Connection> Connector::take_ready() {
    auto ready = claim_ ? claim_->connection() : nullptr;
    if (!ready) return nullptr;
    alarm_->disarm();
    claim_.reset();
    ready->set_notify(notify_);
    ready->timings().queue = reactor_.now() - since_;
    return ready;
}

bool Connector::may_dial() {
    if (claim_) slot_ = claim_->slot();
    if (slot_) claim_.reset();
    return slot_ && slot_->granted();
}

void Connector::dial() {
    alarm_->disarm();
    timings_.queue = reactor_.now() - since_;
    // While it waited for the slot the upstream may have gone down.
    const bool passed_over = !borrowed() && !provider_->breaker.closed() && choose() != provider_;
    if (!passed_over && !borrowed()) attempt_ = provider_->breaker.try_begin(reactor_.now());
    // Without one another worker was quicker, and it is to be chosen again.
    if (passed_over || borrowed() || attempt_) std::erase(left_, provider_);
    if (!borrowed() && !attempt_) {
        slot_.reset();
        return begin();
    }
    call();
}

void Connector::call() {
    since_ = reactor_.now();
    auto found = credentials();
    if (!found)
        return dialled(
            std::unexpected(Failure{FailureKind::credentials, std::move(found).error().text}));
    credentials_ = *std::move(found);
    dial_ = provider_->dialer->dial([this](DialResult result) {
        dialled(std::move(result));
        notify_();
    });
}

std::expected<std::optional<smtp::Credentials>, Error> Connector::credentials() const {
    if (borrower_.credentials) return borrower_.credentials->clone();
    return provider_->login_credentials();
}

void Connector::dialled(DialResult result) { dialled_ = std::move(result); }

std::optional<Connector::Outcome> Connector::poll() {
    while (provider_) {
        if (connection_) {
            auto outcome = log_in();
            if (outcome || connection_) return outcome;
        } else if (dialled_) {
            connect();
        } else if (dial_) {
            return std::nullopt;
        } else if (auto ready = take_ready()) {
            return Outcome(std::move(ready));
        } else if (may_dial()) {
            dial();
        } else if (queue_expired_) {
            failed({FailureKind::busy, "no free connection within timeouts.queue"}, Caution::usual);
        } else {
            return std::nullopt;
        }
    }
    alarm_->disarm();
    assert(failure_);
    return Outcome(std::unexpected(*failure_));
}

void Connector::connect() {
    alarm_->disarm();
    retire(reactor_, std::move(dial_));
    DialResult result = *std::exchange(dialled_, std::nullopt);
    if (!result) return failed(result.error(), Caution::usual);
    timings_.connect = reactor_.now() - since_;
    connection_ =
        std::make_unique<Connection>(reactor_, provider_, std::move(*result), std::move(slot_),
                                     std::exchange(credentials_, std::nullopt),
                                     provider_->xclient ? borrower_.client : std::nullopt);
    connection_->set_notify(notify_);
}

std::optional<Connector::Outcome> Connector::log_in() {
    while (true) {
        smtp::ClientEvent told = connection_->next();
        if (std::holds_alternative<event::NeedInput>(told)) return std::nullopt;
        if (std::holds_alternative<event::Ready>(told)) {
            if (attempt_) provider_->succeeded(std::move(attempt_), reactor_.now());
            connection_->timings().queue = timings_.queue;
            connection_->timings().connect = timings_.connect;
            return Outcome(std::move(connection_));
        }
        login_failed(told);
        return std::nullopt;
    }
}

void Connector::login_failed(const smtp::ClientEvent& told) {
    Failure failure{FailureKind::lost, "the upstream closed the connection"};
    const auto* const bad = std::get_if<event::Failed>(&told);
    if (bad != nullptr) failure = bad->failure;
    // A time that has run out was the device's, and is not to be spent twice.
    const bool again = failure.kind != FailureKind::timeout && connection_->offered_in_vain() &&
                       !std::exchange(called_again_, true);
    if (again) slot_ = connection_->take_slot();
    connection_->close();
    connection_->set_notify(nullptr);
    retire(reactor_, std::move(connection_));
    if (again) {
        log::debug("tls_session_refused",
                   {{"upstream", provider_->name}, {"reason", failure.reason}});
        return call();
    }
    const bool refused = failure.kind == FailureKind::credentials;
    if (!refused || !borrowed())
        return failed(failure, refused ? Caution::account : Caution::usual);
    // Its verdict on somebody else's credentials is what was asked for.
    if (bad->refusal) {
        refusal_ = bad->refusal;
    } else {
        tell(failure);
    }
    failure_ = std::move(failure);
    slot_.reset();
    left_.clear();
    provider_.reset();
}

void Connector::tell(const Failure& failure) const {
    log::warn("upstream_failed", {{"session", borrower_.label},
                                  {"upstream", provider_->name},
                                  {"cause", to_string(failure.kind)},
                                  {"reason", failure.reason}});
}

// On to the next upstream, if there is one.
void Connector::failed(const Failure& failure, Breaker::Caution caution) {
    tell(failure);
    if (!failure_ || provider_ == providers_.front()) failure_ = failure;
    claim_.reset();
    slot_.reset();
    credentials_.reset();
    std::erase(left_, provider_);
    if (attempt_) provider_->failed(std::move(attempt_), failure, caution, reactor_.now());
    begin();
}

}  // namespace waxseal::upstream
