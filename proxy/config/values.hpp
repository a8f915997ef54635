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
// The same, unix:PATH and systemd:NAME; the path may be relative.
[[nodiscard]] Parsed<ListenAddress> parse_listener(std::string_view text);
[[nodiscard]] Parsed<Endpoint> parse_upstream_address(
    std::string_view text);  // smtp.example.com:465
[[nodiscard]] Parsed<Network> read_network(
    std::string_view text);  // 192.168.1.0/24 2001:db8::/32 192.0.2.1

// a@b.example, *@b.example (or @b.example: the same), <>. The domain comes out in lower case.
[[nodiscard]] Parsed<std::string> parse_sender(std::string_view text);
// The same but for <>, which is nobody's mailbox.
[[nodiscard]] Parsed<std::string> parse_recipient(std::string_view text);
// An addr-spec that every upstream takes (RFC 5321 4.1.2): no UTF-8, as that may need SMTPUTF8, and
// no "%" in the local part, as that is read as a route.
[[nodiscard]] Parsed<std::string> parse_mailbox(std::string_view text);
// A domain as in these, in lower case.
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);
// SHA-256 in hexadecimal, colons between the octets or not, or base64.
[[nodiscard]] Parsed<Sha256> parse_pin(std::string_view text);
[[nodiscard]] Parsed<unsigned> parse_mode(std::string_view text);  // 0660 660

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
// 0.0.0.0/0 and ::/0.
[[nodiscard]] const std::vector<Network>& everywhere();
// Wider than any private network there is: practically an invitation to everyone.
[[nodiscard]] bool everyone(const Network& network);

}  // namespace waxseal::config
