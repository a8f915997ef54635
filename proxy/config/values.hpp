// The words of the configuration language: durations, sizes, addresses, networks, URLs. Pure. The
// error of each is a sentence that says what is wrong and what to write instead, and never repeats
// what may contain a password.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace waxseal::config {

template <typename T>
using Parsed = std::expected<T, std::string>;

[[nodiscard]] Parsed<Milliseconds> parse_duration(std::string_view text);  // 500ms 30s 5m 1h
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text);     // 4096 64KiB 50MiB 1GB
[[nodiscard]] Parsed<Endpoint> parse_listen_address(
    std::string_view text);  // 127.0.0.1:25 [::1]:25 localhost:25 :25
[[nodiscard]] Parsed<Endpoint> parse_upstream_address(
    std::string_view text);  // smtp.example.com:465
[[nodiscard]] Parsed<Network> read_network(
    std::string_view text);  // 192.168.1.0/24 2001:db8::/32 192.0.2.1

struct UpstreamUrl {
    Endpoint address;
    UpstreamTls tls = UpstreamTls::implicit;
};
[[nodiscard]] Parsed<UpstreamUrl> parse_upstream_url(
    std::string_view text);  // smtps://host[:465] smtp://host[:587]

// Letters, digits and hyphens in labels of at most 63, 253 in all (RFC 1123 2.1), and no IPv4
// address.
[[nodiscard]] bool valid_hostname(std::string_view name);
// What a TLS name check can be made against: a host name or an IP address.
[[nodiscard]] bool valid_server_name(std::string_view name);

[[nodiscard]] bool loopback(const std::string& host);
// Wider than any private network there is: practically an invitation to everyone.
[[nodiscard]] bool everyone(const Network& network);

}  // namespace waxseal::config
