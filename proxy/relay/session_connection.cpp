// Where a session's upstream connections come from and go to: borrowed from the pool for a
// transaction, or its own where a login or XCLIENT makes it so; replaced when one that was kept
// turns out to be dead; let go.
#include <utility>

#include "base/log.hpp"
#include "relay/replies.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

// A device that has said hello will send something: what a mere look at the port does not cost the
// upstream.
void Session::expect() {
    if (transaction_ || passes_through() || !std::holds_alternative<std::monostate>(upstream_))
        return;
    const upstream::Provider& provider = first_choice(destination(nullptr));
    expectation_.reset();
    if (provider.shares()) expectation_ = provider.pool->expect();
}

void Session::connect() {
    // The credentials of a login that was passed through are not kept; who has lost its connection
    // has to log in again.
    if (passes_through()) return part("upstream_lost", farewell::login_lost());
    opened_for_ = destination(&transaction_->mail.reverse_path);
    expectation_.reset();
    open({.label = record_.id, .client = xclient()});
}

void Session::open(upstream::Borrower borrower) {
    upstream_ = std::make_unique<upstream::Connector>(reactor_, opened_for_, std::move(borrower),
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
    if (!transaction_) return;
    TransactionRecord& record = transaction_->record;
    record.login = connection()->timings();
    if (record.connection.empty()) record.connection = connection()->reused() ? "ready" : "new";
    transaction_->since = reactor_.now();
    send_envelope();
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

// A connection that was used before, that has died or lost its senses meanwhile, and of whose
// message the upstream has no octet: nobody need hear of it. Once, so that a broken upstream is not
// asked for ever.
bool Session::may_replace() {
    upstream::Connection* const upstream = connection();
    return upstream != nullptr && upstream->reused() && transaction_ &&
           transaction_->record.connection != replaced && !transaction_->body_begun &&
           transaction_->stage != Transaction::Stage::outcome;
}

void Session::replace(const Failure& failure) {
    log::info("upstream_replaced", {{"session", record_.id},
                                    {"upstream", connection()->provider()->name},
                                    {"cause", to_string(failure.kind)},
                                    {"reason", failure.reason}});
    transaction_->record.connection = replaced;
    transaction_->next_reply.reset();
    if (transaction_->stage == Transaction::Stage::body)
        transaction_->stage = Transaction::Stage::go_ahead;
    const upstream::Provider* const provider = connection()->provider().get();
    auto slot = connection()->take_slot();
    drop_connection();
    open({.label = record_.id,
          .client = xclient(),
          .fresh = true,
          .slot = std::move(slot),
          .slot_of = provider});
}

// The transaction is over. What others may use goes back; what is this session's alone stays, at
// its next transaction's disposal; what is not certain to be clean is closed.
void Session::release() {
    upstream::Connection* const upstream = connection();
    if (upstream == nullptr) return drop_connection();
    smtp::Client& client = upstream->client();
    const bool shared = upstream->provider()->shares() && !passes_through();
    const bool kept = passes_through() || upstream->provider()->xclient;
    if (client.phase() != smtp::Client::Phase::open || client.awaits_go_ahead() ||
        !(shared || kept) || (kept && life_ == Life::over))
        return drop_connection();
    if (client.in_transaction()) client.reset();
    if (kept) {
        if (client.used_up()) drop_connection();
        return;
    }
    upstream->set_notify(nullptr);
    auto connection = std::move(std::get<std::unique_ptr<upstream::Connection>>(upstream_));
    upstream_ = std::monostate();
    upstream_idle_.stop();
    blocked_ = false;
    const auto provider = connection->provider();
    provider->pool->give(std::move(connection));
}

// Also cancels one that is on its way. Whatever the upstream was told so far, it is told nothing
// more unless it is idle.
void Session::drop_connection() {
    if (upstream::Connection* const upstream = connection()) {
        upstream->close();
        upstream->set_notify(nullptr);
        retire(reactor_, std::move(std::get<std::unique_ptr<upstream::Connection>>(upstream_)));
    } else if (auto* connector = std::get_if<std::unique_ptr<upstream::Connector>>(&upstream_)) {
        retire(reactor_, std::move(*connector));
    }
    upstream_ = std::monostate();
    upstream_idle_.stop();
    blocked_ = false;
}

}  // namespace waxseal::relay
