// TcpChannel's TLS half: the handshake, which runs by itself, and records, which are decrypted when
// the user asks.
#include <utility>
#include <variant>

#include "net/stream.hpp"
#include "net/tcp_channel.hpp"
#include "net/tcp_channel_state.hpp"

namespace waxseal::net {

void TcpChannel::start_tls(Unread unread) {
    if (tls_ || phase_ == Phase::closed) return;
    keep_fresh();
    const bool clear = drained();
    if (clear && verdict_ != EndOfInput::none) return;
    wake_later();
    if (!clear && (unread == Unread::is_violation || verdict_ != EndOfInput::none))
        return refuse_tls();
    if (!make_engine()) return;
    phase_ = Phase::open;
    tls_->engine->receive(served_.front());
    tls_->engine->receive(arrived_.front());
    served_.clear();
    arrived_.clear();
    handshake();
    update_reading();
}

// Unread input that may not, or need not, go into an engine is never shown.
void TcpChannel::refuse_tls() {
    served_.clear();
    arrived_.clear();
    if (verdict_ == EndOfInput::failed) return;
    fail(FailureKind::tls,
         verdict_ == EndOfInput::none
             ? "data arrived in clear after STARTTLS: refusing (possible injection)"
             : "connection closed during the TLS handshake");
}

bool TcpChannel::make_engine() {
    std::expected<std::unique_ptr<tls::Engine>, Error> engine =
        std::unexpected(Error{"no TLS settings"});
    if (const auto* client = std::get_if<ClientTls>(settings_.get())) {
        engine = tls::Engine::client(client->context, client->server_name, client->upstream);
    } else if (const auto* server = std::get_if<ServerTls>(settings_.get())) {
        engine = tls::Engine::server(server->context);
    }
    if (!engine) {
        fail(FailureKind::tls, engine.error().text);
        return false;
    }
    tls_ = std::make_unique<TlsSide>();
    tls_->engine = std::move(*engine);
    return true;
}

// Goes on as far as the input allows.
void TcpChannel::handshake() {
    const tls::Event event = tls_->engine->next();
    flush_engine();
    if (std::holds_alternative<tls::Established>(event)) {
        tls_->phase = TlsPhase::established;
        return;
    }
    tls_->starved = true;
    if (const auto* broken = std::get_if<tls::Broken>(&event)) {
        fail(FailureKind::tls, broken->reason);
    } else if (!std::holds_alternative<tls::NeedInput>(event)) {
        fail(FailureKind::tls, "connection closed during the TLS handshake");
    } else if (tls_->transport_error != 0) {
        fail(FailureKind::tls,
             std::string(uv_strerror(tls_->transport_error)) + " during the TLS handshake");
    }
}

std::string_view TcpChannel::decrypt() {
    TlsSide& side = *tls_;
    while (side.phase == TlsPhase::established && side.rest.empty() && !side.starved) {
        const tls::Event event = side.engine->next();
        if (const auto* data = std::get_if<tls::Data>(&event)) {
            side.rest = data->plaintext;
            continue;
        }
        starve();
        if (std::holds_alternative<tls::Closed>(event)) {
            if (verdict_ == EndOfInput::none) verdict_ = EndOfInput::clean;
        } else if (std::holds_alternative<tls::Truncated>(event)) {
            if (verdict_ == EndOfInput::none) verdict_ = EndOfInput::truncated;
        } else if (const auto* broken = std::get_if<tls::Broken>(&event)) {
            fail(FailureKind::tls, broken->reason);
        } else if (side.transport_error != 0) {
            fail(FailureKind::lost, uv_strerror(side.transport_error));
        }
    }
    return side.rest;
}

// The engine has used up its input: what it may have to answer goes out, and the next record may
// come.
void TcpChannel::starve() {
    tls_->starved = true;
    flush_engine();
    update_reading();
}

void TcpChannel::flush_engine() {
    if (tls_->engine->output().empty() || write_error_ != 0 || stream_->sending()) return;
    ByteQueue output = tls_->engine->take_output();
    if (const int error = stream_->send(output); error != 0) lose_write(error);
}

TlsPhase TcpChannel::tls() const noexcept { return tls_ ? tls_->phase : TlsPhase::none; }

TlsDetails TcpChannel::tls_details() const { return tls_ ? tls_->engine->details() : TlsDetails{}; }

std::optional<VerifiedPeer> TcpChannel::verified_peer() const {
    return tls_ ? tls_->engine->verified_peer() : std::nullopt;
}

bool TcpChannel::offered_session() const noexcept {
    return tls_ && tls_->engine->offered_session();
}

}  // namespace waxseal::net
