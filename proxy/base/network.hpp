// Internet addresses and networks as values. One form for both families: IPv4 is kept as
// IPv4-mapped IPv6 (RFC 4291 2.5.5.2), so that 192.0.2.1 and ::ffff:192.0.2.1 are the same client.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waxseal {

using IpAddress = std::array<std::uint8_t, 16>;

// Textual IPv4 or IPv6, without brackets, zone and port.
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);
[[nodiscard]] std::string to_string(const IpAddress& address);
[[nodiscard]] bool is_ipv4(const IpAddress& address) noexcept;
// What counts as one client: an IPv4 address, or an IPv6 /64, in which one host has 2^64 addresses.
[[nodiscard]] IpAddress client_key(const IpAddress& address) noexcept;

// A network in CIDR form, host bits zero. ::/0 is all of IPv6 and nothing of IPv4.
struct Network {
    IpAddress address{};
    unsigned prefix = 128;  // of the 128 bits
    [[nodiscard]] bool contains(const IpAddress& candidate) const noexcept;
    friend bool operator==(const Network&, const Network&) = default;
};

// "192.0.2.0/24", "2001:db8::/32", or a lone address. Set host bits are refused: they are usually a
// typing error.
[[nodiscard]] std::optional<Network> parse_network(std::string_view text);

}  // namespace waxseal
