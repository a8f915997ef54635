#include "tls/names.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace waxseal::tls {

namespace {

bool good_label(std::string_view label) {
    if (label.empty() || label.size() > 63) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    // The underscore is not for host names, but hosts with one exist.
    return std::ranges::all_of(label,
                               [](char c) { return text::alnum(c) || c == '-' || c == '_'; });
}

bool good_dns_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    std::string_view label;
    for (std::string_view rest = name;;) {
        const std::size_t dot = rest.find('.');
        label = rest.substr(0, dot);
        if (!good_label(label)) return false;
        if (dot == std::string_view::npos) break;
        rest.remove_prefix(dot + 1);
    }
    // "127.1" and "10.0.0.300" are misspelt addresses, not names.
    return !std::ranges::all_of(label, text::digit);
}

}  // namespace

std::string address_octets(std::string_view text) {
    const std::string spelling(text);
    std::array<char, 16> octets{};
    if (inet_pton(AF_INET, spelling.c_str(), octets.data()) == 1) return {octets.data(), 4};
    if (inet_pton(AF_INET6, spelling.c_str(), octets.data()) == 1) return {octets.data(), 16};
    return {};
}

std::string address_text(std::string_view octets) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (octets.size() == 4 || octets.size() == 16) {
        const int family = octets.size() == 4 ? AF_INET : AF_INET6;
        if (inet_ntop(family, octets.data(), text.data(), text.size()) != nullptr) {
            return text.data();
        }
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex = "0x";
    for (const char c : octets.substr(0, 32)) {
        const auto octet = static_cast<unsigned char>(c);
        hex += digits[octet >> 4U];
        hex += digits[octet & 15U];
    }
    return hex;
}

std::expected<Reference, Error> reference_name(std::string_view name) {
    std::string_view bare = name;
    if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') {
        bare = bare.substr(1, bare.size() - 2);
    }
    // A zone ("fe80::1%eth0") says which interface, not who.
    const std::string_view unzoned =
        bare.find(':') != std::string_view::npos ? bare.substr(0, bare.find('%')) : bare;
    if (unzoned.find('\0') == std::string_view::npos) {
        if (std::string octets = address_octets(unzoned); !octets.empty()) {
            return Reference{std::string(unzoned), std::move(octets)};
        }
    }
    if (bare.ends_with('.')) bare.remove_suffix(1);
    if (!good_dns_name(bare)) {
        return std::unexpected(Error{"\"" + text::escape(name, 80) +
                                     "\" is not a name a certificate can be checked for"});
    }
    return Reference{text::to_lower(bare), {}};
}

bool dns_name_matches(std::string_view wanted, std::string_view presented) {
    // A trailing dot in a certificate is against RFC 5280, but says the same.
    if (presented.ends_with('.')) presented.remove_suffix(1);
    if (!presented.starts_with("*.")) return text::iequals(wanted, presented);
    const std::string_view parent = presented.substr(1);  // ".example.org"
    const std::size_t dot = wanted.find('.');
    if (dot == std::string_view::npos || dot == 0) return false;
    if (parent.find('.', 1) == std::string_view::npos) return false;
    return text::iequals(wanted.substr(dot), parent);
}

bool matches(const Reference& wanted, const Presented& presented) {
    if (wanted.is_address()) {
        return std::ranges::find(presented.addresses, wanted.address) != presented.addresses.end();
    }
    return std::ranges::any_of(presented.dns, [&](const std::string& name) {
        return dns_name_matches(wanted.text, name);
    });
}

}  // namespace waxseal::tls
