// What the upstream says, or that it is gone, and what the session makes of it.
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "relay/replies.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

namespace event = smtp::client_event;
using smtp::Extension;

namespace {

std::string_view outcome_of(const smtp::Reply& reply) {
    if (reply.positive()) return "accepted";
    return reply.permanent() ? "refused" : "deferred";
}

}  // namespace

// As soon as there is a recipient, and the connection is between transactions: at once, or when the
// reply to RSET has come.
void Session::send_envelope() {
    upstream::Connection* const upstream = connection();
    if (upstream == nullptr || !transaction_ || transaction_->next_reply) return;
    smtp::Client& client = upstream->client();
    if (!client.idle() || transaction_->recipients.empty() ||
        transaction_->stage == Transaction::Stage::collect)
        return;
    transaction_->record.upstream = upstream->provider()->name;
    if (const auto refusal = untranslatable(transaction_->mail, client.capabilities())) {
        refuse_envelope("refused", *refusal);
        return release();
    }
    smtp::MailParameters parameters = transaction_->mail.parameters;
    // A device that does not say what its body is may send anything (RFC 6152 lets 7-bit mail be
    // declared 8BITMIME).
    if (parameters.body == smtp::Body::unspecified) parameters.body = smtp::Body::eight_bit_mime;
    // What another session has left there, whatever it was, ends here; and a connection that has
    // died is found out.
    if (upstream->reused()) client.reset();
    const smtp::Path& sender = reverse_path(*upstream->provider());
    if (sender != transaction_->mail.reverse_path) {
        transaction_->record.repairs.add(Repair::envelope_rewritten);
        transaction_->record.sent_as = sender.text();
    }
    client.mail(sender, parameters);
    for (const Recipient& one : transaction_->recipients)
        if (one.state != Recipient::State::refused)
            client.rcpt(one.command.forward_path, one.command.parameters);
    transaction_->begin_replies();
}

// What the downstream asked for and this upstream cannot do. For good if nobody said otherwise; for
// now if we did, in the name of another upstream or of what this one offered before: a retry may
// then succeed.
std::optional<smtp::Reply> Session::untranslatable(const smtp::server_event::Mail& mail,
                                                   const smtp::Capabilities& offered) const {
    const auto refuse = [this](Extension what, smtp::Reply reply) {
        if ((offered_ & static_cast<std::uint32_t>(what)) == 0) return reply;
        reply.code = 451;
        reply.enhanced->klass = 4;
        reply.lines.front() += " at the moment; try again later";
        return reply;
    };
    if (mail.parameters.smtputf8 && !offered.has(Extension::smtputf8)) {
        return refuse(Extension::smtputf8,
                      smtp::make_reply(550, {5, 6, 7}, "The upstream does not support SMTPUTF8"));
    }
    if (mail.parameters.body == smtp::Body::eight_bit_mime &&
        !offered.has(Extension::eight_bit_mime)) {
        return refuse(Extension::eight_bit_mime,
                      smtp::make_reply(550, {5, 6, 3}, "The upstream does not support 8BITMIME"));
    }
    if (offered.size_limit != 0 && mail.parameters.size.value_or(0) > offered.size_limit) {
        return refuse(
            Extension::size,
            smtp::make_reply(552, {5, 3, 4}, "Message is larger than the upstream's limit"));
    }
    return std::nullopt;
}

// Once every recipient of an envelope that may have been said again has its answer.
void Session::begin_body() {
    if (transaction_->stage != Transaction::Stage::go_ahead || transaction_->verdict ||
        !transaction_->next_reply || transaction_->awaits_reply())
        return;
    smtp::Client& client = connection()->client();
    if (client.awaits_go_ahead()) return;
    transaction_->editor = editor();
    client.data();
    if (client.phase() == smtp::Client::Phase::body) transaction_->stage = Transaction::Stage::body;
}

// No recipient can be accepted any more: those that wait hear it now, what else comes in the
// transaction hears it, too. After DATA (the envelope was said again) the body's end hears it.
void Session::refuse_envelope(std::string_view outcome, const smtp::Reply& reply) {
    if (transaction_->stage != Transaction::Stage::envelope) return decide(reply);
    end_transaction(outcome, reply);
    while (server_.owes()) server_.reply(reply);
    server_.doom(reply);
}

void Session::on(const event::MailReply& told) {
    if (!transaction_ || told.reply.positive()) return;
    if (may_replace()) return replace({FailureKind::lost, smtp::summary(told.reply)});
    const smtp::Reply reply = for_downstream(told.reply);
    refuse_envelope(outcome_of(reply), reply);
    release();
}

