// The stream side of the client machine and its acts. What each reply means is in
// client_replies.cpp.
#include "smtp/client.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "smtp/client_table.hpp"

namespace waxseal::smtp {

namespace event = client_event;

Client::Client(const ClientSettings& settings, std::optional<Credentials> credentials,
               std::optional<Xclient> xclient)
    : settings_(settings),
      credentials_(std::move(credentials)),
      xclient_(std::move(xclient)),
      waiting_{{Step::greeting, 0}} {}

Client::~Client() { output_.wipe(); }

void Client::secured(VerifiedPeer proof, ClientCertificate certificate) {
    assert(phase_ == Phase::login || phase_ == Phase::securing);
    // What came before the handshake came in clear: next() will say so.
    if (phase_ == Phase::securing && replies_.buffered() != 0) return;
    proof_ = proof;
    certificate_ = certificate;
    if (phase_ != Phase::securing) return;
    enter(Phase::login);
    send(Step::ehlo, "EHLO " + settings_.hostname);
}

void Client::receive(std::string_view bytes) {
    if (phase_ != Phase::finished) replies_.receive(bytes);
}

void Client::end_of_input(EndOfInput how, std::string_view reason) {
    if (!end_) end_.emplace(End{how, std::string(reason)});
}

ClientEvent Client::next() {
    while (phase_ != Phase::finished) {
        if (phase_ == Phase::securing && replies_.buffered() != 0) {
            return fail(FailureKind::tls,
                        "data arrived in clear after STARTTLS: refusing (possible injection)");
        }
        ReplyParser::Result result = replies_.next();
        if (auto* error = std::get_if<ReplyParser::ParseError>(&result)) {
            return fail(FailureKind::protocol, "bad reply: " + error->reason);
        }
        if (auto* reply = std::get_if<Reply>(&result)) {
            if (auto event = take_reply(std::move(*reply))) return *std::move(event);
            continue;
        }
        return end_ ? ended() : ClientEvent{event::NeedInput{}};
    }
    return event::NeedInput{};
}

Client::Handled Client::take_reply(Reply reply) {
    // From the login on what the upstream says goes to the device and the log.
    if (phase_ != Phase::login) withhold_credential(reply);
    if (waiting_.empty()) return unsolicited(std::move(reply));
    const auto [step, end] = waiting_.front();
    const bool refusal = reply.transient() || reply.permanent();
    // A message may be refused before its end; nothing else is answered before it was asked, or has
    // gone.
    const bool unsent = sent_ < end;
    if (unasked_ ? step != Step::message || !refusal : unsent && !refusal)
        return unsolicited(std::move(reply));
    if (reply.code == 421) {
        // RFC 5321 3.8: the service is closing, whatever was asked. For a transaction it is the
        // answer to the command all the same.
        if (step < Step::mail && step != Step::starttls)
            return refused(FailureKind::unavailable, "the upstream is closing", reply);
        enter(Phase::closing);
    }
    waiting_.pop_front();
    Handled handled = (this->*ClientTable::row(step).handler)(reply);
    write_waiting();
    return handled;
}

// The upstream owes nothing and speaks. In a body a refusal is honest, if early (its disk is full,
// its limit reached); 421 may come at any time; anything else is either broken or an attack, and
// the stream is out of step.
ClientEvent Client::unsolicited(Reply reply) {
    if (phase_ == Phase::body && (reply.transient() || reply.permanent())) {
        enter(Phase::closing);
        in_transaction_ = false;
        return event::MessageReply{std::move(reply), true};
    }
    if (reply.code == 421) return refused(FailureKind::lost, "the upstream is closing", reply);
    return refused(FailureKind::protocol, "unexpected reply with no command outstanding", reply);
}

ClientEvent Client::ended() {
    const bool quiet = waiting_.empty() && phase_ != Phase::body && phase_ != Phase::securing;
    const bool after_quit = !waiting_.empty() && waiting_.front().step == Step::quit;
    if (replies_.buffered() == 0 && (after_quit || (quiet && !in_transaction_))) {
        enter(Phase::finished);
        return event::Closed{};
    }
    std::string reason = end_->reason.empty() ? "the upstream closed the connection" : end_->reason;
    if (end_->how == EndOfInput::truncated && end_->reason.empty())
        reason += " without TLS close_notify";
    if (!waiting_.empty()) reason += ", waiting for " + std::string(waiting_for());
    return fail(FailureKind::lost, std::move(reason));
}

ClientEvent Client::fail(FailureKind kind, std::string reason) {
    enter(Phase::finished);
    output_.wipe();
    sasl_.reset();
    return event::Failed{Failure{kind, std::move(reason)}};
}

ClientEvent Client::refused(FailureKind kind, std::string_view what, Reply& reply) {
    withhold_credential(reply);
    return fail(kind, std::string(what) + ": " + summary(reply));
}

void Client::withhold_credential(Reply& reply) const {
    if (repeats_credential(summary(reply)))
        reply.lines = {"(its text repeats the credential and is withheld)"};
}

bool Client::repeats_credential(std::string_view text) const {
    return credentials_ && repeats(text, *credentials_);
}

// Octets that are there before the command is cannot be its answer.
void Client::await(Step step) {
    if (waiting_.empty() && replies_.buffered() != 0) unasked_ = true;
    waiting_.push_back({step, written_});
}

void Client::append(std::string_view octets) {
    output_.append(octets);
    written_ += octets.size();
}

void Client::send(Step step, std::string_view line) {
    const bool free = waiting_.empty() && held_back_.empty();
    if (free || capabilities_.has(Extension::pipelining)) return write(step, line);
    held_back_.push_back({step, std::string(line)});
}

void Client::write(Step step, std::string_view line) {
    // One append: a queue that grows between two would leave a copy of a credential behind.
    std::string wire;
    wire.reserve(line.size() + 2);
    wire.append(line).append("\r\n");
    append(wire);
    await(step);
    wipe(wire);
}

void Client::write_waiting() {
    if (phase_ != Phase::open) return held_back_.clear();
    if (held_back_.empty() || !waiting_.empty()) return;
    write(held_back_.front().step, held_back_.front().line);
    held_back_.pop_front();
}

void Client::mail(const Path& reverse_path, const MailParameters& parameters) {
    assert(phase_ == Phase::open && !in_transaction_);
    in_transaction_ = true;
    ++mails_;
    send(Step::mail, "MAIL FROM:" + reverse_path.text() + smtp::write(parameters, capabilities_));
}

void Client::rcpt(const Path& forward_path, const RcptParameters& parameters) {
    assert(phase_ == Phase::open && in_transaction_);
    send(Step::rcpt, "RCPT TO:" + forward_path.text() + smtp::write(parameters, capabilities_));
}

void Client::data() {
    assert(phase_ == Phase::open && in_transaction_);
    const bool chunks =
        capabilities_.has(Extension::chunking) && capabilities_.has(Extension::pipelining);
    framing_ = chunks ? Framing::chunks : Framing::data;
    if (!chunks) return send(Step::data, "DATA");
    enter(Phase::body);
}

void Client::body(std::string_view decoded) {
    assert(phase_ == Phase::body);
    if (framing_ == Framing::chunks) return chunk(decoded);
    scratch_.clear();
    encoder_.encode(decoded, scratch_);
    append(scratch_);
}

// What is large enough goes out as it comes; what is not waits for more, since each chunk costs a
// command and a reply, and nothing is gained by an unfinished message that is there earlier.
void Client::chunk(std::string_view decoded) {
    if (scratch_.empty() && decoded.size() >= limits::chunk)
        return write_chunk(Step::chunk, decoded);
    scratch_.append(decoded);
    if (scratch_.size() < limits::chunk) return;
    write_chunk(Step::chunk, scratch_);
    scratch_.clear();
}

void Client::write_chunk(Step step, std::string_view content) {
    const std::string_view last = step == Step::message ? " LAST" : "";
    append("BDAT " + std::to_string(content.size()) + std::string(last) + "\r\n");
    append(content);
    await(step);
}

void Client::end_of_data() {
    assert(phase_ == Phase::body);
    if (framing_ == Framing::chunks) {
        write_chunk(Step::message, scratch_);
    } else {
        std::string end;
        encoder_.finish(end);
        append(end);
        await(Step::message);
    }
    std::string().swap(scratch_);
    enter(Phase::open);
}

void Client::reset() {
    assert(phase_ == Phase::open && !awaits_go_ahead());
    in_transaction_ = false;
    send(Step::reset, "RSET");
}

void Client::quit() {
    assert(phase_ == Phase::open);
    send(Step::quit, "QUIT");
    enter(Phase::closing);
}

void Client::sent(std::size_t n) noexcept {
    sent_ += n;
    // A queue that has just carried a credential leaves nothing behind.
    if (sasl_ != nullptr && phase_ == Phase::login && n == output_.size()) return output_.wipe();
    output_.consume(n);
}

Timer Client::timer() const noexcept {
    if (phase_ == Phase::finished) return Timer::none;
    if (phase_ == Phase::securing) return Timer::tls_handshake;
    if (!waiting_.empty()) return ClientTable::row(waiting_.front().step).timer;
    return output_.empty() ? Timer::none : Timer::upstream_block;
}

std::string_view Client::waiting_for() const noexcept {
    if (phase_ == Phase::securing) return "the TLS handshake";
    if (waiting_.empty()) return "the upstream to take the message";
    return ClientTable::row(waiting_.front().step).phrase;
}

bool Client::idle() const noexcept {
    return phase_ == Phase::open && waiting_.empty() && held_back_.empty() && !in_transaction_;
}

bool Client::awaits_go_ahead() const noexcept {
    const auto is_data = [](const auto& one) { return one.step == Step::data; };
    return std::any_of(waiting_.begin(), waiting_.end(), is_data) ||
           std::any_of(held_back_.begin(), held_back_.end(), is_data);
}

}  // namespace waxseal::smtp
