// Values that are neither a place nor a quantity: reverse-paths, pins, file permissions.
#include <algorithm>

#include "base/base64.hpp"
#include "base/number.hpp"
#include "base/text.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

// A domain as a reverse-path has it: with SMTPUTF8 it need not be ASCII (RFC 6531 3.3).
bool sender_domain(std::string_view domain) {
    return valid_hostname(domain) || (domain.starts_with('[') && domain.ends_with(']')) ||
           (!text::ascii(domain) && !domain.contains(' '));
}

std::optional<std::string> from_hex(std::string_view text) {
    std::string octets;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        if (i > 0 && text[i] == ':') ++i;
        if (i + 2 > text.size()) return std::nullopt;
        const auto octet = text::number<unsigned>(text.substr(i, 2), 16);
        if (!octet) return std::nullopt;
        octets += static_cast<char>(*octet);
    }
    return octets;
}

}  // namespace

Parsed<std::string> parse_sender(std::string_view text) {
    if (text == "<>") return std::string(text);
    const std::size_t at = text.rfind('@');
    const std::string_view local = text.substr(0, at);
    // A quoted local part may contain spaces and stars of its own.
    const bool quoted = local.size() > 2 && local.starts_with('"') && local.ends_with('"');
    const bool whole = local.empty() || local == "*";
    if (at == std::string_view::npos || !sender_domain(text.substr(at + 1)) ||
        (!whole && !quoted && local.find_first_of(" <>*\"") != std::string_view::npos)) {
        return std::unexpected(quote(text) +
                               " is not a sender; write \"scanner@example.com\", "
                               "\"*@example.com\" for a whole domain, or \"<>\"");
    }
    return (whole ? "*" : std::string(local)) + '@' + text::to_lower(text.substr(at + 1));
}

Parsed<Sha256> parse_pin(std::string_view text) {
    auto octets = from_hex(text);
    if (!octets || octets->size() != std::tuple_size_v<Sha256>) octets = base64_decode(text);
    if (!octets || octets->size() != std::tuple_size_v<Sha256>) {
        return std::unexpected(
            quote(text) +
            " is not the SHA-256 of a public key; write it as 64 hexadecimal digits or 44 "
            "characters of base64");
    }
    Sha256 pin{};
    std::ranges::copy(*octets, pin.begin());
    return pin;
}

Parsed<unsigned> parse_mode(std::string_view text) {
    const auto mode = text::number<unsigned>(text, 8);
    if (mode && text.size() <= 4 && *mode <= 0777) return *mode;
    return std::unexpected(quote(text) +
                           " is not file permissions; write them as chmod takes them, as \"0660\"");
}

}  // namespace waxseal::config
