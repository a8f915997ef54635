// The Wire: the product's end of it as a Channel, the peer's end, and what is between.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "unit/support/sim.hpp"
#include "unit/support/verified.hpp"

namespace waxseal::testing {

// --- Wire: the product's end

class Wire::Memory final : public Channel {
  public:
    explicit Memory(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
    ~Memory() override {
        wire_->memory_ = nullptr;
        wire_->notify_ = nullptr;
        if (!wire_->closing_) wire_->leave(Fate::aborted);
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    void set_notify(std::function<void()> notify) override { wire_->notify_ = std::move(notify); }
    std::string_view readable() override;
    void consume(std::size_t n) override;
    void want_input(bool on) override;
    [[nodiscard]] EndOfInput end() const noexcept override {
        return wire_->drained() ? wire_->verdict_ : EndOfInput::none;
    }
    [[nodiscard]] Failure failure() const override { return wire_->failure_; }
    std::size_t write(std::string_view bytes) override;
    [[nodiscard]] bool broken() const noexcept override {
        return wire_->verdict_ == EndOfInput::failed || wire_->verdict_ == EndOfInput::truncated;
    }
    [[nodiscard]] bool flushed() const noexcept override { return wire_->in_flight_.empty(); }
    [[nodiscard]] Delivery delivery() const noexcept override { return wire_->delivery(); }
    void start_tls(Unread unread = Unread::is_violation) override { wire_->begin_tls(unread); }
    [[nodiscard]] TlsPhase tls() const noexcept override { return wire_->tls_; }
    [[nodiscard]] TlsDetails tls_details() const override {
        if (wire_->tls_ != TlsPhase::established) return {};
        return {"TLSv1.3", "TLS_AES_256_GCM_SHA384"};
    }
    [[nodiscard]] std::optional<VerifiedPeer> verified_peer() const override {
        if (!wire_->verified_) return std::nullopt;
        return VerifiedAccess::make();
    }
    [[nodiscard]] bool offered_session() const noexcept override {
        return wire_->options_.offers_session && wire_->tls_ != TlsPhase::none;
    }
    [[nodiscard]] std::string peer_address() const override { return wire_->options_.peer_address; }
    void close() override;
    void abort() override { wire_->leave(Fate::aborted); }

  private:
    std::shared_ptr<Wire> wire_;
};

std::string_view Wire::Memory::readable() {
    Wire& wire = *wire_;
    if (wire.tls_ == TlsPhase::handshaking || wire.closing_ || wire.fate_ != Fate::open) return {};
    const bool rest = wire.served_ && !wire.served_->empty();
    if (rest) {
        wire.served_ = std::make_unique<std::string>(*wire.served_);
    } else if (!wire.arrived_.empty()) {
        wire.served_ = std::make_unique<std::string>(std::move(wire.arrived_.front()));
        wire.arrived_.pop_front();
    } else {
        wire.served_.reset();
        wire.starved_ = true;
        return {};
    }
    return *wire.served_;
}

void Wire::Memory::consume(std::size_t n) {
    assert(wire_->served_ ? n <= wire_->served_->size() : n == 0);
    if (wire_->served_) wire_->served_ = std::make_unique<std::string>(wire_->served_->substr(n));
}

void Wire::Memory::want_input(bool on) {
    if (on == wire_->wants_input_) return;
    wire_->wants_input_ = on;
    if (on) wire_->schedule_arrival();
}

std::size_t Wire::Memory::write(std::string_view bytes) {
    Wire& wire = *wire_;
    const bool possible = !wire.closing_ && wire.fate_ == Fate::open &&
                          wire.verdict_ != EndOfInput::failed && wire.tls_ != TlsPhase::handshaking;
    if (!possible || !wire.in_flight_.empty() || bytes.empty()) return 0;
    ++wire.writes_;
    wire.in_flight_ = bytes.substr(0, limits::tls_record);
    const std::size_t taken = wire.in_flight_.size();
    if (wire.options_.writes_at_once && taken <= wire.window_) {
        wire.take_window(taken);
        wire.carry(std::exchange(wire.in_flight_, {}));
    } else {
        wire.schedule_transmission();
    }
    return taken;
}

void Wire::Memory::close() {
    if (wire_->closing_ || wire_->fate_ != Fate::open) return;
    wire_->closing_ = true;
    wire_->schedule_transmission();
}

// --- Wire: the peer's end, and what is between

std::shared_ptr<Wire> Wire::make(FakeReactor& reactor, Options options) {
    return std::shared_ptr<Wire>(new Wire(reactor, std::move(options)));
}

std::unique_ptr<Channel> Wire::channel() {
    assert(!made_);
    made_ = true;
    auto memory = std::make_unique<Memory>(shared_from_this());
    memory_ = memory.get();
    if (options_.implicit_tls) begin_tls(Unread::is_violation);
    schedule_arrival();
    return memory;
}

void Wire::feed(std::string_view bytes) {
    if (bytes.empty() || ended()) return;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), limits::read_block)))
        outside_.emplace_back(bytes.substr(0, limits::read_block));
    schedule_arrival();
}

