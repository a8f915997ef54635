// In whose name mail goes up: what a user, a listener or an upstream says of it. Pure values,
// immutable once made.
//
// Providers take mail only in the name of the account; devices say whatever was once typed into
// them. A rule that is for foreign senders leaves those of our own domains alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "smtp/path.hpp"

namespace waxseal::auth {

struct SenderRule {
    smtp::Path envelope;  // what the reverse-path becomes
    bool header = false;  // From and Sender become that address, too
    // The rule is for senders outside of these; nothing: for all. The null reverse-path stays: what
    // has it must never be answered (RFC 5321 4.5.5).
    std::optional<std::vector<std::string>> own_domains{};

    [[nodiscard]] bool is_for(const smtp::Path& reverse_path) const noexcept {
        if (reverse_path.null()) return false;
        if (!own_domains) return true;
        for (const std::string& domain : *own_domains)
            if (text::iequals(domain, reverse_path.domain())) return false;
        return true;
    }
};

}  // namespace waxseal::auth
