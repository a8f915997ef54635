// What a listener does to messages and for them: whose and to whom they may be, in whose name they
// go on, what is repaired, whether they are collected first, how long a lost reply is remembered.
// Immutable; part of the session's settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/address_pattern.hpp"
#include "auth/sender_rule.hpp"
#include "base/reactor.hpp"
#include "message/header_editor.hpp"
#include "smtp/path.hpp"

namespace waxseal::relay {

enum class Buffer : std::uint8_t {
    stream,     // each piece goes on as it comes
    automatic,  // so, with a copy of what is small; collected once the upstream or its patience is
                // lost
    whole,      // collected first
};

enum class Trace : std::uint8_t { none, with_address, without_address };  // a Received field

struct MessagePolicy {
    std::vector<auth::AddressPattern> senders{};     // empty: any
    std::vector<auth::AddressPattern> recipients{};  // empty: any
    std::optional<auth::SenderRule> sender{};
    Buffer buffer = Buffer::stream;
    Trace trace = Trace::none;
    bool repair = false;     // the header: see message::Edits
    bool fold_body = false;  // lines above 998 octets
    std::string legacy_charset{};
    Duration lost_reply_memory{};  // 0: none
};

// What the edits of one message depend on beside the policy.
struct Occasion {
    const smtp::Path& said;          // the reverse-path, by the device
    const smtp::Path& reverse_path;  // as it goes up
    const auth::SenderRule* rule;    // null: none
    std::string_view hostname;       // ours
    std::string_view id;             // of the transaction, unlike any other's
    std::string_view helo;
    std::string_view address;   // the device's, "192.0.2.1"; empty: not known
    std::string_view protocol;  // RFC 3848: "ESMTPSA"
    bool utf8_headers;          // declared: SMTPUTF8 goes up with MAIL
    std::chrono::system_clock::time_point now;
};

// Nothing when there is nothing to be done.
[[nodiscard]] std::optional<message::Edits> edits_for(const MessagePolicy& policy,
                                                      const Occasion& occasion);

}  // namespace waxseal::relay
