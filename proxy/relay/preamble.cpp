#include "relay/preamble.hpp"

#include <utility>

namespace waxseal::relay {

namespace {

// The content type of a TLS record that carries a handshake.
constexpr char handshake_record = 22;

std::string in_milliseconds(Duration duration) { return std::to_string(duration.count()) + " ms"; }

}  // namespace

Preamble::Preamble(Reactor& reactor, std::unique_ptr<Channel> channel,
                   const PreambleSettings& settings, std::function<void()> notify)
    : channel_(std::move(channel)),
      settings_(settings),
      notify_(std::move(notify)),
      alarm_(reactor.alarm([this] {
          late_ = true;
          notify_();
      })),
      phase_(settings.proxy_protocol ? Phase::header : Phase::first) {
    if (phase_ == Phase::header) wait(settings_.header);
    channel_->set_notify([this] { notify_(); });
}

Preamble::Result Preamble::poll() {
    switch (phase_) {
        case Phase::header:
            return read_header();
        case Phase::first:
            return begin();
        case Phase::held:
            return look();
        case Phase::handshake:
            return shake_hands();
        case Phase::over:
            break;
    }
    return Waiting{};
}

Preamble::Result Preamble::read_header() {
    using Header = ProxyHeader;
    while (std::holds_alternative<Header::NeedMore>(header_.result())) {
        const std::string_view input = channel_->readable();
        if (input.empty()) break;
        channel_->consume(header_.receive(input));
    }
    if (const auto* header = std::get_if<Header::Header>(&header_.result())) {
        source_ = header->source;
        return begin();
    }
    if (const auto* malformed = std::get_if<Header::Malformed>(&header_.result()))
        return refuse(Refused::Cause::no_header, malformed->reason);
    if (channel_->end() != EndOfInput::none)
        return refuse(Refused::Cause::lost, "connection closed before its PROXY header was whole");
    if (late_) {
        return refuse(Refused::Cause::no_header,
                      "no PROXY header within " + in_milliseconds(settings_.header));
    }
    return Waiting{};
}

Preamble::Result Preamble::begin() {
    switch (settings_.tls) {
        case TlsMode::implicit:
            return start_tls();
        case TlsMode::automatic:
            phase_ = Phase::held;
            wait(settings_.hold);
            return look();
        case TlsMode::none:
        case TlsMode::starttls:
            break;
    }
    return ready();
}

Preamble::Result Preamble::look() {
    const std::string_view input = channel_->readable();
    if (!input.empty()) return input.front() == handshake_record ? start_tls() : ready(true);
    // What an end means is the session's to say, as on any other listener.
    return late_ || channel_->end() != EndOfInput::none ? ready() : Waiting{};
}

// What has arrived by now can only be the handshake: the header took exactly its own octets.
Preamble::Result Preamble::start_tls() {
    phase_ = Phase::handshake;
    wait(settings_.handshake);
    channel_->start_tls(Unread::is_handshake);
    return shake_hands();
}

Preamble::Result Preamble::shake_hands() {
    if (channel_->tls() == TlsPhase::established) return ready();
    if (channel_->end() != EndOfInput::none)
        return refuse(Refused::Cause::tls, channel_->failure().reason);
    if (late_) {
        return refuse(Refused::Cause::tls,
                      "TLS handshake not finished within " + in_milliseconds(settings_.handshake));
    }
    return Waiting{};
}

Preamble::Result Preamble::ready(bool spoke_first) {
    phase_ = Phase::over;
    alarm_->disarm();
    channel_->set_notify(nullptr);
    return Ready{std::move(channel_), source_, spoke_first};
}

Preamble::Result Preamble::refuse(Refused::Cause cause, std::string reason) {
    phase_ = Phase::over;
    alarm_->disarm();
    channel_->set_notify(nullptr);
    // In a handshake an alert may be on its way; nobody else is owed a word.
    cause == Refused::Cause::tls ? channel_->close() : channel_->abort();
    return Refused{cause, std::move(reason), source_};
}

void Preamble::wait(Duration duration) {
    late_ = false;
    alarm_->arm(duration);
}

}  // namespace waxseal::relay
