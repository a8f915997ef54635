#include "relay/record.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace waxseal::relay {

namespace {

// One line must stay readable, and a session of a day bounded: what is over is told before.
constexpr std::size_t transactions_kept = 50;
constexpr std::size_t octets_kept = 64 * 1024;
constexpr std::size_t recipients_kept = 100;
constexpr std::size_t refusals_kept = 10;
constexpr std::size_t text_kept = 512;

void keep(std::string& where, std::string text) {
    where = std::move(text);
    if (where.size() > text_kept) where.resize(text_kept);
    where.shrink_to_fit();
}

std::string_view or_none(std::string_view version) { return version.empty() ? "none" : version; }

std::vector<std::string> strings(Repairs repairs) {
    const auto names = repairs.names();
    return {names.begin(), names.end()};
}

log::Fields describe(const TransactionRecord& record) {
    log::Fields fields{{"from", record.reverse_path},
                       {"to", record.recipients},
                       {"recipients", record.accepted_recipients},
                       {"size", record.size},
                       {"upstream", record.upstream},
                       {"outcome", record.outcome},
                       {"reply", record.reply}};
    if (!record.reason.empty()) fields.emplace_back("reason", record.reason);
    if (record.refused_recipients != 0)
        fields.emplace_back("refused_recipients", record.refused_recipients);
    if (!record.refused.empty()) fields.emplace_back("refused", record.refused);
    if (!record.sent_as.empty()) fields.emplace_back("sent_as", record.sent_as);
    if (!record.repairs.empty()) fields.emplace_back("repairs", strings(record.repairs));
    if (!record.untouched.empty()) fields.emplace_back("untouched", record.untouched);
    if (record.repeated) fields.emplace_back("repeated", "yes");
    if (!record.connection.empty()) fields.emplace_back("connection", record.connection);
    const std::pair<std::string_view, Duration> phases[] = {
        {"queue_ms", record.login.queue}, {"connect_ms", record.login.connect},
        {"tls_ms", record.login.tls},     {"login_ms", record.login.login},
        {"envelope_ms", record.envelope}, {"body_ms", record.body},
        {"reply_ms", record.reply_wait},
    };
    for (const auto& [name, duration] : phases) fields.emplace_back(name, duration.count());
    const auto slowest =
        std::ranges::max_element(phases, {}, [](const auto& phase) { return phase.second; });
    if (slowest->second != Duration{}) fields.emplace_back("slowest", slowest->first);
    return fields;
}

}  // namespace

void TransactionRecord::add_recipient(std::string path) {
    ++accepted_recipients;
    if (recipients.size() < recipients_kept) recipients.push_back(std::move(path));
}

void TransactionRecord::add_refused(const std::string& path, const smtp::Reply& why) {
    const std::string said = smtp::summary(why);
    ++refused_recipients;
    set_reply(said);
    if (refused.size() < refusals_kept)
        keep(refused.emplace_back(), std::string(path).append(" ").append(said));
}

std::size_t TransactionRecord::octets() const noexcept {
    std::size_t sum =
        sizeof(TransactionRecord) + reverse_path.size() + reply.size() + reason.size();
    for (const auto* list : {&recipients, &refused})
        for (const std::string& one : *list) sum += sizeof(std::string) + one.size();
    return sum;
}

void TransactionRecord::set_reply(std::string text) { keep(reply, std::move(text)); }

void TransactionRecord::set_reason(std::string text) { keep(reason, std::move(text)); }

void SessionRecord::add(TransactionRecord record) {
    octets += record.octets();
    while (!transactions.empty() &&
           (transactions.size() == transactions_kept || octets > octets_kept)) {
        octets -= transactions.front().octets();
        log::Fields earlier{{"session", id}};
        log::Fields details = describe(transactions.front());
        earlier.insert(earlier.end(), std::make_move_iterator(details.begin()),
                       std::make_move_iterator(details.end()));
        log::info("transaction", earlier);
        transactions.erase(transactions.begin());
        ++transactions_before;
    }
    transactions.push_back(std::move(record));
}

log::Fields fields(const SessionRecord& record, Duration lasted) {
    log::Fields fields{{"session", record.id},
                       {"listener", record.listener},
                       {"client", record.client},
                       {"helo", record.helo},
                       {"downstream_tls", or_none(record.downstream_tls.version)},
                       {"downstream_cipher", record.downstream_tls.cipher_suite},
                       {"user", record.user},
                       {"upstream_tls", or_none(record.upstream_tls.version)},
                       {"upstream_cipher", record.upstream_tls.cipher_suite},
                       {"upstream_resumed", record.upstream_tls.resumed ? "yes" : "no"},
                       {"upstream_address", record.upstream_address},
                       {"account", record.account},
                       {"mechanism", record.mechanism},
                       {"end", record.end},
                       {"ms", lasted.count()}};
    if (!record.reason.empty()) fields.emplace_back("reason", record.reason);
    if (!record.repairs.empty()) fields.emplace_back("repairs", strings(record.repairs));
    if (!record.last_refusal.empty()) fields.emplace_back("last_refusal", record.last_refusal);
    if (const auto& certificate = record.downstream_tls.client_certificate)
        fields.emplace_back("client_certificate", certificate->subject);
    std::vector<log::Fields> transactions;
    for (const TransactionRecord& transaction : record.transactions)
        transactions.push_back(describe(transaction));
    fields.emplace_back("transactions", std::move(transactions));
    if (record.transactions_before != 0)
        fields.emplace_back("transactions_before", record.transactions_before);
    return fields;
}

}  // namespace waxseal::relay
