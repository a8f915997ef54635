// Values that are neither a place nor a quantity: addresses of mail, pins, file permissions.
#include <algorithm>

#include "base/base64.hpp"
#include "base/limits.hpp"
#include "base/number.hpp"
#include "base/text.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

// A domain as a reverse-path has it: with SMTPUTF8 it need not be ASCII (RFC 6531 3.3).
bool mail_domain(std::string_view domain) {
    return valid_hostname(domain) || (domain.starts_with('[') && domain.ends_with(']')) ||
           (!text::ascii(domain) && domain.find_first_of(" @<>*\"") == std::string_view::npos);
}

// Nothing when it is neither an address nor, by "*" or nothing before the "@", a whole domain.
std::optional<std::string> address_pattern(std::string_view text) {
    const std::size_t at = text.rfind('@');
    const std::string_view local = text.substr(0, at);
    // A quoted local part may contain spaces and stars of its own.
    const bool quoted = local.size() > 2 && local.starts_with('"') && local.ends_with('"');
    const bool whole = local.empty() || local == "*";
    if (at == std::string_view::npos || !mail_domain(text.substr(at + 1)) ||
        (!whole && !quoted && local.find_first_of(" <>*\"") != std::string_view::npos)) {
        return std::nullopt;
    }
    return (whole ? "*" : std::string(local)) + '@' + text::to_lower(text.substr(at + 1));
}

// RFC 5322 3.2.3; the specials but "%".
bool dot_atom(std::string_view local) {
    static constexpr std::string_view specials = "!#$&'*+-/=?^_`{|}~.";
    return !local.empty() && !local.starts_with('.') && !local.ends_with('.') &&
           !local.contains("..") && std::ranges::all_of(local, [](char c) {
               return text::alnum(c) || specials.contains(c);
           });
}

bool quoted_string(std::string_view local) {
    if (local.size() < 3 || !local.starts_with('"') || !local.ends_with('"')) return false;
    local = local.substr(1, local.size() - 2);
    bool escaped = false;
    for (const char c : local) {
        if (c < ' ' || c > '~' || c == '%' || (c == '"' && !escaped)) return false;
        escaped = c == '\\' && !escaped;
    }
    return !escaped;
}

bool domain_literal(std::string_view domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) return false;
    domain = domain.substr(1, domain.size() - 2);
    const bool ipv6 = domain.starts_with("IPv6:");
    if (ipv6) domain.remove_prefix(5);
    return ipv6 == domain.contains(':') && parse_ip(domain).has_value();
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
    if (auto pattern = address_pattern(text)) return *std::move(pattern);
    return std::unexpected(quote(text) +
                           " is not a sender; write \"scanner@example.com\", "
                           "\"*@example.com\" for a whole domain, or \"<>\"");
}

Parsed<std::string> parse_recipient(std::string_view text) {
    if (auto pattern = address_pattern(text)) return *std::move(pattern);
    return std::unexpected(
        (text == "<>" ? "\"<>\" is the null sender, and nobody's mailbox"
                      : quote(text) + " is not a recipient") +
        "; write \"office@example.com\", or \"*@example.com\" for a whole domain");
}

Parsed<std::string> parse_mailbox(std::string_view text) {
    const std::size_t at = text.rfind('@');
    const std::string_view local = text.substr(0, at);
    const std::string_view domain = at == std::string_view::npos ? "" : text.substr(at + 1);
    // A lone star is an atom, but who writes it means a pattern.
    if (local != "*" && (dot_atom(local) || quoted_string(local)) &&
        local.size() <= limits::local_part && (valid_hostname(domain) || domain_literal(domain)) &&
        text.size() + 2 <= limits::path) {
        return std::string(text);
    }
    return std::unexpected(quote(text) +
                           " is not an address; write a whole one, as \"scanner@example.com\"");
}

Parsed<std::string> parse_domain(std::string_view text) {
    if (mail_domain(text)) return text::to_lower(text);
    const std::size_t at = text.rfind('@');
    return std::unexpected(quote(text) + " is not a domain; write it alone, as \"" +
                           (at != std::string_view::npos && valid_hostname(text.substr(at + 1))
                                ? text::to_lower(text.substr(at + 1))
                                : "example.com") +
                           '"');
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
