// What a session leaves behind in the log: facts collected while it runs, written once as
// session_end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/channel.hpp"
#include "base/log.hpp"
#include "base/reactor.hpp"
#include "base/repairs.hpp"
#include "smtp/reply.hpp"
#include "upstream/connection.hpp"

namespace waxseal::relay {

struct TransactionRecord {
    std::string reverse_path;             // with angle brackets
    std::vector<std::string> recipients;  // those that the upstream accepted: the first hundred
    std::uint64_t accepted_recipients = 0;
    std::uint64_t refused_recipients = 0;
    std::vector<std::string> refused;  // of those the first ten: "<a@b.c> 550 5.1.1 No such user"
    std::uint64_t size = 0;            // octets of the decoded message
    std::string upstream;
    std::string reply;           // the last word: the upstream's, or ours
    std::string reason;          // when it is ours: what was the matter with the upstream
    std::string outcome;         // accepted, refused, deferred, reset, aborted, unknown
    std::string sent_as;         // the reverse-path that a sender rule has made of it
    Repairs repairs;             // to its commands and its message
    std::string_view untouched;  // why its header was left as it was: dkim, header_too_large
    bool repeated = false;       // the answer was that of an earlier one, whose reply was lost
    // To the upstream: new, ready (it was used before), replaced (that one had died: a new one).
    std::string_view connection = "";
    upstream::Timings login;  // zero but for `queue` when a connection was ready
    Duration envelope{};      // MAIL to the answer to DATA
    Duration body{};          // 354 to end-of-data
    Duration reply_wait{};    // end-of-data to the upstream's reply

    void add_recipient(std::string path);
    void add_refused(const std::string& path, const smtp::Reply& why);
    [[nodiscard]] std::size_t octets() const noexcept;  // of memory, about
    // Keep what a log line can hold.
    void set_reply(std::string text);
    void set_reason(std::string text);
};

struct SessionRecord {
    std::string id;
    std::string listener;
    std::string client;
    std::string helo;
    TlsDetails downstream_tls;
    std::string user;  // who has logged in
    TlsDetails upstream_tls;
    std::string upstream_address;
    std::string account;
    std::string mechanism;
    std::string last_refusal;  // the last 4yz or 5yz to a command
    Repairs repairs;           // to commands outside of transactions
    std::string end;           // quit, disconnected, idle, violation, drained, …
    std::string_view reason;   // of a violation
    std::vector<TransactionRecord> transactions;
    // Beyond what one line can hold: each had a line of its own, "transaction", at its time.
    std::uint64_t transactions_before = 0;
    std::size_t octets = 0;  // of the transactions

    void add(TransactionRecord record);
};

// The fields of session_end.
[[nodiscard]] log::Fields fields(const SessionRecord& record, Duration lasted);

}  // namespace waxseal::relay
