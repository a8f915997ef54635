// TcpChannel: the contract of Channel over a Stream. The half that concerns TLS is in
// tcp_channel_tls.cpp.
#include "net/tcp_channel.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "net/stream.hpp"
#include "net/tcp_channel_state.hpp"

namespace waxseal::net {

namespace {
// Of a connection on which writing has failed: what of its unread input is still delivered.
constexpr std::size_t salvage_limit = 4 * limits::read_block;
}  // namespace

TcpChannel::TcpChannel(Loop& loop, Held<Stream> stream, SocketAddress peer, TlsSettings settings)
    : loop_(loop),
      peer_(std::move(peer)),
      link_(std::make_shared<Link>()),
      stream_(std::move(stream)) {
    link_->channel = this;
    set_tls(std::move(settings));
    stream_->set_events(*this);
}

std::expected<std::unique_ptr<TcpChannel>, Error> TcpChannel::adopt(Loop& loop, int socket,
                                                                    const SocketAddress& peer) {
    struct Nobody final : StreamEvents {
        void on_connected(int) override {}
        void on_data(std::string_view) override {}
        void on_end(int) override {}
        void on_sent(int) override {}
    };
    static Nobody nobody;
    Held<Stream> stream(new Stream(loop, nobody));
    if (const int error = stream->open(socket); error != 0) {
        ::close(socket);
        return std::unexpected(Error{std::string("cannot use the socket: ") + uv_strerror(error)});
    }
    return std::make_unique<TcpChannel>(loop, std::move(stream), peer);
}

TcpChannel::~TcpChannel() {
    link_->channel = nullptr;
    link_->notify.reset();
}

void TcpChannel::set_tls(TlsSettings settings) {
    settings_ = std::holds_alternative<std::monostate>(settings)
                    ? nullptr
                    : std::make_unique<const TlsSettings>(std::move(settings));
}

void TcpChannel::set_notify(std::function<void()> notify) {
    link_->notify =
        notify ? std::make_shared<const std::function<void()>>(std::move(notify)) : nullptr;
    if (phase_ == Phase::idle) phase_ = Phase::open;
    update_reading();
    // Something may have happened while nobody listened.
    wake_later();
}

std::string_view TcpChannel::readable() {
    if (tls_) return decrypt();
    if (!fresh_.empty() && served_.empty() && arrived_.empty()) return fresh_;
    keep_fresh();
    if (served_.empty()) {
        std::swap(served_, arrived_);
    } else if (!arrived_.empty()) {
        served_.append(arrived_.front());
        arrived_.clear();
    }
    return served_.front();
}

void TcpChannel::consume(std::size_t n) {
    if (tls_) {
        assert(n <= tls_->rest.size());
        tls_->rest.remove_prefix(n);
    } else {
        const bool shown = fresh_.empty() || !served_.empty();
        shown ? served_.consume(n) : fresh_.remove_prefix(n);
    }
    update_reading();
}

void TcpChannel::want_input(bool on) {
    if (on == wants_input_) return;
    wants_input_ = on;
    if (on && !drained()) wake_later();
    update_reading();
}

EndOfInput TcpChannel::end() const noexcept { return drained() ? verdict_ : EndOfInput::none; }

Failure TcpChannel::failure() const {
    if (failure_) return *failure_;
    if (verdict_ == EndOfInput::truncated) {
        return {FailureKind::lost,
                "connection closed without TLS close_notify: the data may be truncated"};
    }
    return {FailureKind::lost, "connection closed by the peer"};
}

std::size_t TcpChannel::write(std::string_view bytes) {
    const bool writable =
        phase_ != Phase::closed && verdict_ != EndOfInput::failed && write_error_ == 0;
    if (!writable || stream_->sending() || bytes.empty()) return 0;
    bytes = bytes.substr(0, limits::tls_record);
    if (tls_) {
        if (tls_->phase != TlsPhase::established) return 0;
        const std::size_t taken = tls_->engine->write(bytes);
        flush_engine();
        return taken;
    }
    if (const int error = stream_->send(bytes); error != 0) lose_write(error);
    return bytes.size();
}

bool TcpChannel::flushed() const noexcept {
    return !stream_->sending() &&
           (!tls_ || phase_ == Phase::closed || tls_->engine->output().empty());
}

// Octets that a channel has taken are with the kernel, in the engine or in a request, or lost.
Delivery TcpChannel::delivery() const noexcept {
    if (lost_output_) return Delivery::failed;
    const auto known = flushed() ? stream_->acknowledged() : Delivery::pending;
    if (!known) return phase_ == Phase::closed ? Delivery::failed : Channel::delivery();
    // What arrived before the connection broke has arrived.
    return *known == Delivery::pending && broken() ? Delivery::failed : *known;
}

void TcpChannel::close() {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    std::string tail;
    if (tls_ && tls_->engine) {
        tls_->engine->close();
        tail = tls_->engine->output();
        tls_->engine->sent(tail.size());
    }
    stream_->finish(std::move(tail));
}

void TcpChannel::abort() {
    phase_ = Phase::closed;
    // Which nobody sends: it is to know that its session is given up.
    if (offered_session()) tls_->engine->close();
    stream_->reset();
}

void TcpChannel::on_data(std::string_view bytes) {
    if (tls_ || verdict_ != EndOfInput::none || write_error_ != 0) {
        store(bytes);
    } else {
        fresh_ = bytes;
    }
    turn();
}

// The loop's block is about to be used again.
void TcpChannel::keep_fresh() {
    if (!fresh_.empty()) arrived_.append(std::exchange(fresh_, {}));
}

void TcpChannel::on_end(int error) {
    if (tls_) {
        tls_->transport_error = error;
        if (error == 0) tls_->engine->end_of_input();
        tls_->starved = false;
        if (tls_->phase == TlsPhase::handshaking) handshake();
    } else if (verdict_ == EndOfInput::none) {
        if (error == 0) {
            verdict_ = EndOfInput::clean;
        } else {
            fail(FailureKind::lost, uv_strerror(error));
        }
    }
    turn();
}

void TcpChannel::on_sent(int error) {
    if (error != 0) {
        lose_write(error);
    } else if (tls_ && phase_ != Phase::closed) {
        flush_engine();
    }
    turn();
}

void TcpChannel::store(std::string_view bytes) {
    if (verdict_ != EndOfInput::none) return;
    if (!tls_) {
        arrived_.append(bytes);
        return;
    }
    tls_->engine->receive(bytes);
    tls_->starved = false;
    if (tls_->phase == TlsPhase::handshaking) handshake();
}

// The end of every event: the one place that calls the user, who may destroy the channel.
void TcpChannel::turn() {
    const auto link = link_;
    link->pending = false;
    if (write_error_ != 0) settle_lost_write();
    const auto notify = link->notify;
    if (notify) (*notify)();
    if (link->channel == nullptr) return;
    keep_fresh();
    // Only now, so that a user who consumes at once does not make reading stop and start again.
    update_reading();
}

void TcpChannel::wake_later() {
    if (link_->pending) return;
    link_->pending = true;
    loop_.defer([link = link_] {
        if (link->channel != nullptr) link->channel->turn();
    });
}

bool TcpChannel::drained() const noexcept {
    if (tls_) return tls_->rest.empty() && tls_->starved;
    return served_.empty() && arrived_.empty() && fresh_.empty();
}

std::size_t TcpChannel::buffered() const noexcept {
    if (!tls_) return served_.size() + arrived_.size() + fresh_.size();
    // A record that is not whole yet must be allowed to grow, however large it is.
    return tls_->starved ? 0 : tls_->engine->buffered() + tls_->rest.size();
}

void TcpChannel::update_reading() {
    if (phase_ == Phase::closed) return;  // the stream reads for itself now
    const bool possible =
        phase_ == Phase::open && verdict_ == EndOfInput::none && write_error_ == 0;
    const bool handshaking = tls_ && tls_->phase == TlsPhase::handshaking;
    stream_->reading(possible &&
                     (handshaking || (wants_input_ && buffered() < limits::read_block)));
}

void TcpChannel::fail(FailureKind kind, std::string reason) {
    verdict_ = EndOfInput::failed;
    if (!failure_) failure_ = std::make_unique<const Failure>(Failure{kind, std::move(reason)});
    // An established one may have input to be consumed yet.
    if (tls_ && (tls_->phase == TlsPhase::handshaking || tls_->starved))
        tls_->engine->transport_failed();
    update_reading();
}

// We may be inside write() of a user who still looks at what readable() gave, so the input is seen
// to later.
void TcpChannel::lose_write(int error) {
    write_error_ = error;
    lost_output_ = true;
    wake_later();
}

// A peer that refuses and hangs up often has said why: what the kernel holds is still delivered
// before the end.
void TcpChannel::settle_lost_write() {
    stream_->salvage(salvage_limit, [this](std::string_view bytes) { store(bytes); });
    const bool handshaking = tls_ && tls_->phase == TlsPhase::handshaking;
    fail(handshaking ? FailureKind::tls : FailureKind::lost,
         std::string(uv_strerror(std::exchange(write_error_, 0))) +
             (handshaking ? " during the TLS handshake" : ""));
}

}  // namespace waxseal::net
