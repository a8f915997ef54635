// The stream side of the server machine: cutting input into commands, answering in order, ending.
// What each command means is in server_commands.cpp and server_security.cpp, what answers do in
// server_replies.cpp, bodies in server_body.cpp.
#include "smtp/server.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "smtp/server_table.hpp"

namespace waxseal::smtp {

namespace event = server_event;

namespace {
// In which a verb has to stand.
constexpr std::size_t command_head = 128;
}  // namespace

Server::Server(const ServerSettings& settings)
    : settings_(settings),
      lines_(limits::command_line, settings.reading == Reading::tolerant ? LineReader::Ends::lf_too
                                                                         : LineReader::Ends::crlf),
      offered_size_(settings.max_message_size) {}

Server::~Server() {
    input_.wipe();
    wipe(scratch_);
}

void Server::receive(std::string_view bytes) {
    if (phase_ == Phase::finished || bytes.empty()) return;
    input_.append(bytes);
    if (phase_ != Phase::securing) return;
    // It was sent before the handshake: by whoever sits in between, or by a device that has not
    // waited. No reply: the next octets from here have to be TLS.
    end();
    violation_ = violation::data_behind_starttls;
}

void Server::end_of_input() noexcept {
    if (input_state_ == Input::open) input_state_ = Input::ended;
}

ServerEvent Server::next() {
    if (!violation_.empty()) return event::Violation{std::exchange(violation_, {})};
    const std::uint64_t errors = errors_;
    while (true) {
        if (phase_ == Phase::finished) return event::NeedInput{};
        if (phase_ == Phase::securing && input_state_ == Input::ended) return no_input();
        if (phase_ == Phase::silent || phase_ == Phase::securing) return event::Paused{};
        if (owed_ != Owed::nothing && !may_run_ahead()) return event::Paused{};
        if (output_.size() > limits::pending_replies) return event::Paused{};
        if (errors_ > errors && errors_ > settings_.prompt_errors) return event::Paused{};
        if (phase_ == Phase::body) return take_body();
        if (auto event = take_line()) return *std::move(event);
    }
}

// Behind a RCPT whose answer is still to come: only another one, whole, and as long as it cannot be
// one too many, whatever the answers to those before it. (Each that is refused is an error, but the
// most that can be beyond max_errors is bounded.)
bool Server::may_run_ahead() const noexcept {
    if (owed_ != Owed::rcpt) return false;
    const std::size_t ahead = transaction_->unanswered.size();
    const bool room = ahead < limits::pipelined_recipients &&
                      transaction_->recipients + ahead < settings_.max_recipients;
    const std::string_view input = input_.front();
    return room && errors_ < settings_.max_errors && text::istarts_with(input, "RCPT ") &&
           input.substr(0, limits::command_line).find('\n') != std::string_view::npos;
}

Server::Handled Server::take_line() {
    const bool head = !lines_.skipping();
    if (head) {
        if (!secured_ && begins_tls(input_.front())) {
            return finish(make_reply(554, {5, 7, 0}, "TLS has to wait for STARTTLS here; closing"),
                          violation::tls_in_clear);
        }
        lines_.set_limit(line_limit());
    }
    const LineReader::Result result = lines_.find(input_.front());
    if (head) too_long_ = Verb::unknown;
    if (head && (lines_.skipping() || std::holds_alternative<LineReader::TooLong>(result)))
        too_long_ = verb_of(input_.front());
    if (const auto* more = std::get_if<LineReader::NeedInput>(&result)) {
        input_.wipe(more->discard);
        return no_input();
    }
    if (const auto* illegal = std::get_if<LineReader::Illegal>(&result))
        return on_illegal(*illegal);
    if (std::holds_alternative<LineReader::Endless>(result))
        return finish(make_reply(500, {5, 5, 2}, "Line too long; closing"), "endless line");
    if (auto over = exhausted()) return over;
    if (const auto* line = std::get_if<LineReader::Line>(&result)) return on_line(*line);
    return on_long_line(std::get<LineReader::TooLong>(result));
}

// A credential may be on the line: it is neither left in the queue nor in the copy.
Server::Handled Server::on_line(const LineReader::Line& line) {
    blank_lines_ = text::trim(line.text).empty() ? blank_lines_ + 1 : 0;
    if (line.bare_lf) repairs_.add(Repair::bare_lf_command);
    if (passed_over()) {
        input_.wipe(line.length);
        return std::nullopt;
    }
    // A copy: the queue may let its memory go while the command is still being read.
    scratch_.assign(line.text);
    input_.wipe(line.length);
    if (tolerant() && phase_ != Phase::authenticating) tidy_command(scratch_, repairs_);
    Handled handled = phase_ == Phase::authenticating ? take_response(scratch_) : execute(scratch_);
    wipe(scratch_);
    if (scratch_.capacity() > limits::command_line) std::string().swap(scratch_);
    return handled;
}

// An empty line between commands says nothing, and a few of them hurt nobody; white space is as
// good as nothing.
bool Server::passed_over() noexcept {
    if (!tolerant() || blank_lines_ == 0 || blank_lines_ > tolerated_blank_lines ||
        phase_ == Phase::authenticating)
        return false;
    repairs_.add(Repair::blank_line);
    return true;
}

Server::Handled Server::on_long_line(const LineReader::TooLong& line) {
    input_.wipe(line.length);
    if (data_refused_ && too_long_ == Verb::unknown) return message_for_nobody();
    if (too_long_ == Verb::bdat) return on_hang_up({Verb::bdat, {}});
    data_refused_ = too_long_ == Verb::data;
    if (lines_.limit() == limits::command_line) {
        answer(make_reply(500, {5, 5, 2}, "Line too long"));
        return std::nullopt;
    }
    const Reply reply = make_reply(500, {5, 5, 6}, "Authentication exchange line is too long");
    if (phase_ == Phase::authenticating) return cancel_auth(reply, "line too long");
    answer(reply);
    return std::nullopt;
}

ServerEvent Server::on_illegal(const LineReader::Illegal& illegal) {
    // The PROXY protocol, version 2, begins with two empty lines and a NUL.
    if (blank_lines_ == 2 && input_.front().starts_with('\0'))
        return finish(make_reply(500, {5, 5, 2}, "A PROXY header is not expected here; closing"),
                      violation::proxy_header);
    return finish(make_reply(500, {5, 5, 2},
                             "Commands must end in CRLF and hold no control characters; closing"),
                  illegal.what);
}

// The refusals so far are the last word: whatever comes next is not looked at.
Server::Handled Server::exhausted() {
    if (errors_ >= settings_.max_errors)
        return finish(make_reply(421, {4, 7, 0}, "Too many errors; closing"), "too many errors");
    if (auth_failures_ >= settings_.max_auth_failures)
        return finish(make_reply(421, {4, 7, 0}, "Too many failed logins; closing"),
                      "too many failed logins");
    return std::nullopt;
}

// RFC 4954 4: what AUTH carries may be longer than a command, and how long is known only when the
// command is.
std::size_t Server::line_limit() const noexcept {
    constexpr std::size_t sasl_line = limits::sasl_line + 2;  // CRLF
    if (phase_ == Phase::authenticating) return sasl_line;
    const std::string_view line = input_.front();
    return !settings_.auth_mechanisms.empty() && verb_of(line) == Verb::auth ? sasl_line
                                                                             : limits::command_line;
}

Server::Handled Server::execute(std::string_view line) {
    const Command command = parse_command(line);
    if (std::exchange(data_refused_, false) && command.verb == Verb::unknown)
        return message_for_nobody();
    const ServerTable::Row& row = ServerTable::row(command.verb);
    const bool behind =
        row.batch == ServerTable::Batch::sync && !input_.empty() && offers(row.verb);
    const bool message_behind = behind && tolerant() && row.verb == Verb::data;
    if (behind && !message_behind) return out_of_step(row.verb);
    Handled handled = carry_out(command);
    data_refused_ = row.verb == Verb::data && !handled;
    if (!message_behind || handled || phase_ == Phase::finished) return handled;
    // DATA was refused here: what stands behind it is a message and no command.
    end();
    return event::Violation{violation::message_behind_refusal};
}

Server::Handled Server::carry_out(const Command& command) {
    const ServerTable::Row& row = ServerTable::row(command.verb);
    if (row.needs != ServerTable::Needs::nothing && in_clear()) {
        answer(make_reply(530, {5, 7, 0}, "Must issue a STARTTLS command first"));
    } else if (!offers(row.verb)) {
        return on_answered_here(command);
    } else if (!contains(row.phases, phase_)) {
        const bool unintroduced = phase_ == Phase::greeted;
        answer(make_reply(503, {5, 5, 1},
                          unintroduced ? "Say EHLO or HELO first" : "Bad sequence of commands"));
    } else if (row.needs == ServerTable::Needs::login && settings_.require_auth &&
               trust_ == Trust::none) {
        answer(make_reply(530, {5, 7, 0}, "Authentication required"));
    } else {
        return (this->*row.handler)(command);
    }
    return std::nullopt;
}

// Octets stand behind a command whose answer decides what they are.
ServerEvent Server::out_of_step(Verb verb) {
    if (verb == Verb::starttls) {
        return finish(
            make_reply(554, {5, 5, 1},
                       "Protocol synchronization error: wait for the reply to STARTTLS; closing"),
            violation::data_behind_starttls);
    }
    return finish(make_reply(554, {5, 5, 0},
                             "Protocol synchronization error: wait for the reply to DATA; closing"),
                  "data sent before the reply to DATA");
}

// DATA was refused, and this is none of the commands that could follow.
ServerEvent Server::message_for_nobody() {
    return finish(make_reply(554, {5, 5, 0}, "DATA was refused, and this is no command; closing"),
                  violation::message_behind_refusal);
}

// Of a line as far as it is there; its first octets decide, however it is cut.
Verb Server::verb_of(std::string_view line) const noexcept {
    line = line.substr(0, command_head);
    if (tolerant()) line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return parse_command(line.substr(0, line.find_first_of(tolerant() ? " \t\r\n" : " \r\n"))).verb;
}

ServerEvent Server::no_input() {
    if (input_state_ != Input::ended) return event::NeedInput{};
    input_state_ = Input::told;
    const bool in_body = phase_ == Phase::body;
    end();
    return event::Disconnected{in_body};
}

ServerEvent Server::finish(const Reply& reply, std::string_view reason) {
    shut_down(reply);
    return event::Violation{reason};
}

void Server::shut_down(const Reply& farewell) {
    if (phase_ == Phase::finished) return;
    // In the middle of a handshake there is nobody to say it to.
    if (phase_ != Phase::securing) say(farewell);
    end();
}

void Server::end() noexcept {
    owed_ = Owed::nothing;
    transaction_.reset();
    body_.reset();
    input_.wipe();
    enter(Phase::finished);
}

void Server::greet() {
    assert(phase_ == Phase::silent);
    if (!input_.empty()) return refuse_early();
    say(make_reply(220, settings_.hostname + " ESMTP waxseal"));
    enter(Phase::greeted);
}

void Server::doom(const Reply& reply) {
    assert(owed_ == Owed::nothing);
    if (!transaction_ || phase_ == Phase::body || phase_ == Phase::finished) return;
    transaction_->doom = reply;
    enter(Phase::doomed);
}

Timer Server::timer() const noexcept {
    if (phase_ == Phase::securing) return Timer::tls_handshake;
    const bool waits =
        phase_ != Phase::silent && phase_ != Phase::finished && owed_ == Owed::nothing;
    return waits ? Timer::downstream_idle : Timer::none;
}

bool Server::idle() const noexcept {
    constexpr ServerPhases between =
        Phase::greeted | Phase::ready | Phase::doomed | Phase::authenticating;
    return contains(between, phase_) && owed_ == Owed::nothing;
}

}  // namespace waxseal::smtp
