// What each command of the server machine means: the handlers of server_table.hpp. A handler either
// answers here and returns nothing, or returns the event whose answer is then owed.
#include <utility>

#include "base/limits.hpp"
#include "smtp/server.hpp"
#include "smtp/server_table.hpp"

namespace waxseal::smtp {

namespace event = server_event;

namespace {

// Commands that do no work for a message are free up to this many between two messages; beyond,
// each counts as an error (Postfix: smtpd_junk_command_limit).
constexpr std::uint32_t junk_limit = 100;

Reply answer_to(Verb verb) {
    switch (verb) {
        case Verb::noop:
            return make_reply(250, {2, 0, 0}, "Ok");
        case Verb::vrfy:
            return make_reply(252, {2, 5, 2}, "Cannot verify; send a message and see");
        case Verb::expn:
            return make_reply(502, {5, 5, 1}, "EXPN is not available");
        case Verb::help:
            return make_reply(214, {2, 0, 0}, "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP");
        case Verb::starttls:
            return make_reply(502, {5, 5, 1}, "STARTTLS is not offered here");
        case Verb::auth:
            return make_reply(502, {5, 5, 1}, "AUTH is not offered here");
        default:
            return make_reply(500, {5, 5, 2}, "Command not recognized");
    }
}

}  // namespace

void Server::count_junk() noexcept {
    if (++junk_ > junk_limit) ++errors_;
}

Server::Handled Server::on_hello(const Command& command) {
    if (command.argument.empty() && tolerant()) {
        repairs_.add(Repair::no_hello_name);
    } else if (command.argument.empty()) {
        answer(make_reply(501, {5, 5, 4}, "Your name is missing: EHLO host.example.com"));
        return std::nullopt;
    }
    const bool esmtp = command.verb == Verb::ehlo;
    const bool aborted =
        std::exchange(transaction_, std::nullopt).has_value() && phase_ != Phase::doomed;
    count_junk();
    hello_name_.emplace(command.argument);
    owed_ = esmtp ? Owed::hello : Owed::helo;
    return event::Hello{*hello_name_, esmtp, aborted};
}

std::optional<std::string_view> Server::keyword(std::string_view argument, std::string_view name,
                                                Repairs& repairs) {
    return tolerant() ? read_keyword(argument, name, repairs) : after_keyword(argument, name);
}

std::expected<ParsedPath, PathError> Server::path(std::string_view text, PathKind kind,
                                                  Repairs& repairs) {
    return tolerant() ? read_path(text, kind, settings_.hostname, repairs) : parse_path(text, kind);
}

std::string Server::parameters_of(const ParsedPath& parsed, PathKind kind, Repairs& repairs) {
    return tolerant() ? keep_parameters(parsed.rest, kind, repairs) : std::string(parsed.rest);
}

Server::Handled Server::on_mail(const Command& command) {
    Repairs repairs;
    if (!hello_name_) repairs.add(Repair::no_hello_after_tls);
    const auto text = keyword(command.argument, "FROM:", repairs);
    if (!text) {
        answer(make_reply(501, {5, 5, 4}, "Syntax: MAIL FROM:<address>"));
        return std::nullopt;
    }
    auto parsed = path(*text, PathKind::reverse, repairs);
    if (!parsed) {
        answer(make_reply(501, {5, 1, 7}, "Bad sender address: " + parsed.error().reason));
        return std::nullopt;
    }
    auto parameters = parse_mail_parameters(parameters_of(*parsed, PathKind::reverse, repairs));
    if (!parameters) {
        answer(parameters.error());
        return std::nullopt;
    }
    if (parsed->path.needs_utf8() && !parameters->smtputf8) {
        answer(make_reply(553, {5, 6, 7}, "Address is not ASCII: MAIL needs SMTPUTF8"));
        return std::nullopt;
    }
    if (parameters->size.value_or(0) > offered_size_) {
        answer(make_reply(
            552, {5, 3, 4},
            "Message is larger than the limit of " + std::to_string(offered_size_) + " octets"));
        return std::nullopt;
    }
    repairs_.add(repairs);
    transaction_.emplace();
    transaction_->smtputf8 = parameters->smtputf8;
    owed_ = Owed::mail;
    return event::Mail{std::move(parsed->path), *std::move(parameters)};
}

Server::Handled Server::on_rcpt(const Command& command) {
    if (phase_ == Phase::doomed) {
        answer(*transaction_->doom);
        return std::nullopt;
    }
    Repairs repairs;
    const auto text = keyword(command.argument, "TO:", repairs);
    if (!text) {
        answer(make_reply(501, {5, 5, 4}, "Syntax: RCPT TO:<address>"));
        return std::nullopt;
    }
    auto parsed = path(*text, PathKind::forward, repairs);
    if (!parsed) {
        answer(make_reply(501, {5, 1, 3}, "Bad recipient address: " + parsed.error().reason));
        return std::nullopt;
    }
    auto parameters = parse_rcpt_parameters(parameters_of(*parsed, PathKind::forward, repairs));
    if (!parameters) {
        answer(parameters.error());
        return std::nullopt;
    }
    if (parsed->path.needs_utf8() && !transaction_->smtputf8) {
        answer(make_reply(553, {5, 6, 7}, "Address is not ASCII: MAIL needs SMTPUTF8"));
        return std::nullopt;
    }
    if (transaction_->recipients >= settings_.max_recipients) {
        if (++transaction_->recipients_beyond > limits::recipient_overshoot) ++errors_;
        answer(make_reply(452, {4, 5, 3}, "Too many recipients"));
        return std::nullopt;
    }
    repairs_.add(repairs);
    owed_ = Owed::rcpt;
    transaction_->unanswered.emplace_back();
    return event::Rcpt{std::move(parsed->path), *std::move(parameters)};
}

Server::Handled Server::on_data(const Command& command) {
    if (!command.argument.empty()) {
        answer(make_reply(501, {5, 5, 4}, "DATA takes no argument"));
        return std::nullopt;
    }
    if (phase_ == Phase::doomed) {
        answer(*transaction_->doom);
        return std::nullopt;
    }
    if (phase_ == Phase::mail) {
        answer(transaction_->refused != 0 ? make_reply(554, {5, 5, 1}, "No valid recipients")
                                          : make_reply(503, {5, 5, 1}, "RCPT first"));
        return std::nullopt;
    }
    owed_ = Owed::data;
    return event::DataRequested{};
}

Server::Handled Server::on_rset(const Command& command) {
    if (!command.argument.empty()) {
        answer(make_reply(501, {5, 5, 4}, "RSET takes no argument"));
        return std::nullopt;
    }
    const bool aborted =
        std::exchange(transaction_, std::nullopt).has_value() && phase_ != Phase::doomed;
    count_junk();
    if (phase_ != Phase::greeted) enter(Phase::ready);
    answer(make_reply(250, {2, 0, 0}, "Ok"));
    if (!aborted) return std::nullopt;
    return event::Reset{};
}

Server::Handled Server::on_quit(const Command&) {
    shut_down(make_reply(221, {2, 0, 0}, "Bye"));
    return event::Quit{};
}

Server::Handled Server::on_answered_here(const Command& command) {
    count_junk();
    const bool tls_again = command.verb == Verb::starttls && secured_;
    answer(tls_again ? make_reply(503, {5, 5, 1}, "TLS is already active")
                     : answer_to(command.verb));
    return std::nullopt;
}

Server::Handled Server::on_hang_up(const Command& command) {
    if (command.verb == Verb::http) {
        return finish(
            make_reply(554, {5, 7, 0}, "This is a mail server, not a web server; closing"),
            violation::http);
    }
    if (command.verb == Verb::proxy) {
        return finish(make_reply(500, {5, 5, 2}, "A PROXY header is not expected here; closing"),
                      violation::proxy_header);
    }
    return finish(make_reply(502, {5, 5, 1}, "BDAT is not offered here; closing"),
                  "BDAT without CHUNKING");
}

// The client has not waited for the greeting, and gets none (RFC 5321 3.1: 554 in its place).
void Server::refuse_early() {
    const std::string_view input = input_.front();
    const Command first = parse_command(input.substr(0, input.find_first_of("\r\n")));
    const Handled refused =
        first.verb == Verb::http || first.verb == Verb::proxy
            ? on_hang_up(first)
            : finish(make_reply(554, {5, 5, 0},
                                "Protocol synchronization error: wait for the greeting; closing"),
                     violation::data_before_greeting);
    violation_ = std::get<event::Violation>(*refused).reason;
}

std::string_view to_string(Server::Phase phase) noexcept {
    switch (phase) {
        case Server::Phase::silent:
            return "silent";
        case Server::Phase::greeted:
            return "greeted";
        case Server::Phase::ready:
            return "ready";
        case Server::Phase::mail:
            return "mail";
        case Server::Phase::rcpt:
            return "rcpt";
        case Server::Phase::doomed:
            return "doomed";
        case Server::Phase::body:
            return "body";
        case Server::Phase::finished:
            return "finished";
        case Server::Phase::securing:
            return "securing";
        case Server::Phase::authenticating:
            return "authenticating";
    }
    return "?";
}

}  // namespace waxseal::smtp
