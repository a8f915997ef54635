// The message on its way: through the header editor to the upstream as it comes, or into a copy
// first and from there in one go.
//
// A copy is kept of every message that is to be collected, and, with buffer = "auto", of what has
// come of one that is streamed, as long as that is small: so an upstream that is lost in the middle
// of a body, or that would not wait for a device that pauses, is asked again with the whole. It has
// no end mark of the first attempt, so nothing is sent twice.
#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

namespace event = smtp::server_event;
using Stage = Transaction::Stage;

namespace {

// RFC 3848 1.
std::string protocol(bool esmtp, bool tls, bool login) {
    if (!esmtp) return "SMTP";
    return std::string("ESMTP") + (tls ? "S" : "") + (login ? "A" : "");
}

smtp::Reply no_room() {
    return smtp::make_reply(452, {4, 3, 1}, "Insufficient system storage; try again later");
}

}  // namespace

// Who has logged in is asked before where, and that before where to.
const auth::SenderRule* Session::sender_rule(const upstream::Provider& provider) const {
    if (user_ && user_->sender) return &*user_->sender;
    if (settings_->messages.sender) return &*settings_->messages.sender;
    return provider.sender ? &*provider.sender : nullptr;
}

const smtp::Path& Session::reverse_path(const upstream::Provider& provider) const {
    const smtp::Path& said = transaction_->mail.reverse_path;
    const auth::SenderRule* const rule = sender_rule(provider);
    return rule != nullptr && rule->is_for(said) ? rule->envelope : said;
}

// For the message under way, to the upstream that has taken its envelope.
std::optional<message::HeaderEditor> Session::editor() const {
    const auto& connection = std::get<std::unique_ptr<upstream::Connection>>(upstream_);
    const upstream::Provider& provider = *connection->provider();
    const std::string id =
        record_.id + '.' +
        std::to_string(record_.transactions_before + record_.transactions.size());
    const std::string kind = protocol(
        offered_ != 0, record_.downstream_tls.version.data() != nullptr, server_.authenticated());
    const Occasion occasion{.said = transaction_->mail.reverse_path,
                            .reverse_path = reverse_path(provider),
                            .rule = sender_rule(provider),
                            .hostname = settings_->server.hostname,
                            .id = id,
                            .helo = record_.helo,
                            .address = client_.address,
                            .protocol = kind,
                            .utf8_headers = transaction_->mail.parameters.smtputf8,
                            .now = reactor_.time_of_day()};
    auto edits = edits_for(settings_->messages, occasion);
    if (!edits) return std::nullopt;
    return message::HeaderEditor(*std::move(edits));
}

bool Session::collects_first() const {
    const Buffer buffer = settings_->messages.buffer;
    return buffer == Buffer::whole ||
           (buffer == Buffer::automatic && services_.slow.knows(client_.ip, reactor_.now()));
}

void Session::on(event::DataRequested) {
    note_time(&TransactionRecord::envelope);
    transaction_->stage = Stage::go_ahead;
    server_.reply(smtp::make_reply(354, "End data with <CR><LF>.<CR><LF>"));
    if (server_.finished()) return;
    transaction_->fingerprinter = fingerprinter();
    if (settings_->messages.buffer != Buffer::stream) transaction_->copy.emplace(services_.spill);
    if (collects_first()) {
        transaction_->stage = Stage::collect;
    } else {
        begin_body();
    }
}

void Session::on(event::Body body) {
    // With the verdict known, the rest is read only to find its end.
    if (transaction_->verdict) return;
    if (transaction_->fingerprinter) transaction_->fingerprinter->add(body.content);
    keep_copy(body.content);
    if (transaction_->verdict || transaction_->stage == Stage::collect) return;
    transaction_->body_begun = true;
    pass_on(body.content);
}

void Session::keep_copy(std::string_view content) {
    if (!transaction_->copy) return;
    Spool& copy = *transaction_->copy;
    const bool collecting = transaction_->stage == Stage::collect;
    // What comes fast and is large is on its way for the most part.
    if (!collecting && copy.size() + content.size() > limits::spool_memory)
        return transaction_->copy.reset();
    const auto kept = copy.append(content);
    if (kept) return;
    log::error("spool_failed", {{"session", record_.id}, {"reason", kept.error().text}});
    transaction_->copy.reset();
    if (!collecting) return;
    transaction_->record.set_reason(kept.error().text);
    transaction_->verdict = no_room();
    release();
}

void Session::pass_on(std::string_view content) {
    if (auto& editor = transaction_->editor) {
        content = editor->edit(content);
        if (editor->refused()) return refuse_header();
    }
    if (!content.empty()) connection()->client().body(content);
}

// It was to have another sender, and to go on in nobody else's name.
void Session::refuse_header() {
    transaction_->copy.reset();
    drop_connection();
    decide(smtp::make_reply(552, {5, 3, 4}, "Header too large for its sender to be rewritten"));
}

void Session::on(event::BodyRefused refused) {
    // The upstream has part of a message: closing without the end mark is the only way to take it
    // back.
    log::info("body_refused",
              {{"session", record_.id}, {"reason", smtp::to_string(refused.verdict)}});
    transaction_->verdict = smtp::refusal(refused.verdict);
    transaction_->copy.reset();
    drop_connection();
}

