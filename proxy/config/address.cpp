// Endpoints, host names and upstream URLs.
#include <algorithm>

#include "base/number.hpp"
#include "base/text.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

struct HostPort {
    std::string_view host;  // without brackets
    std::optional<std::string_view> port;
    bool bracketed = false;
};

// [v6]:port, host:port, host; nothing when it is none of these.
std::optional<HostPort> split(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        HostPort result{text.substr(1, close - 1), std::nullopt, true};
        const std::string_view rest = text.substr(close + 1);
        if (rest.empty()) return result;
        if (rest[0] != ':') return std::nullopt;
        result.port = rest.substr(1);
        return result;
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return HostPort{text, std::nullopt};
    return HostPort{text.substr(0, colon), text.substr(colon + 1)};
}

// IPv6 without brackets: nobody can tell where its port begins.
bool bare_ipv6(std::string_view text) {
    return std::ranges::count(text, ':') > 1 && !text.starts_with('[');
}

// Docker and its kin allow underscores in the names of services.
bool upstream_host(std::string_view host) {
    std::string plain(host);
    std::ranges::replace(plain, '_', 'x');
    return valid_hostname(plain);
}

Parsed<std::string> parse_upstream_host(const HostPort& parts) {
    if (parts.bracketed) {
        if (parts.host.contains(':') && parse_ip(parts.host)) return std::string(parts.host);
        return std::unexpected(quote(parts.host) +
                               " in brackets is not an IPv6 address; write one as [2001:db8::25]");
    }
    std::string_view host = parts.host;
    if (host.ends_with('.')) host.remove_suffix(1);
    if (parse_ip(host) || upstream_host(host)) return std::string(host);
    if (!text::ascii(host)) {
        return std::unexpected(quote(host) + " is not ASCII; write the name in its xn-- form");
    }
    return std::unexpected(quote(host) + " is not a host name; write one as smtp.example.com");
}

// The text may hold a password; it is not repeated.
constexpr std::string_view userinfo_hint =
    "a user name or password does not belong here; give the user with --username, WAXSEAL_USERNAME "
    "or username, and the "
    "password in a file with --password-file, WAXSEAL_PASSWORD_FILE or password_file";

// What follows the scheme of a URL; `result` holds what the scheme stands for.
Parsed<UpstreamUrl> parse_authority(std::string_view url, std::string_view rest,
                                    UpstreamUrl result) {
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find_first_of("/?#") != std::string_view::npos) {
        return std::unexpected(
            quote(url) + " has something behind the host; write smtps://HOST or smtps://HOST:PORT");
    }
    if (bare_ipv6(rest)) {
        return std::unexpected(quote(url) +
                               " has IPv6 without brackets; write smtps://[2001:db8::25]");
    }
    const auto parts = split(rest);
    if (!parts || parts->host.empty()) {
        return std::unexpected(quote(url) + " has no host; write smtps://smtp.example.com");
    }
    const auto host = parse_upstream_host(*parts);
    if (!host) return std::unexpected(host.error());
    result.address.host = *host;
    if (!parts->port) return result;
    const auto port = text::number<std::uint16_t>(*parts->port);
    if (!port || *port == 0) {
        return std::unexpected(quote(*parts->port) +
                               " is not a port; write a number from 1 to 65535");
    }
    result.address.port = *port;
    return result;
}

}  // namespace

bool valid_hostname(std::string_view name) {
    if (name.empty() || name.size() > 253 || parse_ip(name)) return false;
    while (true) {
        const std::size_t dot = name.find('.');
        const std::string_view label = name.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
            return false;
        if (!std::ranges::all_of(label, [](char c) { return text::alnum(c) || c == '-'; }))
            return false;
        // 256.1.1.1 and 10.0.0 are addresses gone wrong, not names (RFC 1123 2.1).
        if (dot == std::string_view::npos) return !std::ranges::all_of(label, text::digit);
        name.remove_prefix(dot + 1);
    }
}

bool valid_server_name(std::string_view name) {
    return parse_ip(name).has_value() || upstream_host(name);
}

