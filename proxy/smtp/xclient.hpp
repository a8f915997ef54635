// XCLIENT (Postfix XCLIENT_README): telling an upstream that trusts us whom we speak for. We send
// it upwards, when asked to; from a downstream it is never taken.
//
// Flow: parse_xclient() of the EHLO line's arguments; write_xclient() gives the command, 220
// answers it, and the session begins anew with EHLO.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace waxseal::smtp {

// The attributes that we have something to say for.
enum class XclientAttribute : std::uint8_t {
    address = 1 << 0,
    port = 1 << 1,
    name = 1 << 2,
    helo = 1 << 3,
};

// The downstream of the session.
struct Xclient {
    std::string address;     // what parse_ip() takes; anything else is said to be unavailable
    std::uint16_t port = 0;  // 0: not known
    std::string helo{};      // what it said in EHLO or HELO; empty: not known
};

// The attributes offered, as bits; words that are none of ours count for nothing.
[[nodiscard]] std::uint8_t parse_xclient(std::span<const std::string_view> names) noexcept;

// The command without its line end, with no attribute that is not offered; nothing when the address
// could not be said.
[[nodiscard]] std::optional<std::string> write_xclient(const Xclient& client, std::uint8_t offered);

}  // namespace waxseal::smtp