void Session::on(event::BodyEnd end) {
    note_time(&TransactionRecord::body);
    TransactionRecord& record = transaction_->record;
    record.size = end.findings.octets;
    // The whole message decides, so that the answer does not depend on how it was cut into reads.
    if (end.verdict != smtp::BodyVerdict::acceptable) {
        transaction_->verdict = smtp::refusal(end.verdict);
        drop_connection();
    }
    if (end.findings.bare_lf != 0 && !transaction_->verdict) record.repairs.add(Repair::bare_lf);
    if (end.findings.bare_cr != 0 && !transaction_->verdict) record.repairs.add(Repair::bare_cr);
    if (transaction_->verdict) return decide(*std::exchange(transaction_->verdict, std::nullopt));
    transaction_->whole = transaction_->stage == Stage::collect;
    transaction_->complete_at = reactor_.now();
    if (transaction_->fingerprinter)
        transaction_->fingerprint = transaction_->fingerprinter->finish();
    message_complete();
}

// The device waits for its answer, and nothing but this keeps it from being asked for.
void Session::message_complete() {
    if (transaction_->fingerprint && answered_before()) return;
    if (transaction_->whole) return send_whole();
    finish_message();
}

void Session::send_whole() {
    transaction_->stage = Stage::go_ahead;
    if (std::holds_alternative<std::monostate>(upstream_)) return connect();
    if (connection() == nullptr) return;
    if (!transaction_->next_reply) return send_envelope();
    begin_body();
}

// As much of the copy as the upstream takes at the moment.
bool Session::step_sending() {
    if (!transaction_ || !transaction_->whole || transaction_->stage != Stage::body) return false;
    upstream::Connection* const upstream = connection();
    if (upstream == nullptr || upstream->pending() > limits::pending_low) return false;
    const auto piece = transaction_->copy->next();
    if (!piece) {
        log::error("spool_failed", {{"session", record_.id}, {"reason", piece.error().text}});
        transaction_->record.set_reason(piece.error().text);
        drop_connection();
        decide(no_room());
    } else if (piece->empty()) {
        finish_message();
    } else {
        transaction_->body_begun = true;
        pass_on(*piece);
    }
    return true;
}

void Session::finish_message() {
    smtp::Client& client = connection()->client();
    TransactionRecord& record = transaction_->record;
    if (auto& editor = transaction_->editor) {
        if (const auto rest = editor->finish(); !rest.empty()) client.body(rest);
        record.repairs.add(editor->repairs());
        record.untouched = editor->untouched();
        editor.reset();
    }
    if (!record.untouched.empty())
        log::info("message_untouched", {{"session", record_.id}, {"reason", record.untouched}});
    transaction_->stage = Stage::outcome;
    transaction_->copy.reset();
    client.end_of_data();
}

// The upstream is lost, or given up, before the end of a message of which there is a copy: true
// when that will do.
bool Session::start_over(std::string_view reason) {
    if (!transaction_ || !transaction_->copy || passes_through()) return false;
    Transaction& transaction = *transaction_;
    if (transaction.stage == Stage::envelope || transaction.stage == Stage::outcome) return false;
    if (transaction.stage == Stage::held) transaction.whole = true;
    const bool sending = transaction.whole && transaction.stage != Stage::held;
    if (sending && transaction.record.connection == replaced) return false;
    log::info("upstream_replaced", {{"session", record_.id},
                                    {"upstream", transaction.record.upstream},
                                    {"cause", "in_body"},
                                    {"reason", reason}});
    drop_connection();
    transaction.start_over();
    if (sending) {
        transaction.record.connection = replaced;
        transaction.stage = Stage::go_ahead;
        connect();
    } else if (transaction.stage != Stage::held) {
        transaction.stage = Stage::collect;
    }
    return true;
}

Deadline& Session::patience() {
    if (!patience_) patience_.emplace(reactor_, [this] { patience_over(); });
    return *patience_;
}

void Session::watch_patience() {
    const Transaction* const transaction = transaction_.get();
    const bool copies =
        transaction != nullptr && transaction->copy && !transaction->verdict && !transaction->whole;
    if (copies && transaction->stage == Stage::collect &&
        !std::holds_alternative<std::monostate>(upstream_)) {
        patience().watch(Timer::upstream_patience, UINT64_MAX, limits::collecting);
    } else if (copies && transaction->stage == Stage::body && connection() != nullptr &&
               !body_blocked() && !passes_through()) {
        const auto& pool = connection()->provider()->pool;
        const Duration known = pool ? pool->idle_limit() : limits::body_patience;
        patience().watch(Timer::upstream_patience, progress_,
                         std::min<Duration>(known, limits::body_patience));
    } else if (patience_) {
        patience_->stop();
    }
}

// Others have more use for a connection than a message that is still to come, and an upstream that
// waits too long for an octet ends it anyway.
void Session::patience_over() {
    if (!transaction_) return;
    if (transaction_->stage == Stage::body) {
        (void)start_over("the device is slower than the upstream's patience");
    } else if (transaction_->stage == Stage::collect) {
        release();
        transaction_->start_over();
    }
    pump();
}

// What the message gets at its end: at once, when that has come.
void Session::decide(const smtp::Reply& reply) {
    if (!server_.owes()) {
        transaction_->verdict = reply;
        return;
    }
    end_transaction(reply.permanent() ? "refused" : "deferred", reply);
    server_.reply(reply);
}

}  // namespace waxseal::relay
