#include "smtp/xclient.hpp"

#include <array>

#include "base/network.hpp"
#include "base/text.hpp"
#include "smtp/parameters.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::string_view unavailable = "[UNAVAILABLE]";
constexpr std::size_t command = 510;  // XCLIENT_README: at most 512 with the line end
constexpr std::size_t longest_helo = 255;

struct Row {
    XclientAttribute attribute;
    std::string_view name;
    std::string (*value)(const Xclient&);  // empty: not said
};

std::string address(const Xclient& client) {
    const auto ip = parse_ip(client.address);
    if (!ip) return std::string(unavailable);
    return (is_ipv4(*ip) ? "" : "IPV6:") + to_string(*ip);
}

std::string port(const Xclient& client) {
    return client.port == 0 ? std::string() : std::to_string(client.port);
}

// We look no names up; but with none said the upstream would go on with our own.
std::string name(const Xclient&) { return std::string(unavailable); }

std::string helo(const Xclient& client) {
    return client.helo.size() > longest_helo ? std::string() : client.helo;
}

// In the order in which they are written: what may not fit is last.
constexpr std::array rows{
    Row{XclientAttribute::address, "ADDR", address},
    Row{XclientAttribute::port, "PORT", port},
    Row{XclientAttribute::name, "NAME", name},
    Row{XclientAttribute::helo, "HELO", helo},
};

constexpr std::uint8_t bit(XclientAttribute attribute) {
    return static_cast<std::uint8_t>(attribute);
}

}  // namespace

std::uint8_t parse_xclient(std::span<const std::string_view> names) noexcept {
    std::uint8_t offered = 0;
    for (const std::string_view word : names) {
        for (const Row& row : rows) {
            if (text::iequals(word, row.name))
                offered = static_cast<std::uint8_t>(offered | bit(row.attribute));
        }
    }
    return offered;
}

std::optional<std::string> write_xclient(const Xclient& client, std::uint8_t offered) {
    if ((offered & bit(XclientAttribute::address)) == 0) return std::nullopt;
    std::string line = "XCLIENT";
    for (const Row& row : rows) {
        if ((offered & bit(row.attribute)) == 0) continue;
        const std::string value = xtext(row.value(client));
        const std::string attribute = ' ' + std::string(row.name) + '=' + value;
        if (!value.empty() && line.size() + attribute.size() <= command) line += attribute;
    }
    return line;
}

}  // namespace waxseal::smtp
