// Base64 without mercy: what RFC 4648 4 does not write, RFC 4954 4 tells us to reject.
//
// The decoder takes whole quartets only. It refuses any octet outside the alphabet (line ends and
// spaces too), padding that is missing, early or superfluous, and padding whose unused bits are not
// zero: so each octet string has exactly one text, and no two parsers can disagree about one.
#include "base/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/secret.hpp"

namespace waxseal {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::int8_t invalid = -1;

constexpr std::array<std::int8_t, 256> make_values() {
    std::array<std::int8_t, 256> values{};
    values.fill(invalid);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
    return values;
}

constexpr auto values = make_values();

constexpr std::uint32_t octet(char c) { return static_cast<unsigned char>(c); }

// The significant characters of the last quartet, 4 when it has no padding.
std::size_t significant(std::string_view quartet) {
    if (quartet.ends_with("==")) return 2;
    return quartet.ends_with('=') ? 3 : 4;
}

// Appends the octets of one quartet of which `count` characters (2..4) are significant.
bool decode_quartet(std::string_view quartet, std::size_t count, std::string& out) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::int8_t value = i < count ? values[octet(quartet[i])] : std::int8_t{0};
        if (value == invalid) return false;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t i = 0; i + 1 < count; ++i)
        out += static_cast<char>(static_cast<unsigned char>(bits >> (16 - 8 * i)));
    const std::uint32_t unused = 0xFFFFFFU >> (8 * (count - 1));
    return count == 4 || (bits & unused) == 0;
}

}  // namespace

std::string base64_encode(std::string_view octets) {
    std::string out;
    out.reserve((octets.size() + 2) / 3 * 4);
    for (; !octets.empty(); octets.remove_prefix(std::min<std::size_t>(3, octets.size()))) {
        const std::size_t count = std::min<std::size_t>(3, octets.size());
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? octet(octets[i]) : 0);
        for (std::size_t i = 0; i < 4; ++i)
            out += i <= count ? alphabet[bits >> (18 - 6 * i) & 0x3F] : '=';
    }
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    std::optional<std::string> out;
    if (text.size() % 4 != 0) return out;
    out.emplace().reserve(text.size() / 4 * 3);  // at once: growing would leave copies behind
    while (!text.empty()) {
        const std::string_view quartet = text.substr(0, 4);
        text.remove_prefix(4);
        const std::size_t count = text.empty() ? significant(quartet) : 4;
        if (decode_quartet(quartet, count, *out)) continue;
        wipe(*out);  // it may be half a password
        out.reset();
        break;
    }
    return out;
}

}  // namespace waxseal
