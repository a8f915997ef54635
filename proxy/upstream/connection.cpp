#include "upstream/connection.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace waxseal::upstream {

namespace event = smtp::client_event;

Connection::Connection(Reactor& reactor, std::shared_ptr<Provider> provider,
                       std::unique_ptr<Channel> channel, std::unique_ptr<Slots::Request> slot,
                       std::optional<smtp::Credentials> credentials,
                       std::optional<smtp::Xclient> client)
    : reactor_(reactor),
      provider_(std::move(provider)),
      slot_(std::move(slot)),
      channel_(std::move(channel)),
      account_(credentials ? credentials->username : std::string()),
      client_(provider_->client, std::move(credentials), std::move(client)),
      deadline_(reactor, [this] { expired(); }),
      started_(reactor.now()),
      opened_(started_) {
    channel_->set_notify([this] { wake(); });
}

Connection::~Connection() = default;

// A copy is called: what runs may well replace the function.
void Connection::wake() {
    if (const auto notify = notify_) notify();
}

void Connection::set_notify(std::function<void()> notify) { notify_ = std::move(notify); }

smtp::ClientEvent Connection::next() {
    while (true) {
        note_tls();
        if (failure_ && client_.phase() != smtp::Client::Phase::finished) {
            deadline_.stop();
            return event::Failed{*failure_};
        }
        flush();
        smtp::ClientEvent told = client_.next();
        if (std::holds_alternative<event::StartTls>(told)) {
            started_ = reactor_.now();
            heard_ = false;
            channel_->start_tls();
            continue;
        }
        if (std::holds_alternative<event::Ready>(told)) {
            timings_.login += reactor_.now() - secured_.value_or(started_);
            provider_->last_offer = client_.capabilities();
        }
        if (!std::holds_alternative<event::NeedInput>(told)) return told;
        if (take_input()) continue;
        if (auto end = note_end()) return *std::move(end);
        flush();
        rearm();
        return event::NeedInput{};
    }
}

// Hands the proof over the moment there is one, before any octet that came through TLS is looked
// at.
void Connection::note_tls() {
    if (secured_ || channel_->tls() != TlsPhase::established) return;
    secured_ = reactor_.now();
    const auto proof = channel_->verified_peer();
    if (!proof) {
        failure_ = Failure{FailureKind::tls, "the upstream's certificate was not verified"};
        return;
    }
    timings_.tls = *secured_ - started_;
    client_.secured(*proof, provider_->certificate);
}

void Connection::lend() {
    use_ = Use::lent;
    timings_ = {};
}

bool Connection::reusable() const {
    const bool sound = !failure_ && channel_->end() == EndOfInput::none &&
                       client_.phase() == smtp::Client::Phase::open && !client_.awaits_go_ahead() &&
                       !client_.in_transaction();
    const bool used_up = client_.used_up() || client_.mails() >= provider_->max_transactions ||
                         reactor_.now() - opened_ >= limits::connection_age;
    return sound && !used_up;
}

bool Connection::take_input() {
    const std::string_view input = channel_->readable();
    note_tls();
    if (input.empty()) return false;
    heard_ = true;
    if (use_ == Use::lent) {
        use_ = Use::proved;
        ++progress_;  // the next reply has its full time
    }
    client_.receive(input);
    channel_->consume(input.size());
    return true;
}

std::optional<smtp::ClientEvent> Connection::note_end() {
    const EndOfInput end = channel_->end();
    if (end == EndOfInput::none || client_.phase() == smtp::Client::Phase::finished)
        return std::nullopt;
    deadline_.stop();
    const std::string reason =
        end == EndOfInput::clean ? std::string() : channel_->failure().reason;
    const bool securing = channel_->tls() == TlsPhase::handshaking;
    if (securing || (end == EndOfInput::failed && channel_->failure().kind == FailureKind::tls)) {
        failure_ =
            Failure{FailureKind::tls,
                    reason.empty() ? "the upstream closed during the TLS handshake" : reason};
        return event::Failed{*failure_};
    }
    client_.end_of_input(end, reason);
    return client_.next();
}

void Connection::flush() {
    while (!client_.output().empty()) {
        const std::size_t taken = channel_->write(client_.output());
        if (taken == 0) return;
        progress_ += taken;
        client_.sent(taken);
    }
}

void Connection::close() {
    deadline_.stop();
    const bool polite = client_.idle() && !failure_ && channel_->end() == EndOfInput::none;
    if (!polite) return channel_->abort();
    client_.quit();
    flush();
    channel_->close();
}

Timer Connection::timer() const noexcept {
    if (channel_->tls() == TlsPhase::handshaking) return Timer::tls_handshake;
    return client_.timer();
}

Duration Connection::duration(Timer timer) const noexcept {
    switch (timer) {
        case Timer::tls_handshake:
            return provider_->timeouts.tls_handshake;
        case Timer::data_reply:
            return provider_->timeouts.data_reply;
        case Timer::upstream_reply:
        case Timer::upstream_block:
            if (use_ == Use::lent || use_ == Use::recovering)
                return std::min(limits::stale_reply, provider_->timeouts.reply);
            return provider_->timeouts.reply;
        default:
            break;
    }
    return {};
}

void Connection::rearm() {
    const Timer due = timer();
    // A handshake has one deadline for the whole: its octets are no progress.
    deadline_.watch(due, due == Timer::tls_handshake ? 0 : progress_, duration(due));
}

void Connection::expired() {
    const Timer late = timer();
    if (late == Timer::none) return;
    const std::string what =
        late == Timer::tls_handshake ? "the TLS handshake" : std::string(client_.waiting_for());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration(late)).count();
    failure_ = Failure{FailureKind::timeout,
                       "timed out after " + std::to_string(seconds) + " s waiting for " + what};
    wake();
}

}  // namespace waxseal::upstream