void Wire::end(EndOfInput how, Failure why) {
    if (ended()) return;
    coming_end_ = how;
    failure_ = how == EndOfInput::clean ? Failure{FailureKind::lost, {}} : std::move(why);
    if (how == EndOfInput::failed) lose_in_flight();
    schedule_arrival();
}

void Wire::set_window(std::size_t octets) {
    window_ = octets;
    schedule_transmission();
}

void Wire::widen_window(std::size_t octets) {
    const std::size_t most = std::numeric_limits<std::size_t>::max();
    set_window(octets > most - window_ ? most : window_ + octets);
}

void Wire::take_window(std::size_t octets) noexcept {
    if (window_ != std::numeric_limits<std::size_t>::max()) window_ -= octets;
}

std::size_t Wire::unread() const noexcept {
    std::size_t total = served_ ? served_->size() : 0;
    for (const auto& block : arrived_) total += block.size();
    for (const auto& block : outside_) total += block.size();
    return total;
}

void Wire::schedule_arrival() {
    if (arrival_scheduled_ || memory_ == nullptr) return;
    arrival_scheduled_ = true;
    reactor_.post([self = shared_from_this()] { self->arrive(); });
}

// One segment, or the end, comes in. A failure does not wait for its turn behind want_input(false).
void Wire::arrive() {
    arrival_scheduled_ = false;
    if (memory_ == nullptr || closing_ || fate_ != Fate::open || verdict_ == EndOfInput::failed)
        return;
    const bool broken = coming_end_ == EndOfInput::failed;
    if (!wants_input_ && !broken) return;
    if (!outside_.empty()) {
        const std::string segment = std::move(outside_.front());
        outside_.pop_front();
        if (tls_ == TlsPhase::handshaking) {
            take_hello(segment);
        } else {
            arrived_.push_back(segment);
            starved_ = false;
        }
    } else if (ended() && verdict_ == EndOfInput::none) {
        if (tls_ == TlsPhase::handshaking) {
            fail(FailureKind::tls, "connection closed during the TLS handshake");
        } else {
            verdict_ = coming_end_;
            starved_ = tls_ == TlsPhase::none;
        }
    }
    if (!outside_.empty() || (ended() && verdict_ == EndOfInput::none)) schedule_arrival();
    notify();
}

bool Wire::drained() const noexcept {
    const bool empty = (!served_ || served_->empty()) && arrived_.empty();
    return empty && (starved_ || tls_ != TlsPhase::established);
}

void Wire::schedule_transmission() {
    if (transmission_scheduled_) return;
    transmission_scheduled_ = true;
    reactor_.post([self = shared_from_this()] { self->transmit(); });
}

void Wire::transmit() {
    transmission_scheduled_ = false;
    if (fate_ != Fate::open) return;
    const bool writing = !in_flight_.empty();
    const std::size_t n = std::min(window_, in_flight_.size());
    take_window(n);
    carry(std::string_view(in_flight_).substr(0, n));
    in_flight_.erase(0, n);
    const bool done = in_flight_.empty();
    if (done && closing_) leave(Fate::closed);
    if (done && writing) notify();
}

