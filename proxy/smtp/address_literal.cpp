// Address literals, one function a rule. IPv6 as RFC 4291 2.2 has it: groups of one to four
// hexadecimal digits, "::" at most once for one or more groups of zeros, and the last two groups
// possibly in the form of IPv4.
#include "smtp/address_literal.hpp"

#include "base/text.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::string_view ipv6_tag = "IPv6:";

bool take(std::string_view& text, std::string_view expected) noexcept {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

// Takes the longest prefix of allowed characters, at most `limit`, and returns it.
template <typename Allowed>
std::string_view take_while(std::string_view& text, std::size_t limit, Allowed allowed) noexcept {
    std::size_t n = 0;
    while (n < text.size() && n < limit && allowed(text[n])) ++n;
    const std::string_view taken = text.substr(0, n);
    text.remove_prefix(n);
    return taken;
}

bool hex_digit(char c) noexcept {
    return text::digit(c) || (text::lower(c) >= 'a' && text::lower(c) <= 'f');
}

bool take_decimal_octet(std::string_view& text) noexcept {
    int value = 0;
    const std::string_view digits = take_while(text, 3, text::digit);
    for (const char c : digits) value = value * 10 + (c - '0');
    return !digits.empty() && value <= 255;
}

bool valid_ipv4(std::string_view text) noexcept {
    for (int i = 0; i < 4; ++i) {
        if (i > 0 && !take(text, ".")) return false;
        if (!take_decimal_octet(text)) return false;
    }
    return text.empty();
}

bool valid_ipv6(std::string_view text) noexcept {
    bool compressed = take(text, "::");
    int groups = 0;
    if (compressed && text.empty()) return true;
    for (;; ++groups) {
        if (groups > 8) return false;
        if (valid_ipv4(text)) {
            groups += 2;
            break;
        }
        if (take_while(text, 4, hex_digit).empty()) return false;
        if (text.empty()) {
            ++groups;
            break;
        }
        if (!take(text, ":")) return false;
        if (!take(text, ":")) continue;
        if (compressed) return false;
        compressed = true;
        if (text.empty()) {
            ++groups;
            break;
        }
    }
    return compressed ? groups <= 7 : groups == 8;
}

}  // namespace

bool valid_address_literal(std::string_view text) noexcept {
    if (!text::istarts_with(text, ipv6_tag)) return valid_ipv4(text);
    return valid_ipv6(text.substr(ipv6_tag.size()));
}

}  // namespace waxseal::smtp
