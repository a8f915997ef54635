// Conversions of an address. Nothing here looks a name up.
#include "net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace waxseal::net {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<std::uint32_t> parse_zone(const std::string& zone) {
    std::uint32_t index = 0;
    const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), index);
    if (error == std::errc() && end == zone.data() + zone.size() && index != 0) return index;
    index = if_nametoindex(zone.c_str());
    return index == 0 ? std::nullopt : std::optional(index);
}

void map_ipv4(const in_addr& from, Address& to) {
    std::ranges::copy(mapped_prefix, to.ip.begin());
    std::memcpy(to.ip.data() + mapped_prefix.size(), &from, sizeof from);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view ip, std::uint16_t port) {
    // A NUL would end the text early for inet_pton and so hide what follows it.
    if (ip.find('\0') != std::string_view::npos) return std::nullopt;
    Address result;
    result.port = port;
    in_addr four{};
    if (inet_pton(AF_INET, std::string(ip).c_str(), &four) == 1) {
        map_ipv4(four, result);
        return result;
    }
    const std::size_t percent = ip.find('%');
    if (inet_pton(AF_INET6, std::string(ip.substr(0, percent)).c_str(), result.ip.data()) != 1)
        return std::nullopt;
    if (percent != std::string_view::npos) {
        const auto zone = parse_zone(std::string(ip.substr(percent + 1)));
        if (!zone) return std::nullopt;
        result.scope = *zone;
    }
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
        std::memcpy(&four.sin_addr, ip.data() + mapped_prefix.size(), sizeof four.sin_addr);
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

bool Address::ipv4() const noexcept {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), ip.begin());
}

std::string Address::ip_text() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (ipv4()) {
        inet_ntop(AF_INET, ip.data() + mapped_prefix.size(), text, sizeof text);
        return text;
    }
    inet_ntop(AF_INET6, ip.data(), text, sizeof text);
    return scope == 0 ? std::string(text) : std::string(text) + '%' + std::to_string(scope);
}

std::string Address::text() const {
    const std::string host = ipv4() ? ip_text() : '[' + ip_text() + ']';
    return host + ':' + std::to_string(port);
}

}  // namespace waxseal::net
