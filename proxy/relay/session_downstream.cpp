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

void Session::on(event::Mail mail) {
    abandon("reset");
    if (passes_through() && !server_.authenticated())  // but for a certificate
        return server_.reply(smtp::make_reply(530, {5, 7, 0}, "Authentication required"));
    if (user_ && !user_->may_send(mail.reverse_path)) {
        log::warn(
            "sender_refused",
            {{"session", record_.id}, {"user", record_.user}, {"from", mail.reverse_path.text()}});
        return server_.reply(
            smtp::make_reply(553, {5, 7, 1}, "This user may not send from this address"));
    }
    if (passes_through() && std::holds_alternative<std::monostate>(upstream_)) return connect();
    // What can be known already need not wait for the first recipient.
    const auto last = first_choice(destination(&mail.reverse_path)).last_offer.latest();
    if (const auto refusal = last ? untranslatable(mail, *last) : std::nullopt)
        return server_.reply(*refusal);
    transaction_ = std::make_unique<Transaction>(std::move(mail), reactor_.now());
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
    if (std::holds_alternative<std::monostate>(upstream_)) connect();
    if (!transaction_) return;
    transaction_->recipients.push_back({std::move(rcpt)});
    if (!transaction_->next_reply) return send_envelope();
    const event::Rcpt& last = transaction_->recipients.back().command;
    connection()->client().rcpt(last.forward_path, last.parameters);
}

void Session::on(event::DataRequested) {
    note_time(&TransactionRecord::envelope);
    transaction_->stage = Transaction::Stage::go_ahead;
    server_.reply(smtp::make_reply(354, "End data with <CR><LF>.<CR><LF>"));
    if (!server_.finished()) begin_body();
}

void Session::on(event::Body body) {
    // With the verdict known, the rest is read only to find its end.
    if (transaction_->verdict) return;
    transaction_->body_begun = true;
    connection()->client().body(body.content);
}

void Session::on(event::BodyRefused refused) {
    // The upstream has part of a message: closing without the end mark is the only way to take it
    // back.
    log::info("body_refused",
              {{"session", record_.id}, {"reason", smtp::to_string(refused.verdict)}});
    transaction_->verdict = smtp::refusal(refused.verdict);
    drop_connection();
}

void Session::on(event::BodyEnd end) {
    note_time(&TransactionRecord::body);
    TransactionRecord& record = transaction_->record;
    record.size = end.findings.octets;
    if (end.findings.bare_lf != 0) record.repairs.emplace_back("bare_lf");
    if (end.findings.bare_cr != 0) record.repairs.emplace_back("bare_cr");
    // The whole message decides, so that the answer does not depend on how it was cut into reads.
    if (end.verdict != smtp::BodyVerdict::acceptable) {
        transaction_->verdict = smtp::refusal(end.verdict);
        drop_connection();
    }
    if (transaction_->verdict) {
        const smtp::Reply reply = *std::exchange(transaction_->verdict, std::nullopt);
        end_transaction(reply.permanent() ? "refused" : "deferred", reply);
        return server_.reply(reply);
    }
    transaction_->stage = Transaction::Stage::outcome;
    connection()->client().end_of_data();
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
