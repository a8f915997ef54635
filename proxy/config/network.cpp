// Networks as the configuration writes them: what base/network.hpp reads, with words for what it
// does not.

#include "base/network.hpp"
#include "base/number.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

// IPv4 is kept as ::ffff:a.b.c.d.
constexpr unsigned mapped_prefix = 96;

IpAddress masked(IpAddress address, unsigned prefix) {
    for (unsigned bit = prefix; bit < 128; ++bit) {
        address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    return address;
}

}  // namespace

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
        const auto length = text::number<unsigned>(text.substr(slash + 1));
        if (!length) return std::unexpected(wrong);
        if (*length > prefix) {
            return std::unexpected(quote(text) + ": the prefix of an " + (v4 ? "IPv4" : "IPv6") +
                                   " network is at most " + std::to_string(prefix));
        }
        prefix = *length;
    }
    if (v4) prefix += mapped_prefix;
    const Network result{masked(*address, prefix), prefix};
    if (result.address != *address) {
        return std::unexpected(quote(text) + " has bits set behind its prefix; write \"" +
                               waxseal::to_string(result.address) +
                               std::string(text.substr(slash)) +
                               "\" for the network, or the address alone for one host");
    }
    return result;
}

bool loopback(const std::string& host) {
    const auto ip = parse_ip(host);
    if (!ip) return false;
    return parse_network("127.0.0.0/8")->contains(*ip) || parse_network("::1/128")->contains(*ip);
}

const std::vector<Network>& everywhere() {
    static const std::vector<Network> both{*parse_network("0.0.0.0/0"), *parse_network("::/0")};
    return both;
}

bool everyone(const Network& network) {
    // The widest private networks: 10.0.0.0/8 and fc00::/7.
    if (is_ipv4(network.address) && network.prefix >= mapped_prefix)
        return network.prefix < mapped_prefix + 8;
    return network.prefix < 7;
}

}  // namespace waxseal::config
