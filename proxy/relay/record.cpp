#include "relay/record.hpp"

#include <string_view>
#include <utility>

namespace waxseal::relay {

namespace {

// One line must stay readable, and a session of a day bounded.
constexpr std::size_t transactions_kept = 100;
constexpr std::size_t recipients_shown = 20;

std::string join(const std::vector<std::string>& parts, std::size_t most) {
    std::string text;
    for (std::size_t i = 0; i < parts.size() && i < most; ++i)
        text += (i == 0 ? "" : ",") + parts[i];
    if (parts.size() > most) text += ",+" + std::to_string(parts.size() - most);
    return text;
}

log::Fields describe(const TransactionRecord& record) {
    log::Fields fields{
        {"from", record.reverse_path}, {"to", join(record.recipients, recipients_shown)},
        {"size", record.size},         {"upstream", record.upstream},
        {"outcome", record.outcome},   {"reply", record.reply}};
    if (record.refused_recipients != 0)
        fields.emplace_back("refused_recipients", record.refused_recipients);
    if (!record.repairs.empty())
        fields.emplace_back("repairs", join(record.repairs, record.repairs.size()));
    const std::pair<std::string_view, Duration> phases[] = {
        {"queue_ms", record.login.queue}, {"connect_ms", record.login.connect},
        {"tls_ms", record.login.tls},     {"login_ms", record.login.login},
        {"envelope_ms", record.envelope}, {"body_ms", record.body},
        {"reply_ms", record.reply_wait},
    };
    for (const auto& [name, duration] : phases) fields.emplace_back(name, duration.count());
    return fields;
}

}  // namespace

void SessionRecord::add(TransactionRecord record) {
    if (transactions.size() == transactions_kept) {
        transactions.erase(transactions.begin());
        ++transactions_dropped;
    }
    transactions.push_back(std::move(record));
}

log::Fields fields(const SessionRecord& record, Duration lasted) {
    log::Fields fields{{"session", record.id},
                       {"listener", record.listener},
                       {"client", record.client},
                       {"helo", record.helo},
                       {"downstream_tls", "none"},
                       {"upstream_tls",
                        record.upstream_tls.version.empty() ? "none" : record.upstream_tls.version},
                       {"upstream_cipher", record.upstream_tls.cipher_suite},
                       {"upstream_address", record.upstream_address},
                       {"account", record.account},
                       {"mechanism", record.mechanism},
                       {"end", record.end},
                       {"ms", lasted.count()}};
    std::vector<log::Fields> transactions;
    for (const TransactionRecord& transaction : record.transactions)
        transactions.push_back(describe(transaction));
    fields.emplace_back("transactions", std::move(transactions));
    if (record.transactions_dropped != 0)
        fields.emplace_back("transactions_dropped", record.transactions_dropped);
    return fields;
}

}  // namespace waxseal::relay
