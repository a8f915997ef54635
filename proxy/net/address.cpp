// Conversions of an address. Nothing here looks a name up.
#include "net/address.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/number.hpp"

namespace waxseal::net {

namespace {

// Where the IPv4 address is in its mapped form, ::ffff:a.b.c.d.
constexpr std::size_t mapped_at = 12;

std::optional<std::uint32_t> parse_zone(const std::string& zone) {
    const auto number = text::number<std::uint32_t>(zone);
    const std::uint32_t index = number.value_or(0) != 0 ? *number : if_nametoindex(zone.c_str());
    return index == 0 ? std::nullopt : std::optional(index);
}

void map_ipv4(const in_addr& from, Address& to) {
    to.ip = {};
    to.ip[10] = to.ip[11] = 0xff;
    std::memcpy(to.ip.data() + mapped_at, &from, sizeof from);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view ip, std::uint16_t port) {
    const std::size_t percent = ip.find('%');
    const auto parsed = parse_ip(ip.substr(0, percent));
    if (!parsed) return std::nullopt;
    Address result{*parsed, port, 0};
    if (percent == std::string_view::npos) return result;
    const auto zone = parse_zone(std::string(ip.substr(percent + 1)));
    if (!zone || result.ipv4()) return std::nullopt;
    result.scope = *zone;
    return result;
}

std::optional<Address> Address::from(const sockaddr* address) noexcept {
    Address result;
    if (address->sa_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, address, sizeof four);
        map_ipv4(four.sin_addr, result);
        result.port = ntohs(four.sin_port);
        return result;
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, address, sizeof six);
        std::memcpy(result.ip.data(), &six.sin6_addr, result.ip.size());
        result.port = ntohs(six.sin6_port);
        if (IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr)) result.scope = six.sin6_scope_id;
        return result;
    }
    return std::nullopt;
}

unsigned Address::to(sockaddr_storage& out) const noexcept {
    out = {};
    if (ipv4()) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&four.sin_addr, ip.data() + mapped_at, sizeof four.sin_addr);
        std::memcpy(&out, &four, sizeof four);
        return sizeof four;
    }
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_scope_id = scope;
    std::memcpy(&six.sin6_addr, ip.data(), ip.size());
    std::memcpy(&out, &six, sizeof six);
    return sizeof six;
}

bool Address::ipv4() const noexcept { return is_ipv4(ip); }

std::string Address::ip_text() const {
    return scope == 0 ? to_string(ip) : to_string(ip) + '%' + std::to_string(scope);
}

std::string Address::text() const {
    const std::string host = ipv4() ? ip_text() : '[' + ip_text() + ']';
    return host + ':' + std::to_string(port);
}

}  // namespace waxseal::net
