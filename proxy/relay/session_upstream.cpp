// What the upstream says, or that it is gone, and what the session makes of it.
#include <utility>

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

void Session::connect(const smtp::Path& reverse_path) {
    // The credentials of a login that was passed through are not kept; who has lost its connection
    // has to log in again.
    if (passes_through()) return part("upstream_lost", farewell::login_lost());
    opened_for_ = destination(&reverse_path);
    upstream_ = std::make_unique<upstream::Connector>(
        reactor_, opened_for_, upstream::Borrower{.label = record_.id, .client = xclient()},
        [this] { pump(); });
}

smtp::Xclient Session::xclient() const { return {record_.client, client_.port, record_.helo}; }

void Session::connected(upstream::Connector::Outcome outcome) {
    if (login_) {
        const auto refusal = std::get<std::unique_ptr<upstream::Connector>>(upstream_)->refusal();
        return tried(std::move(outcome), refusal);
    }
    if (!outcome) return fail(outcome.error());
    adopt(*std::move(outcome));
    if (transaction_) {
        transaction_->record.login = connection()->timings();
        transaction_->since = reactor_.now();
    }
    send_mail();
}

void Session::adopt(std::unique_ptr<upstream::Connection> connection) {
    retire(reactor_, std::move(std::get<std::unique_ptr<upstream::Connector>>(upstream_)));
    connection->set_notify([this] { pump(); });
    record_.upstream_tls = connection->tls_details();
    record_.upstream_address = connection->peer_address();
    record_.account = connection->account();
    record_.mechanism = connection->client().mechanism();
    upstream_ = std::move(connection);
}

// As soon as the connection is between transactions: at once, or when the reply to RSET has come.
void Session::send_mail() {
    upstream::Connection* const upstream = connection();
    if (upstream == nullptr || !transaction_ || !transaction_->mail) return;
    smtp::Client& client = upstream->client();
    if (!client.idle()) return;
    transaction_->record.upstream = upstream->provider()->name;
    if (const auto refusal = untranslatable(*transaction_->mail)) {
        end_transaction("refused", *refusal);
        return server_.reply(*refusal);
    }
    smtp::MailParameters parameters = transaction_->mail->parameters;
    // A device that does not say what its body is may send anything (RFC 6152 lets 7-bit mail be
    // declared 8BITMIME).
    if (parameters.body == smtp::Body::unspecified) parameters.body = smtp::Body::eight_bit_mime;
    client.mail(transaction_->mail->reverse_path, parameters);
}

// What the downstream asked for and this upstream cannot do. For good if nobody said otherwise; for
// now if we did, in the name of another upstream or of what this one offered before: a retry may
// then succeed.
std::optional<smtp::Reply> Session::untranslatable(const smtp::server_event::Mail& mail) const {
    const auto& upstream = std::get<std::unique_ptr<upstream::Connection>>(upstream_);
    const smtp::Capabilities& offered = upstream->client().capabilities();
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

void Session::on(const event::MailReply& told) {
    transaction_->mail.reset();
    const smtp::Reply reply = for_downstream(told.reply);
    if (!reply.positive()) end_transaction(outcome_of(reply), reply);
    server_.reply(reply);
    if (connection()->client().phase() != smtp::Client::Phase::open) drop_connection();
}

void Session::on(const event::RcptReply& told) {
    const smtp::Reply reply = for_downstream(told.reply);
    TransactionRecord& record = transaction_->record;
    if (reply.positive()) {
        record.add_recipient(std::move(transaction_->recipient));
    } else {
        ++record.refused_recipients;
        record.set_reply(smtp::summary(reply));
    }
    server_.reply(reply);
    if (connection()->client().phase() == smtp::Client::Phase::open) return;
    // 421: the upstream will hear no more of this transaction.
    end_transaction("deferred", reply);
    drop_connection();
    server_.doom(reply);
}

void Session::on(const event::DataReply& told) {
    note_time(&TransactionRecord::envelope);
    if (told.reply.intermediate()) {
        transaction_->stage = Transaction::Stage::body;
        return server_.reply(smtp::make_reply(354, "End data with <CR><LF>.<CR><LF>"));
    }
    const smtp::Reply reply = for_downstream(told.reply);
    end_transaction(outcome_of(reply), reply);
    server_.reply(reply);
    smtp::Client& client = connection()->client();
    if (client.phase() == smtp::Client::Phase::open) return client.reset();
    drop_connection();
}

void Session::on(const event::MessageReply& told) {
    smtp::Reply reply = for_downstream(told.reply);
    if (told.early) {
        transaction_->verdict = std::move(reply);
        return drop_connection();
    }
    if (reply.positive()) reply.code = 250;
    note_time(&TransactionRecord::reply_wait);
    if (channel_->end() != EndOfInput::none) {
        log::warn(
            "client_gone_after_eod",
            {{"session", record_.id}, {"client", record_.client}, {"reply", smtp::summary(reply)}});
    }
    end_transaction(outcome_of(reply), reply);
    server_.reply(reply);
    if (!connection()->client().idle() || connection()->client().used_up()) drop_connection();
}

void Session::on(const event::ResetReply& told) {
    if (!told.reply.positive()) {
        drop_connection();
        if (transaction_) connect(transaction_->mail->reverse_path);
        return;
    }
    send_mail();
}

void Session::on(event::Closed) {
    drop_connection();
    if (transaction_ && transaction_->mail) connect(transaction_->mail->reverse_path);
}

void Session::on(event::Failed told) {
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
    if (transaction_->stage == Transaction::Stage::body) {
        transaction_->verdict = reply;
        return;
    }
    end_transaction("deferred", reply);
    if (server_.owes()) server_.reply(reply);
    server_.doom(reply);
}

}  // namespace waxseal::relay
