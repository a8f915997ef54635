// IP addresses and networks, all as the 128 bits of IPv6 with IPv4 mapped (RFC 4291 2.5.5.2).
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

using Address = std::array<std::uint8_t, 16>;
constexpr unsigned mapped_prefix = 96;

bool mapped(const Address& address) {
    constexpr std::array<std::uint8_t, 12> head{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    return std::ranges::equal(head, std::span(address).first<12>());
}

Address masked(Address address, unsigned prefix) {
    for (unsigned bit = prefix; bit < 128; ++bit) {
        address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    return address;
}

std::string spell(const Address& address, unsigned prefix) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    const bool v4 = mapped(address) && prefix >= mapped_prefix;
    if (v4) {
        inet_ntop(AF_INET, &address[12], buffer.data(), buffer.size());
    } else {
        inet_ntop(AF_INET6, address.data(), buffer.data(), buffer.size());
    }
    return std::string(buffer.data()) + '/' + std::to_string(v4 ? prefix - mapped_prefix : prefix);
}

}  // namespace

std::optional<Address> parse_ip(std::string_view text) {
    // The C functions stop at a NUL.
    if (text.size() >= INET6_ADDRSTRLEN || text.contains('\0')) return std::nullopt;
    const std::string terminated(text);
    Address result{};
    if (text.contains(':')) {
        if (inet_pton(AF_INET6, terminated.c_str(), result.data()) != 1) return std::nullopt;
        return result;
    }
    result[10] = result[11] = 0xFF;
    if (inet_pton(AF_INET, terminated.c_str(), &result[12]) != 1) return std::nullopt;
    return result;
}

bool Network::contains(const Address& candidate) const noexcept {
    // ::/0 was written by someone who thought of IPv6.
    if (mapped(candidate) && !(mapped(address) && prefix >= mapped_prefix)) return false;
    return masked(candidate, prefix) == address;
}

Parsed<Network> read_network(std::string_view text) {
    const std::string wrong =
        quote(text) +
        " is not a network; write one as \"192.168.1.0/24\", \"2001:db8::/32\" or \"192.0.2.7\"";
    const std::size_t slash = text.find('/');
    const auto address = parse_ip(text.substr(0, slash));
    if (!address) return std::unexpected(wrong);
    const bool v4 = !text.substr(0, slash).contains(':');
    unsigned prefix = v4 ? 32 : 128;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const unsigned most = prefix;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
        if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
            return std::unexpected(wrong);
        if (prefix > most) {
            return std::unexpected(quote(text) + ": the prefix of an " + (v4 ? "IPv4" : "IPv6") +
                                   " network is at most " + std::to_string(most));
        }
    }
    if (v4) prefix += mapped_prefix;
    const Network result{masked(*address, prefix), prefix};
    if (result.address != *address) {
        return std::unexpected(quote(text) + " has bits set behind its prefix; write \"" +
                               spell(result.address, prefix) +
                               "\" for the network, or the address alone for one host");
    }
    return result;
}

std::optional<Network> parse_network(std::string_view text) {
    auto result = read_network(text);
    if (!result) return std::nullopt;
    return *result;
}

bool loopback(const std::string& host) {
    const auto ip = parse_ip(host);
    if (!ip) return false;
    return parse_network("127.0.0.0/8")->contains(*ip) || parse_network("::1/128")->contains(*ip);
}

bool everyone(const Network& network) {
    // The widest private networks: 10.0.0.0/8 and fc00::/7.
    if (mapped(network.address) && network.prefix >= mapped_prefix)
        return network.prefix < mapped_prefix + 8;
    return network.prefix < 7;
}

}  // namespace waxseal::config