void Session::on(const event::RcptReply& told) {
    // To an envelope that was given up: the next one waits for the last of these.
    if (!transaction_ || !transaction_->awaits_reply()) return send_envelope();
    const bool closing = connection()->client().phase() != smtp::Client::Phase::open;
    if (closing && may_replace()) return replace({FailureKind::lost, smtp::summary(told.reply)});
    const smtp::Reply reply = for_downstream(told.reply);
    Recipient& recipient = transaction_->recipients[*transaction_->next_reply];
    if (recipient.state == Recipient::State::accepted) {
        // The device has its 250 for this one: with less than that the message must not go.
        if (!reply.positive())
            return fail({FailureKind::lost,
                         "a recipient that was accepted is refused on a new connection: " +
                             smtp::summary(reply)});
    } else {
        answer_recipient(recipient, reply);
    }
    transaction_->reply_taken();
    // 421: the upstream will hear no more of this transaction.
    if (closing) return fail_envelope(reply);
    begin_body();
}

void Session::answer_recipient(Recipient& recipient, const smtp::Reply& reply) {
    TransactionRecord& record = transaction_->record;
    if (reply.positive()) {
        recipient.state = Recipient::State::accepted;
        record.add_recipient(recipient.command.forward_path.text());
    } else {
        recipient.state = Recipient::State::refused;
        record.add_refused(recipient.command.forward_path.text(), reply);
    }
    ++transaction_->answered;
    server_.reply(reply);
    tell_refusals();
}

// Our own of the recipients whose turn it is: those before them have their answer.
void Session::tell_refusals() {
    auto& recipients = transaction_->recipients;
    while (transaction_->answered < recipients.size() &&
           recipients[transaction_->answered].refusal) {
        Recipient& one = recipients[transaction_->answered++];
        const auto refusal = *std::exchange(one.refusal, std::nullopt);
        transaction_->record.add_refused(one.command.forward_path.text(), refusal);
        server_.reply(refusal);
    }
}

void Session::fail_envelope(const smtp::Reply& reply) {
    drop_connection();
    refuse_envelope("deferred", reply);
}

// The device was told 354 already: a refusal waits for the end of its body.
void Session::on(const event::DataReply& told) {
    if (told.reply.intermediate()) {
        transaction_->stage = Transaction::Stage::body;
        return;
    }
    const bool closing = connection()->client().phase() != smtp::Client::Phase::open;
    if (closing && may_replace()) return replace({FailureKind::lost, smtp::summary(told.reply)});
    decide(for_downstream(told.reply));
    release();
}

void Session::on(const event::MessageReply& told) {
    smtp::Reply reply = for_downstream(told.reply);
    if (told.early) {
        if (reply.transient() && start_over(smtp::summary(told.reply))) return;
        if (reply.transient()) note_slow();
        drop_connection();
        return decide(reply);
    }
    if (reply.positive()) reply.code = 250;
    note_time(&TransactionRecord::reply_wait);
    watch_delivery(reply, smtp::summary(reply));
    end_transaction(outcome_of(reply), reply);
    server_.reply(reply);
    release();
}

void Session::on(const event::ResetReply& told) {
    if (told.reply.positive()) return send_envelope();
    if (may_replace()) return replace({FailureKind::lost, smtp::summary(told.reply)});
    drop_connection();
    if (transaction_) connect();
}

void Session::on(event::Closed) {
    if (may_replace()) return replace({FailureKind::lost, "the upstream closed the connection"});
    if (start_over("the upstream closed the connection")) return;
    drop_connection();
    if (transaction_ && !transaction_->recipients.empty()) connect();
}

// The upstream has given up a body. Was it for the device's sake?
void Session::note_slow() {
    if (transaction_ && transaction_->body_begun && !transaction_->complete() &&
        silent_for() >= limits::body_pause)
        services_.slow.note(client_.ip, reactor_.now());
}

void Session::on(event::Failed told) {
    if (may_replace()) return replace(told.failure);
    if (start_over(told.failure.reason)) return;
    note_slow();
    log::warn("upstream_failed", {{"session", record_.id},
                                  {"upstream", connection()->provider()->name},
                                  {"cause", to_string(told.failure.kind)},
                                  {"reason", told.failure.reason}});
    if (transaction_ && !passes_through())
        connection()->provider()->lost(told.failure, reactor_.now());
    fail(told.failure);
}

// The upstream is lost, at whatever point: every point has its one honest answer.
void Session::fail(const Failure& failure) {
    drop_connection();
    if (!transaction_) return;
    if (transaction_->stage == Transaction::Stage::outcome) {
        log::warn("outcome_unknown", {{"session", record_.id}, {"reason", failure.reason}});
        end_transaction("unknown", outcome_unknown());
        return server_.reply(outcome_unknown());
    }
    transaction_->record.set_reason(failure.reason);
    const smtp::Reply reply = reply_for(failure.kind);
    if (transaction_->record.upstream.empty())
        transaction_->record.upstream = opened_for_.front()->name;
    fail_envelope(reply);
}

}  // namespace waxseal::relay
