#include "upstream/connector.hpp"

#include <cassert>
#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

namespace event = smtp::client_event;

Connector::Connector(Reactor& reactor, Providers providers, std::string label,
                     std::function<void()> notify)
    : reactor_(reactor),
      providers_(std::move(providers)),
      label_(std::move(label)),
      notify_(std::move(notify)),
      queue_alarm_(reactor.alarm([this] {
          queue_expired_ = true;
          notify_();
      })) {
    assert(!providers_.empty());
    begin();
}

Connector::~Connector() {
    dial_.reset();
    if (connection_) connection_->close();
}

void Connector::begin() {
    Provider& provider = *providers_[current_];
    timings_ = {};
    since_ = reactor_.now();
    queue_expired_ = false;
    slot_ = provider.slots.request(notify_);
    if (slot_->granted()) return dial();
    queue_alarm_->arm(provider.timeouts.queue);
}

void Connector::dial() {
    queue_alarm_->disarm();
    timings_.queue = reactor_.now() - since_;
    since_ = reactor_.now();
    dial_ = providers_[current_]->dialer->dial(
        [this](DialResult result) { dialled(std::move(result)); });
}

void Connector::dialled(DialResult result) {
    dialled_ = std::move(result);
    notify_();
}

std::optional<Connector::Outcome> Connector::poll() {
    while (true) {
        if (connection_) {
            auto outcome = log_in();
            if (outcome || connection_) return outcome;
            continue;
        }
        if (dialled_) {
            retire(reactor_, std::move(dial_));
            DialResult result = *std::exchange(dialled_, std::nullopt);
            if (!result) {
                if (auto outcome = failed(result.error())) return outcome;
                continue;
            }
            timings_.connect = reactor_.now() - since_;
            connection_ = std::make_unique<Connection>(reactor_, providers_[current_],
                                                       std::move(*result), std::move(slot_));
            connection_->set_notify(notify_);
            continue;
        }
        if (dial_) return std::nullopt;
        if (slot_ && slot_->granted()) {
            dial();
            return std::nullopt;
        }
        if (!queue_expired_) return std::nullopt;
        if (auto outcome = failed({FailureKind::busy, "no free connection within timeouts.queue"}))
            return outcome;
    }
}

std::optional<Connector::Outcome> Connector::log_in() {
    while (true) {
        smtp::ClientEvent told = connection_->next();
        if (std::holds_alternative<event::NeedInput>(told)) return std::nullopt;
        if (std::holds_alternative<event::Ready>(told)) {
            connection_->timings().queue = timings_.queue;
            connection_->timings().connect = timings_.connect;
            return Outcome(std::move(connection_));
        }
        Failure failure{FailureKind::lost, "the upstream closed the connection"};
        if (auto* bad = std::get_if<event::Failed>(&told)) failure = std::move(bad->failure);
        connection_->close();
        connection_->set_notify(nullptr);
        retire(reactor_, std::move(connection_));
        return failed(failure);
    }
}

// Nothing when another upstream is being tried now.
std::optional<Connector::Outcome> Connector::failed(const Failure& failure) {
    log::warn("upstream_failed", {{"session", label_},
                                  {"upstream", providers_[current_]->name},
                                  {"cause", to_string(failure.kind)},
                                  {"reason", failure.reason}});
    if (!first_failure_) first_failure_ = failure;
    slot_.reset();
    if (++current_ == providers_.size()) {
        --current_;
        return Outcome(std::unexpected(*first_failure_));
    }
    begin();
    return std::nullopt;
}

}  // namespace waxseal::upstream
