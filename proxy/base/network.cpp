#include "base/network.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "base/number.hpp"

namespace waxseal {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Whether bit `i`, counted from the left, of the address is set.
bool bit(const IpAddress& address, unsigned i) noexcept {
    return ((static_cast<unsigned>(address[i / 8]) >> (7 - i % 8)) & 1U) != 0;
}

}  // namespace

bool is_ipv4(const IpAddress& address) noexcept {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
}

IpAddress client_key(const IpAddress& address) noexcept {
    if (is_ipv4(address)) return address;
    IpAddress key{};
    std::copy_n(address.begin(), 8, key.begin());
    return key;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
    const std::string copy(text);
    if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return std::nullopt;
    IpAddress address{};
    if (inet_pton(AF_INET6, copy.c_str(), address.data()) == 1) return address;
    if (inet_pton(AF_INET, copy.c_str(), address.data() + mapped_prefix.size()) != 1)
        return std::nullopt;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
    return address;
}

std::string to_string(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = is_ipv4(address);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address.data() + mapped_prefix.size() : address.data(),
              text.data(), text.size());
    return text.data();
}

bool Network::contains(const IpAddress& candidate) const noexcept {
    // ::/0 was written by someone who thought of IPv6, and IPv4 must not slip in with it.
    if (is_ipv4(candidate) && prefix < 8 * mapped_prefix.size()) return false;
    const unsigned whole = prefix / 8;
    if (!std::equal(address.begin(), address.begin() + whole, candidate.begin())) return false;
    for (unsigned i = whole * 8; i < prefix; ++i) {
        if (bit(address, i) != bit(candidate, i)) return false;
    }
    return true;
}

std::optional<Network> parse_network(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_ip(text.substr(0, slash));
    if (!address) return std::nullopt;
    Network network{*address, 128};
    if (slash != std::string_view::npos) {
        const auto length = text::number<unsigned>(text.substr(slash + 1));
        const bool v4 = text.find(':') == std::string_view::npos;
        if (!length || *length > (v4 ? 32U : 128U)) return std::nullopt;
        network.prefix = v4 ? *length + 96 : *length;
    }
    for (unsigned i = network.prefix; i < 128; ++i) {
        if (bit(network.address, i)) return std::nullopt;
    }
    return network;
}

}  // namespace waxseal
