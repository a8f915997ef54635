// An IP address and a port as a value: sockaddr, text and the 16 octets that access rules compare.
//
// IPv4 is kept as base/network.hpp has it, ::ffff:a.b.c.d, and always shown and connected to as
// IPv4, so an IPv4 peer of a dual-stack listener is the same value as one of an IPv4 listener. Text
// follows RFC 5952 and RFC 3986: "192.0.2.1:25", "[2001:db8::1]:25".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/network.hpp"

struct sockaddr;
struct sockaddr_storage;

namespace waxseal::net {

struct Address {
    IpAddress ip{};
    std::uint16_t port = 0;
    std::uint32_t scope = 0;  // the interface of a link-local address (RFC 4007); 0: none

    // An address without port and brackets; an IPv6 address may carry a zone ("fe80::1%eth0").
    [[nodiscard]] static std::optional<Address> parse(std::string_view ip, std::uint16_t port);
    // Nothing for a family other than IPv4 and IPv6.
    [[nodiscard]] static std::optional<Address> from(const sockaddr* address) noexcept;

    // Fills `out` and returns the length that goes with it.
    unsigned to(sockaddr_storage& out) const noexcept;

    [[nodiscard]] bool ipv4() const noexcept;
    [[nodiscard]] std::string ip_text() const;
    [[nodiscard]] std::string text() const;

    friend bool operator==(const Address&, const Address&) = default;
};

}  // namespace waxseal::net
