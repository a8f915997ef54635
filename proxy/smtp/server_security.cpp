// STARTTLS and AUTH at the server machine: the two commands after which another party decides. TLS
// is the channel's, and what a mechanism makes of a response is the owner's; here is only the
// frame.
//
// RFC 3207 4 (STARTTLS; everything learnt before it is forgotten), RFC 4954 4 (AUTH).
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.hpp"
#include "smtp/base64.hpp"
#include "smtp/server.hpp"

namespace waxseal::smtp {

namespace event = server_event;

namespace {

Reply not_base64() { return make_reply(501, {5, 5, 2}, "Not base64"); }

std::optional<Secret> decode(std::string_view text) {
    auto decoded = base64_decode(text);
    if (!decoded) return std::nullopt;
    return Secret::adopt(std::move(*decoded));
}

}  // namespace

bool Server::in_clear() const noexcept {
    return settings_.starttls == Starttls::required && !secured_;
}

bool Server::offers(Verb verb) const noexcept {
    if (verb == Verb::starttls) return settings_.starttls != Starttls::absent && !secured_;
    if (verb == Verb::auth) return !settings_.auth_mechanisms.empty();
    return true;
}

// What an upstream says of its own TLS and AUTH is nothing to a downstream.
Capabilities Server::with_own_security(Capabilities offer) const {
    offer.remove(Extension::starttls);
    offer.remove(Extension::auth);
    offer.auth_mechanisms.clear();
    if (offers(Verb::starttls)) offer.add(Extension::starttls);
    if (offers(Verb::auth) && !in_clear()) {
        offer.add(Extension::auth);
        offer.auth_mechanisms = settings_.auth_mechanisms;
    }
    return offer;
}

Server::Handled Server::on_starttls(const Command& command) {
    if (!command.argument.empty()) {
        answer(make_reply(501, {5, 5, 4}, "STARTTLS takes no argument"));
        return std::nullopt;
    }
    const bool aborted =
        std::exchange(transaction_, std::nullopt).has_value() && phase_ != Phase::doomed;
    // A device that does not say EHLO again has introduced itself all the same.
    after_tls_ = tolerant() && hello_name_ ? Phase::ready : Phase::greeted;
    hello_name_.reset();
    offered_size_ = settings_.max_message_size;
    trust_ = Trust::none;
    answer(make_reply(220, {2, 0, 0}, "Ready to start TLS"));
    enter(Phase::securing);
    return event::StartTls{aborted};
}

void Server::secured() {
    if (phase_ == Phase::finished) return;
    assert(phase_ == Phase::silent || phase_ == Phase::securing);
    secured_ = true;
    if (!input_.empty()) {  // stored before greet(), and so before the handshake
        end();
        violation_ = violation::data_behind_starttls;
    } else if (phase_ == Phase::securing) {
        enter(after_tls_);
    }
}

Server::Handled Server::on_auth(const Command& command) {
    count_junk();
    const std::string_view given = command.argument.substr(0, command.argument.find(' '));
    const std::string_view name = tolerant() ? mechanism_meant(given) : given;
    const auto& offered = settings_.auth_mechanisms;
    const auto mechanism =
        std::find_if(offered.begin(), offered.end(),
                     [name](const std::string& one) { return text::iequals(one, name); });
    std::optional<Reply> refusal;
    std::optional<Secret> initial;
    if (trust_ == Trust::login) {
        refusal = make_reply(503, {5, 5, 1}, "Already authenticated");
    } else if (name.empty()) {
        refusal = make_reply(501, {5, 5, 4}, "Syntax: AUTH mechanism");
    } else if (mechanism == offered.end()) {
        refusal = make_reply(504, {5, 5, 4}, "This mechanism is not offered");
    } else if (given.size() < command.argument.size()) {
        std::string_view text = command.argument.substr(given.size() + 1);
        if (tolerant()) text = tidy_response(text);
        initial = text == "=" ? Secret() : decode(text);
        // Spaces at its end are taken off commands, but base64 has none.
        if (!initial || (!tolerant() && scratch_.ends_with(' '))) refusal = not_base64();
    }
    if (refusal) {
        answer(*refusal);
        return std::nullopt;
    }
    transaction_.reset();
    enter(Phase::authenticating);
    owed_ = Owed::auth;
    return event::Auth{*mechanism, std::move(initial)};
}

Server::Handled Server::take_response(std::string_view line) {
    if (tolerant()) line = tidy_response(line);
    if (line == "*")
        return cancel_auth(make_reply(501, {5, 0, 0}, "Authentication cancelled"), "cancelled");
    auto response = decode(line);
    if (!response) return cancel_auth(not_base64(), "not base64");
    owed_ = Owed::auth;
    return event::AuthResponse{*std::move(response)};
}

ServerEvent Server::cancel_auth(const Reply& reply, std::string_view reason) {
    answer(reply);
    enter(Phase::ready);
    return event::AuthCancelled{reason};
}

void Server::challenge(std::string_view raw) {
    if (phase_ == Phase::finished) return;
    assert(owed_ == Owed::auth);
    owed_ = Owed::nothing;
    say(make_reply(334, base64_encode(raw)));
}

void Server::after_auth(const Reply& reply) {
    assert(!reply.intermediate());
    if (reply.positive()) trust_ = Trust::login;
    if (reply.permanent()) ++auth_failures_;
    answer(reply);
    enter(Phase::ready);
}

}  // namespace waxseal::smtp