Parsed<Endpoint> parse_listen_address(std::string_view text) {
    const std::string wrong = quote(text) +
                              " is not an address to listen on; write one as \"127.0.0.1:2525\", "
                              "\"[::1]:2525\" or \":2525\"";
    if (bare_ipv6(text)) {
        if (!parse_ip(text)) return std::unexpected(wrong);
        return std::unexpected(quote(text) + " is IPv6 without brackets; write \"[::1]:2525\"");
    }
    const auto parts = split(text);
    if (!parts) return std::unexpected(wrong);
    if (!parts->port) {
        if (!parse_ip(parts->host)) return std::unexpected(wrong);
        return std::unexpected(quote(text) + " has no port; write " +
                               quote(std::string(text) + ":2525"));
    }
    const auto port = text::number<std::uint16_t>(*parts->port);
    if (!port)
        return std::unexpected(quote(*parts->port) +
                               " is not a port; write a number from 0 to 65535");
    if (text.starts_with(':') || parts->host == "*") return Endpoint{"::", *port};
    if (text::iequals(parts->host, "localhost")) return Endpoint{"127.0.0.1", *port};
    if (!parse_ip(parts->host) || parts->bracketed != parts->host.contains(':')) {
        if (!valid_hostname(parts->host)) return std::unexpected(wrong);
        return std::unexpected(quote(parts->host) +
                               " is a name; write the IP address to listen on, or \":" +
                               std::to_string(*port) + "\" for every address");
    }
    return Endpoint{std::string(parts->host), *port};
}

Parsed<ListenAddress> parse_listener(std::string_view text) {
    if (text.starts_with("unix:")) {
        const std::string_view path = text.substr(5);
        if (path.empty() || path.starts_with('@') || path.ends_with('/')) {
            return std::unexpected(quote(text) +
                                   " names no socket; write unix: and the path of one, as "
                                   "\"unix:/run/waxseal/smtp.sock\"");
        }
        return UnixPath{std::string(path)};
    }
    if (text == "systemd" || text.starts_with("systemd:")) {
        const std::string_view name = text.substr(std::min(text.size(), std::size_t{8}));
        // As FileDescriptorName= in systemd.socket(5).
        const bool good = name.size() <= 255 && std::ranges::all_of(name, [](char c) {
                              return c > 0x20 && c < 0x7F && c != ':';
                          });
        if (good) return Inherited{std::string(name)};
        return std::unexpected(quote(text) +
                               " names no socket of systemd; write systemd: and the "
                               "FileDescriptorName of its unit");
    }
    return parse_listen_address(text);
}

Parsed<Endpoint> parse_upstream_address(std::string_view text) {
    if (text.contains('@')) return std::unexpected(std::string(userinfo_hint));
    if (text.contains("://")) {
        return std::unexpected(
            "an address has no scheme; write \"smtp.example.com:465\", and tls = \"implicit\" or "
            "\"starttls\" beside it");
    }
    if (bare_ipv6(text)) {
        return std::unexpected(quote(text) +
                               " is IPv6 without brackets; write one as \"[2001:db8::25]:465\"");
    }
    const auto parts = split(text);
    if (!parts || parts->host.empty()) {
        return std::unexpected(quote(text) +
                               " is not an address; write one as \"smtp.example.com:465\"");
    }
    const auto host = parse_upstream_host(*parts);
    if (!host) return std::unexpected(host.error());
    if (!parts->port) {
        return std::unexpected(quote(text) + " has no port; write " +
                               quote(std::string(text) + ":465") + " for implicit TLS or " +
                               quote(std::string(text) + ":587") + " for STARTTLS");
    }
    const auto port = text::number<std::uint16_t>(*parts->port);
    if (!port || *port == 0) {
        return std::unexpected(quote(*parts->port) +
                               " is not a port; write 465 for implicit TLS or 587 for STARTTLS");
    }
    return Endpoint{*host, *port};
}

Parsed<UpstreamUrl> parse_upstream_url(std::string_view text) {
    if (text.contains('@')) return std::unexpected(std::string(userinfo_hint));
    if (text::istarts_with(text, "smtps://")) {
        return parse_authority(text, text.substr(8), {{"", 465}, UpstreamTls::implicit});
    }
    if (text::istarts_with(text, "smtp://")) {
        return parse_authority(text, text.substr(7), {{"", 587}, UpstreamTls::starttls});
    }
    return std::unexpected(
        quote(text) +
        " is not an upstream; write smtps://HOST for implicit TLS or smtp://HOST for STARTTLS");
}

std::string to_string(const Endpoint& endpoint) {
    const bool v6 = endpoint.host.contains(':');
    return (v6 ? '[' + endpoint.host + ']' : endpoint.host) + ':' + std::to_string(endpoint.port);
}

std::string to_string(const ListenAddress& address) {
    if (const auto* unix_path = std::get_if<UnixPath>(&address)) return "unix:" + unix_path->path;
    if (const auto* inherited = std::get_if<Inherited>(&address))
        return "systemd:" + inherited->name;
    return to_string(std::get<Endpoint>(address));
}

}  // namespace waxseal::config
