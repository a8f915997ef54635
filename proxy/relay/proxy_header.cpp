// Octet by octet: each is looked at before the next is taken, which is why none too many ever is.
#include "relay/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.hpp"
#include "base/number.hpp"
#include "base/text.hpp"

namespace waxseal::relay {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view line_begin = "PROXY ";
constexpr std::string_view block_begin = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_part = 16;  // signature, command, family, length

unsigned octet(std::string_view octets, std::size_t at) {
    return static_cast<unsigned char>(octets[at]);
}

std::size_t big_endian(std::string_view octets, std::size_t at) {
    return octet(octets, at) * 256U + octet(octets, at + 1);
}

// --- version 1

// Decimal without leading zeros, which somebody else could take for octal.
std::optional<std::uint16_t> port(std::string_view digits) {
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    return text::number<std::uint16_t>(digits);
}

std::optional<IpAddress> address(std::string_view written, bool ipv6) {
    if ((written.find(':') != std::string_view::npos) != ipv6) return std::nullopt;
    return parse_ip(written);
}

// Exactly n fields with one space between each two.
template <std::size_t n>
std::optional<std::array<std::string_view, n>> fields(std::string_view line) {
    std::array<std::string_view, n> found;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t space = line.find(' ');
        if ((space == std::string_view::npos) != (i == n - 1)) return std::nullopt;
        found[i] = line.substr(0, space);
        line.remove_prefix(i == n - 1 ? line.size() : space + 1);
    }
    return found;
}

// The line behind "PROXY ", without its end.
std::optional<std::optional<ProxySource>> parse_line(std::string_view line) {
    // Whatever else it says, an unknown origin stays one.
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return std::optional<ProxySource>{};
    const auto part = fields<5>(line);
    if (!part) return std::nullopt;
    const auto& [protocol, from, to, from_port, to_port] = *part;
    if (protocol != "TCP4" && protocol != "TCP6") return std::nullopt;
    const bool ipv6 = protocol == "TCP6";
    const auto source = address(from, ipv6);
    const auto source_port = port(from_port);
    if (!source || !source_port || !address(to, ipv6) || !port(to_port)) return std::nullopt;
    return ProxySource{*source, *source_port};
}

// --- version 2

// The low half of the octet behind the signature.
constexpr unsigned command_local = 0;
constexpr unsigned command_proxy = 1;

// A family, and what of the block its addresses take: two of them and two ports.
struct Family {
    unsigned code;
    std::size_t addresses;
    std::size_t ip;  // octets of one address, 0: not an IP family, or not of a stream
};
constexpr std::array<Family, 7> families{{
    {0x00, 0, 0},    // unspecified
    {0x11, 12, 4},   // TCP over IPv4
    {0x12, 12, 0},   // UDP over IPv4
    {0x21, 36, 16},  // TCP over IPv6
    {0x22, 36, 0},   // UDP over IPv6
    {0x31, 216, 0},  // unix stream
    {0x32, 216, 0},  // unix datagram
}};

const Family* family_of(unsigned code) {
    const auto* const found = std::ranges::find(families, code, &Family::code);
    return found == families.end() ? nullptr : found;
}

// Type, length, value, and again: the last must end where the header does.
bool whole_tlvs(std::string_view octets) {
    constexpr std::size_t head = 3;
    while (!octets.empty()) {
        if (octets.size() < head) return false;
        const std::size_t size = head + big_endian(octets, 1);
        if (octets.size() < size) return false;
        octets.remove_prefix(size);
    }
    return true;
}

ProxySource source_of(std::string_view block, const Family& family) {
    ProxySource source;
    if (family.ip == 4) source.address[10] = source.address[11] = 0xff;  // ::ffff:a.b.c.d
    for (std::size_t i = 0; i < family.ip; ++i)
        source.address[16 - family.ip + i] = static_cast<std::uint8_t>(octet(block, i));
    source.port = static_cast<std::uint16_t>(big_endian(block, 2 * family.ip));
    return source;
}

// What is wrong with the first 16 octets, or nothing.
std::optional<std::string> fault_of(std::string_view fixed) {
    const unsigned version = octet(fixed, 12) >> 4U;
    const unsigned command = octet(fixed, 12) & 0xfU;
    const std::size_t size = big_endian(fixed, 14);
    if (version != 2) return "its PROXY header is of an unknown version";
    if (command > command_proxy) return "its PROXY header has an unknown command";
    if (fixed_part + size > limits::proxy_header) return "its PROXY header is too long";
    if (command == command_local) return std::nullopt;
    const Family* const family = family_of(octet(fixed, 13));
    if (family == nullptr) return "its PROXY header has an unknown address family";
    if (size < family->addresses) return "its PROXY header is too short for its addresses";
    return std::nullopt;
}

}  // namespace

std::size_t ProxyHeader::receive(std::string_view octets) {
    std::size_t used = 0;
    while (used < octets.size() && std::holds_alternative<NeedMore>(result_)) {
        taken_ += octets[used++];
        look();
    }
    return used;
}

void ProxyHeader::look() {
    const std::string_view begin = taken_.front() == line_begin.front() ? line_begin : block_begin;
    const std::size_t known = std::min(begin.size(), taken_.size());
    if (std::string_view(taken_).substr(0, known) != begin.substr(0, known)) {
        result_ = Malformed{"it does not begin with a PROXY header"};
    } else if (taken_.size() > begin.size()) {
        begin == line_begin ? look_at_line() : look_at_block();
    }
}

void ProxyHeader::look_at_line() {
    const std::string_view line = taken_;
    const bool after_cr = line[line.size() - 2] == '\r';
    if (after_cr != (line.back() == '\n')) {
        result_ = Malformed{"its PROXY line does not end in CRLF"};
    } else if (after_cr) {
        const std::string_view said = line.substr(0, line.size() - 2);
        const auto source = parse_line(said.substr(std::min(line_begin.size(), said.size())));
        if (source) {
            result_ = Header{line.size(), *source};
        } else {
            result_ = Malformed{"its PROXY line is not understood"};
        }
    } else if (line.size() >= limits::proxy_line) {
        result_ = Malformed{"its PROXY line is too long"};
    }
}

void ProxyHeader::look_at_block() {
    if (taken_.size() < fixed_part) return;
    if (length_ == 0) {
        if (auto fault = fault_of(taken_)) {
            result_ = Malformed{std::move(*fault)};
            return;
        }
        length_ = fixed_part + big_endian(taken_, 14);
    }
    if (taken_.size() < length_) return;
    const Family* const family =
        (octet(taken_, 12) & 0xfU) == command_proxy ? family_of(octet(taken_, 13)) : nullptr;
    if (family == nullptr || family->ip == 0) {
        result_ = Header{length_, std::nullopt};
        return;
    }
    const std::string_view block = std::string_view(taken_).substr(fixed_part);
    if (whole_tlvs(block.substr(family->addresses))) {
        result_ = Header{length_, source_of(block, *family)};
    } else {
        result_ = Malformed{"its PROXY header ends inside a TLV"};
    }
}

}  // namespace waxseal::relay
