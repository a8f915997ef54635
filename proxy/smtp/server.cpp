// The stream side of the server machine: cutting input into commands and bodies, answering in
// order, ending. What each command means is in server_commands.cpp.
#include "smtp/server.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "smtp/server_table.hpp"

namespace waxseal::smtp {

namespace event = server_event;

Server::Server(const ServerSettings& settings)
    : settings_(settings), lines_(limits::command_line), offered_size_(settings.max_message_size) {}

void Server::receive(std::string_view bytes) {
    if (phase_ != Phase::finished) input_.append(bytes);
}

void Server::end_of_input() noexcept {
    if (input_state_ == Input::open) input_state_ = Input::ended;
}

ServerEvent Server::next() {
    if (!violation_.empty()) return event::Violation{std::exchange(violation_, {})};
    while (true) {
        if (phase_ == Phase::finished) return event::NeedInput{};
        if (phase_ == Phase::silent || owed_ != Owed::nothing) return event::Paused{};
        if (output_.size() > limits::pending_replies) return event::Paused{};
        if (phase_ == Phase::body) return take_body();
        if (auto event = take_command()) return *std::move(event);
    }
}

Server::Handled Server::take_command() {
    const LineReader::Result result = lines_.find(input_.front());
    if (const auto* more = std::get_if<LineReader::NeedInput>(&result)) {
        input_.consume(more->discard);
        return no_input();
    }
    const auto* const line = std::get_if<LineReader::Line>(&result);
    const auto* const long_line = std::get_if<LineReader::TooLong>(&result);
    if ((line != nullptr || long_line != nullptr) && errors_ >= settings_.max_errors)
        return finish(make_reply(421, {4, 7, 0}, "Too many errors; closing"), "too many errors");
    if (line != nullptr) {
        // A copy: the queue may let its memory go while the command is still being read.
        scratch_.assign(line->text);
        input_.consume(line->length);
        return execute(scratch_);
    }
    if (long_line != nullptr) {
        input_.consume(long_line->length);
        answer(make_reply(500, {5, 5, 2}, "Line too long"));
        return std::nullopt;
    }
    if (const auto* illegal = std::get_if<LineReader::Illegal>(&result)) {
        return finish(
            make_reply(500, {5, 5, 2},
                       "Commands must end in CRLF and hold no control characters; closing"),
            illegal->what);
    }
    return finish(make_reply(500, {5, 5, 2}, "Line too long; closing"), "endless line");
}

Server::Handled Server::execute(std::string_view line) {
    const Command command = parse_command(line);
    const ServerTable::Row& row = ServerTable::row(command.verb);
    if (row.batch == ServerTable::Batch::sync && !input_.empty()) {
        return finish(
            make_reply(554, {5, 5, 0},
                       "Protocol synchronization error: wait for the reply to DATA; closing"),
            "data sent before the reply to DATA");
    }
    if ((row.phases & static_cast<std::uint8_t>(phase_)) == 0) {
        const bool unintroduced = phase_ == Phase::greeted;
        answer(make_reply(503, {5, 5, 1},
                          unintroduced ? "Say EHLO or HELO first" : "Bad sequence of commands"));
        return std::nullopt;
    }
    return (this->*row.handler)(command);
}

ServerEvent Server::take_body() {
    assert(body_);
    if (body_->ended) {
        const BodyVerdict verdict = judge();
        const DataFindings findings = body_->decoder.findings();
        body_.reset();
        std::string().swap(scratch_);  // an idle session keeps no body buffer
        owed_ = Owed::message;
        return event::BodyEnd{verdict, findings};
    }
    scratch_.clear();
    while (scratch_.empty()) {
        const std::string_view chunk = input_.front().substr(0, limits::read_block);
        if (chunk.empty()) return no_input();
        const DataDecoder::Progress progress = body_->decoder.decode(chunk, scratch_);
        input_.consume(progress.consumed);
        body_->ended = progress.ended;
        if (judge() != BodyVerdict::acceptable) {
            scratch_.clear();
            if (!std::exchange(body_->refusal_told, true)) return event::BodyRefused{judge()};
        }
        if (body_->ended) break;
    }
    if (scratch_.empty()) return take_body();
    return event::Body{scratch_};
}

BodyVerdict Server::judge() const noexcept {
    switch (body_->decoder.fault()) {
        case DataFault::line_endings:
            return BodyVerdict::line_endings;
        case DataFault::nul:
            return BodyVerdict::nul;
        case DataFault::line_too_long:
            return BodyVerdict::line_too_long;
        case DataFault::none:
            break;
    }
    const bool too_big = body_->decoder.findings().octets > settings_.max_message_size;
    return too_big ? BodyVerdict::too_big : BodyVerdict::acceptable;
}

ServerEvent Server::no_input() {
    if (input_state_ != Input::ended) return event::NeedInput{};
    input_state_ = Input::told;
    const bool in_body = phase_ == Phase::body;
    transaction_.reset();
    body_.reset();
    input_.clear();
    enter(Phase::finished);
    return event::Disconnected{in_body};
}

ServerEvent Server::finish(const Reply& reply, std::string_view reason) {
    shut_down(reply);
    return event::Violation{reason};
}

void Server::shut_down(const Reply& farewell) {
    if (phase_ == Phase::finished) return;
    say(farewell);
    owed_ = Owed::nothing;
    transaction_.reset();
    body_.reset();
    input_.clear();
    enter(Phase::finished);
}

void Server::greet() {
    assert(phase_ == Phase::silent);
    say(make_reply(220, settings_.hostname + " ESMTP waxseal"));
    enter(Phase::greeted);
}

void Server::hello(const Capabilities& offer) {
    if (phase_ == Phase::finished) return;
    assert(owed_ == Owed::hello || owed_ == Owed::helo);
    if (std::exchange(owed_, Owed::nothing) == Owed::hello) {
        say(write_ehlo(settings_.hostname, offer));
        if (offer.size_limit != 0) offered_size_ = std::min(offered_size_, offer.size_limit);
    } else {
        say(make_reply(250, settings_.hostname));
    }
    enter(Phase::ready);
}

void Server::reply(const Reply& reply) {
    if (phase_ == Phase::finished) return;
    switch (std::exchange(owed_, Owed::nothing)) {
        case Owed::mail:
            return after_mail(reply);
        case Owed::rcpt:
            return after_rcpt(reply);
        case Owed::data:
            return after_data(reply);
        case Owed::message:
            say(reply);
            junk_ = 0;
            transaction_.reset();
            return enter(Phase::ready);
        case Owed::nothing:
        case Owed::hello:
        case Owed::helo:
            break;
    }
    assert(!"reply() without a command that is owed one");
}

void Server::after_mail(const Reply& reply) {
    answer(reply);
    if (reply.positive()) return enter(Phase::mail);
    if (!reply.transient()) {
        transaction_.reset();
        return enter(Phase::ready);
    }
    transaction_->doom = reply;
    enter(Phase::doomed);
}

void Server::after_rcpt(const Reply& reply) {
    answer(reply);
    if (reply.positive()) {
        ++transaction_->recipients;
        if (phase_ == Phase::mail) enter(Phase::rcpt);
    } else {
        ++transaction_->refused;
    }
}

void Server::after_data(const Reply& reply) {
    if (!input_.empty()) {
        // What has arrived would be content after a 354 and commands after a refusal: never guess.
        shut_down(make_reply(
            554, {5, 5, 0}, "Protocol synchronization error: wait for the reply to DATA; closing"));
        violation_ = "data sent before the reply to DATA";
        return;
    }
    answer(reply);
    if (reply.intermediate()) {
        body_.emplace(ServerBody{DataDecoder(settings_.line_endings)});
        return enter(Phase::body);
    }
    if (reply.transient()) {
        transaction_->doom = reply;
        return enter(Phase::doomed);
    }
    transaction_.reset();
    enter(Phase::ready);
}

void Server::doom(const Reply& reply) {
    assert(owed_ == Owed::nothing);
    if (!transaction_ || phase_ == Phase::body || phase_ == Phase::finished) return;
    transaction_->doom = reply;
    enter(Phase::doomed);
}

Timer Server::timer() const noexcept {
    const bool waits =
        phase_ != Phase::silent && phase_ != Phase::finished && owed_ == Owed::nothing;
    return waits ? Timer::downstream_idle : Timer::none;
}

bool Server::idle() const noexcept {
    constexpr std::uint8_t between = Phase::greeted | Phase::ready | Phase::doomed;
    return (between & static_cast<std::uint8_t>(phase_)) != 0 && owed_ == Owed::nothing;
}

// A reply that answers a command; refusals count towards max_errors.
void Server::answer(const Reply& reply) {
    if (reply.permanent()) ++errors_;
    say(reply);
}

void Server::say(const Reply& reply) { output_.append(write(reply)); }

}  // namespace waxseal::smtp
