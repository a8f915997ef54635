// What the downstream says, and what the session makes of it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "relay/replies.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

namespace event = smtp::server_event;

namespace {

// What the administrator can do about it.
std::string_view remedy(std::string_view reason) {
    if (reason == smtp::violation::tls_in_clear)
        return "this device speaks implicit TLS: set tls = \"auto\" or \"implicit\"";
    if (reason == smtp::violation::proxy_header)
        return "a load balancer announces its clients: name it in proxy_protocol";
    if (reason == smtp::violation::data_before_greeting)
        return "this device does not wait for the greeting: with tls = \"auto\" it has to; give it "
               "a listener with another tls";
    if (reason == smtp::violation::http)
        return "this is a mail port; a web browser or a health check for HTTP was pointed at it";
    return {};
}

}  // namespace

// The upstream that would be tried first.
const upstream::Provider& Session::first_choice(const upstream::Connector::Providers& all) {
    const auto up =
        std::find_if(all.begin(), all.end(), [](const auto& one) { return one->breaker.closed(); });
    return up == all.end() ? *all.front() : **up;
}

// What the downstream is offered: ours, cut to what that upstream offered last time.
smtp::Capabilities Session::offer() const {
    const auto last = first_choice(settings_->providers).last_offer.latest();
    const smtp::OwnOffer own{settings_->server.max_message_size, settings_->server.max_recipients};
    return smtp::translate(own, last.get());
}

void Session::on(event::Hello hello) {
    record_.helo = hello.name;
    if (hello.aborted) on(event::Reset{});
    const smtp::Capabilities offered = offer();
    offered_ = hello.esmtp ? offered.extensions : 0;
    server_.hello(offered);
    expect();
}

// What can be known already need not wait for the first recipient.
std::optional<smtp::Reply> Session::refusal_of(const event::Mail& mail) {
    const smtp::Path& sender = mail.reverse_path;
    const bool of_user = !user_ || user_->may_send(sender);
    if (!of_user || !auth::allows(settings_->messages.senders, sender)) {
        log::warn("sender_refused",
                  {{"session", record_.id}, {"user", record_.user}, {"from", sender.text()}});
        return smtp::make_reply(553, {5, 7, 1},
                                of_user ? "This sender is not allowed here"
                                        : "This user may not send from this address");
    }
    const auto last = first_choice(destination(&sender)).last_offer.latest();
    return last ? untranslatable(mail, *last) : std::nullopt;
}

bool Session::refuses(const smtp::Path& forward_path) const {
    return !auth::allows(settings_->messages.recipients, forward_path) ||
           (user_ && !auth::allows(user_->recipients, forward_path));
}

void Session::on(event::Mail mail) {
    abandon("reset");
    if (passes_through() && !server_.authenticated())  // but for a certificate
        return server_.reply(smtp::make_reply(530, {5, 7, 0}, "Authentication required"));
    if (passes_through() && std::holds_alternative<std::monostate>(upstream_)) return connect();
    if (const auto refusal = refusal_of(mail)) return server_.reply(*refusal);
    transaction_ = std::make_unique<Transaction>(std::move(mail), reactor_.now());
    transaction_->record.repairs.add(noted_.take());
    if (upstream::Connection* const upstream = connection()) {  // kept for this session
        smtp::Client& client = upstream->client();
        const bool elsewhere =
            !passes_through() && destination(&transaction_->mail.reverse_path) != opened_for_;
        if (elsewhere || client.phase() != smtp::Client::Phase::open || client.used_up())
            drop_connection();
    }
    server_.reply(smtp::make_reply(250, {2, 1, 0}, "Ok"));
}

void Session::on(event::Rcpt rcpt) {
    if (refuses(rcpt.forward_path)) {
        log::warn(
            "recipient_refused",
            {{"session", record_.id}, {"user", record_.user}, {"to", rcpt.forward_path.text()}});
        Recipient refused{std::move(rcpt), Recipient::State::refused};
        refused.refusal =
            smtp::make_reply(550, {5, 7, 1}, "Mail to this recipient is not allowed from here");
        transaction_->add_refused(std::move(refused));
        return tell_refusals();
    }
    if (std::holds_alternative<std::monostate>(upstream_)) connect();
    if (!transaction_) return;
    transaction_->recipients.push_back({std::move(rcpt)});
    if (!transaction_->next_reply) return send_envelope();
    const event::Rcpt& last = transaction_->recipients.back().command;
    connection()->client().rcpt(last.forward_path, last.parameters);
}

void Session::on(event::Reset) {
    abandon("reset");
    release();
}

void Session::on(event::Quit) {
    record_.end = "quit";
    abandon("aborted");
}

void Session::on(event::Violation violation) {
    record_.end = "violation";
    record_.reason = violation.reason;
    log::Fields told{
        {"session", record_.id}, {"client", record_.client}, {"reason", violation.reason}};
    if (const std::string_view hint = remedy(violation.reason); !hint.empty())
        told.emplace_back("hint", hint);
    complain("protocol_violation", violation.reason, std::move(told));
    abandon("aborted");
    release();
}

void Session::on(event::Disconnected disconnected) {
    record_.end = disconnected.in_body ? "disconnected_in_body" : "disconnected";
    abandon("aborted");
    release();
}

}  // namespace waxseal::relay