// The product's kernel has taken them.
void Wire::carry(std::string_view octets) {
    if (octets.empty()) return;
    if (network_ == Delivery::failed) {
        lost_output_ = true;
        return;
    }
    if (network_ == Delivery::pending) {
        unacknowledged_ += octets;
        return;
    }
    sent_ += octets;
    if (tls_ == TlsPhase::none) clear_ = sent_.size();
    tell_peer();
}

void Wire::set_delivery(Delivery delivery) {
    network_ = delivery;
    if (delivery != Delivery::pending) carry(std::exchange(unacknowledged_, {}));
}

void Wire::lose_in_flight() noexcept {
    if (in_flight() != 0) lost_output_ = true;
    in_flight_.clear();
    unacknowledged_.clear();
}

// As a TCP connection has it: what was acknowledged before the end stays so.
Delivery Wire::delivery() const noexcept {
    if (lost_output_ || fate_ != Fate::open) return Delivery::failed;
    return in_flight() == 0 ? Delivery::arrived : Delivery::pending;
}

void Wire::begin_tls(Unread unread) {
    if (tls_ != TlsPhase::none || closing_ || fate_ != Fate::open) return;
    if (!drained() && unread == Unread::is_violation) {
        fail(FailureKind::tls,
             "data arrived in clear after STARTTLS: refusing (possible injection)");
        return schedule_arrival();
    }
    if (!drained() && verdict_ != EndOfInput::none)
        return fail(FailureKind::tls, "connection closed during the TLS handshake");
    tls_ = TlsPhase::handshaking;
    std::string octets = served_ ? *served_ : std::string();
    for (const std::string& segment : arrived_) octets += segment;
    served_.reset();
    arrived_.clear();
    starved_ = true;
    take_hello(octets);
}

void Wire::take_hello(std::string_view octets) {
    const bool had_all = hello_ == options_.client_hello && !hello_.empty();
    hello_ += octets;
    if (had_all || !options_.client_hello.starts_with(hello_))
        return fail(FailureKind::tls, "unexpected data in handshake");
    if (hello_ != options_.client_hello || options_.tls == TlsPlan::hangs) return;
    reactor_.post([self = shared_from_this()] {
        const TlsPlan plan = self->options_.tls;
        self->settle_handshake(plan != TlsPlan::fails, plan == TlsPlan::succeeds);
    });
}

void Wire::finish_handshake(bool success, bool verified) {
    reactor_.post([self = shared_from_this(), success, verified] {
        self->settle_handshake(success, verified);
    });
}

void Wire::settle_handshake(bool success, bool verified) {
    if (tls_ != TlsPhase::handshaking || verdict_ != EndOfInput::none || memory_ == nullptr) return;
    if (success) {
        tls_ = TlsPhase::established;
        verified_ = verified;
        tell_peer();
    } else {
        fail(FailureKind::tls, "certificate is for mail.example.org, not smtp.example.com");
    }
    notify();
}

void Wire::fail(FailureKind kind, std::string reason) {
    verdict_ = coming_end_ = EndOfInput::failed;
    failure_ = {kind, std::move(reason)};
    outside_.clear();
    arrived_.clear();
    served_.reset();
    lose_in_flight();
    starved_ = true;
    reactor_.post([self = shared_from_this()] { self->notify(); });
}

void Wire::notify() {
    if (memory_ == nullptr || !notify_) return;
    const auto call = notify_;
    call();
}

void Wire::tell_peer() {
    if (activity_scheduled_) return;
    activity_scheduled_ = true;
    reactor_.post([self = shared_from_this()] {
        self->activity_scheduled_ = false;
        const auto call = self->on_activity_;
        if (call) call();
    });
}

void Wire::leave(Fate fate) {
    if (fate_ != Fate::open) return;
    fate_ = fate;
    if (fate == Fate::aborted) lose_in_flight();
    tell_peer();
}

}  // namespace waxseal::testing
