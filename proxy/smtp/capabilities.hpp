// What one side of SMTP offers in its EHLO reply (RFC 5321 4.1.1.1), as values: an allow-list of
// the extensions that waxseal understands. Whatever else an upstream offers (BURL, ETRN …) is not
// even represented here, so it cannot be offered on; nor can XCLIENT, which is no Extension and
// which only the client machine looks at.
//
// Flow, for a session: parse_ehlo() of the upstream's reply; translate() it with what waxseal
// itself can honour; write_ehlo() for the downstream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/reply.hpp"

namespace waxseal::smtp {

enum class Extension : std::uint32_t {
    pipelining = 1 << 0,             // RFC 2920
    size = 1 << 1,                   // RFC 1870
    eight_bit_mime = 1 << 2,         // RFC 6152
    smtputf8 = 1 << 3,               // RFC 6531
    dsn = 1 << 4,                    // RFC 3461
    enhanced_status_codes = 1 << 5,  // RFC 2034
    limits = 1 << 6,                 // RFC 9422
    starttls = 1 << 7,               // RFC 3207
    auth = 1 << 8,                   // RFC 4954
    chunking = 1 << 9,               // RFC 3030
};

// RFC 9422 4: what the offering side says it takes; absent when it does not say.
struct MailLimits {
    std::optional<std::uint64_t> mail_max;  // transactions a session
    std::optional<std::uint64_t> rcpt_max;  // recipients a transaction
    friend bool operator==(const MailLimits&, const MailLimits&) = default;
};

struct Capabilities {
    std::uint32_t extensions = 0;
    std::uint64_t size_limit = 0;  // octets; 0 = no stated limit
    MailLimits limits;
    std::vector<std::string> auth_mechanisms;  // upper case, in the order offered, no duplicates
    std::uint8_t xclient = 0;                  // bits of XclientAttribute; never written

    [[nodiscard]] bool has(Extension extension) const noexcept {
        return (extensions & static_cast<std::uint32_t>(extension)) != 0;
    }
    void add(Extension extension) noexcept { extensions |= static_cast<std::uint32_t>(extension); }
    void remove(Extension extension) noexcept {
        extensions &= ~static_cast<std::uint32_t>(extension);
    }
    friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// Reads a 250 reply to EHLO. The first line (the host's own words) is skipped; keywords in any
// case; a duplicate "AUTH=" line (old syntax) adds nothing; "SIZE" without or with a bad or zero
// value is SIZE without limit.
[[nodiscard]] Capabilities parse_ehlo(const Reply& reply);

// What waxseal itself can honour towards a downstream, before the upstream is asked.
struct OwnOffer {
    std::uint64_t max_message_size = 0;  // octets
    std::uint64_t max_recipients = 0;
};

// The translation of the negotiation: what a downstream is told, given what the upstream offered
// last time (none: not known yet, then only what waxseal can honour alone). PIPELINING,
// ENHANCEDSTATUSCODES, SIZE and LIMITS RCPTMAX always (the smaller of ours and the upstream's);
// 8BITMIME, SMTPUTF8, DSN only when the upstream has them.
[[nodiscard]] Capabilities translate(const OwnOffer& own, const Capabilities* upstream);

// The EHLO reply: `hostname` on the first line, then a line each in a fixed order. Writes what
// `offer` holds and nothing that it does not.
[[nodiscard]] Reply write_ehlo(std::string_view hostname, const Capabilities& offer);

}  // namespace waxseal::smtp
