// Fuzzes loading a configuration: the text of a file, then, each behind a NUL, environment
// variables as NAME=value.
//
// Invariants: every problem is one printable line; a refusal has an error and a success has none;
// loading twice says the same; no password given in a URL or a variable is said back; and what is
// accepted is safe: no credential without TLS, no listener that lets in who was not named, no name
// that leads nowhere, no sender that an upstream would not take.
#include "config/config.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"
#include "smtp/path.hpp"

using namespace waxseal;
using namespace waxseal::config;
using fuzz::require;

namespace {

using Result = std::expected<Loaded, std::vector<Problem>>;

constexpr std::string_view secret = "hunter2-S3CR3T";

Environment environment_of(std::string_view toml) {
    Environment environment;
    while (!toml.empty()) {
        const std::string_view line = toml.substr(0, toml.find('\n'));
        toml.remove_prefix(std::min(toml.size(), line.size() + 1));
        const std::size_t equals = line.find('=');
        if (!line.starts_with("#$ ") || equals == std::string_view::npos) continue;
        environment.emplace(line.substr(3, equals - 3), line.substr(equals + 1));
    }
    return environment;
}

Result load_once(std::string_view toml, const Environment& environment) {
    return load_text(toml, "f", "/nonexistent", {}, environment);
}

const std::vector<Problem>& problems_of(const Result& result) {
    return result ? result->warnings : result.error();
}

void check_problems(const Result& result) {
    const std::vector<Problem>& problems = problems_of(result);
    const auto errors =
        std::ranges::count_if(problems, [](const Problem& problem) { return !problem.warning; });
    require(result ? errors == 0 : errors > 0, "a refusal has an error, a success none");
    require(problems.size() <= 101, "the problems are bounded");
    for (const Problem& problem : problems) {
        const std::string line = problem.to_string();
        require(text::valid_utf8(line), "a problem is UTF-8");
        require(std::ranges::none_of(line, [](unsigned char c) { return c < 0x20 || c == 0x7F; }),
                "a problem is one line");
        require(line.size() < 8192, "a problem is short");
        require(!problem.text.empty(), "a problem says something");
    }
}

bool absolute(const std::string& path) { return path.empty() || path.starts_with('/'); }

void check_names(const std::vector<std::string>& names, const Config& config) {
    require(!names.empty(), "mail has somewhere to go");
    for (const std::string& name : names) {
        require(
            std::ranges::any_of(config.upstream,
                                [&](const Upstream& upstream) { return upstream.name == name; }),
            "a name leads somewhere");
    }
}

void check_admission(const Listen& listen) {
    const bool all =
        std::ranges::find(listen.allow, *parse_network("0.0.0.0/0")) != listen.allow.end();
    const bool unix_socket = std::holds_alternative<UnixPath>(listen.address);
    require(!listen.allow.empty(), "a listener says who may connect");
    if (unix_socket) require(all, "the permissions of a unix socket decide alone");
    if (listen.client_certificate == ClientCertificate::required) {
        require(listen.tls != ListenTls::none && listen.require_tls,
                "a required certificate cannot be avoided");
    }
}

// What the others make of it: an address as it is written into MAIL.
void check_sender(const SenderRule& rule, const Config& config) {
    if (rule.envelope.empty()) {
        require(!rule.header && !rule.foreign, "without an envelope there is no rule");
        return;
    }
    const auto parsed = smtp::parse_path('<' + rule.envelope + '>', smtp::PathKind::forward);
    require(parsed && parsed->rest.empty() && parsed->path.address() == rule.envelope &&
                !parsed->path.domain().empty() && !parsed->path.needs_utf8(),
            "every upstream takes the envelope of a rule");
    require(!rule.foreign || !config.own_domains.empty(), "it is known who is foreign");
}

void check_recipients(const std::vector<std::string>& recipients) {
    for (const std::string& text : recipients)
        require(text != "<>" && text.contains('@'), "a recipient has a mailbox");
}

void check_repairs(const Listen& listen) {
    require(listen.kind != ListenKind::strict || listen.long_lines != LongLines::fold,
            "who is strict does not fold");
    require(!listen.legacy_auth || listen.auth != ListenAuth::none, "AUTH= is said where AUTH is");
    require(!listen.legacy_charset.empty() && !listen.legacy_charset.contains('/'),
            "a charset is a name and no options");
}

void check_listener(const Listen& listen, const Config& config) {
    if (const auto* endpoint = std::get_if<Endpoint>(&listen.address))
        require(parse_ip(endpoint->host).has_value(), "a listener has an IP address");
    if (const auto* socket = std::get_if<UnixPath>(&listen.address))
        require(socket->path.starts_with('/') && socket->path.size() <= 107,
                "a unix socket can be made");
    check_names(listen.upstream, config);
    check_admission(listen);
    check_sender(listen.sender, config);
    check_recipients(listen.recipients);
    check_repairs(listen);
    if (listen.tls == ListenTls::none) {
        require(!listen.require_tls && !listen.legacy_tls && listen.certificates.empty() &&
                    listen.client_ca_file.empty(),
                "nothing that promises TLS is without it");
    }
    for (const Certificate& pair : listen.certificates) {
        require(pair.certificate_file.starts_with('/') && pair.key_file.starts_with('/'),
                "a certificate has a key");
    }
    require(listen.client_ca_file.empty() == (listen.client_certificate == ClientCertificate::none),
            "client certificates have an authority");
    require(listen.auth != ListenAuth::local || !config.user.empty(), "somebody can log in");
}

void check_upstream(const Upstream& upstream, bool passthrough) {
    require(
        !upstream.name.empty() && !upstream.address.host.empty() && !upstream.server_name.empty(),
        "an upstream has its names");
    require(upstream.address.port != 0 && upstream.max_connections > 0,
            "an upstream can be connected to");
    const bool has_secret = !upstream.password_file.empty() || !upstream.token_file.empty();
    const bool external = upstream.auth == Auth::external;
    const bool certificate = !upstream.certificate.certificate_file.empty();
    require(upstream.password_file.empty() || upstream.token_file.empty(), "one secret");
    require(certificate == !upstream.certificate.key_file.empty(), "a certificate has a key");
    if (external) {
        require(certificate && !has_secret, "external logs in with a certificate");
    } else {
        require(has_secret == !upstream.username.empty(), "a credential is whole");
        if (has_secret) require(upstream.auth != Auth::none, "a credential is used");
        if (!passthrough) require(has_secret == (upstream.auth != Auth::none), "a login has one");
    }
    if (upstream.tls == UpstreamTls::none)
        require(!has_secret && !certificate && !external, "no credential without TLS");
    require(upstream.min_tls <= upstream.max_tls, "a version of TLS is left");
    require(!upstream.pin_only || !upstream.pin_sha256.empty(), "something is verified");
    for (const std::string* path :
         {&upstream.password_file, &upstream.token_file, &upstream.ca_file,
          &upstream.certificate.certificate_file, &upstream.certificate.key_file})
        require(absolute(*path), "paths are absolute");
}

void check_user(const User& user, const Config& config) {
    require(!user.name.empty(), "a user has a name");
    require(user.password_file.empty() != user.password_hash.empty(), "a user has one password");
    require(absolute(user.password_file), "paths are absolute");
    require(user.password_hash.empty() || user.password_hash.starts_with('$'), "a hash is one");
    if (!user.upstream.empty()) check_names({user.upstream}, config);
    check_sender(user.sender, config);
    check_recipients(user.recipients);
}

void check_route(const Route& route, const Config& config) {
    check_names(route.upstream, config);
    for (const std::string& address : route.listen) {
        require(std::ranges::any_of(
                    config.listen,
                    [&](const Listen& listen) { return to_string(listen.address) == address; }),
                "a route names a listener");
    }
}

void check_config(const Config& config) {
    require(!config.hostname.empty() && !config.listen.empty() && !config.upstream.empty(),
            "nothing is left empty");
    for (const Listen& listen : config.listen) check_listener(listen, config);
    const bool passthrough = std::ranges::any_of(
        config.listen, [](const Listen& listen) { return listen.auth == ListenAuth::passthrough; });
    for (const Upstream& upstream : config.upstream) {
        check_upstream(upstream, passthrough);
        check_sender(upstream.sender, config);
    }
    for (const std::string& domain : config.own_domains)
        require(domain == text::to_lower(domain) && !domain.contains('@'), "a domain is one");
    for (const User& user : config.user) check_user(user, config);
    for (const Route& route : config.route) check_route(route, config);
    require(config.state_dir.starts_with('/'), "paths are absolute");
    require(config.limits.max_sessions > 0 && config.limits.max_errors > 0 &&
                config.limits.max_message_size > 0,
            "limits are limits");
    require(config.timeouts.connect.count() > 0 && config.timeouts.drain.count() >= 0,
            "timeouts are times");
}

void check_same(const Result& one, const Result& other) {
    require(one.has_value() == other.has_value(), "twice is the same");
    require(std::ranges::equal(problems_of(one), problems_of(other), {}, &Problem::to_string,
                               &Problem::to_string),
            "twice says the same");
}

void check_silence(std::string_view toml, Environment environment) {
    environment["WAXSEAL_PASSWORD"] = secret;
    environment["WAXSEAL_UPSTREAM"] = "smtps://u:" + std::string(secret) + "@a.example";
    environment["WAXSEAL_USERNAME"] = "u";
    environment["WAXSEAL_PASSWORD_FILE"] = secret;
    const Result result = load_once(toml, environment);
    require(!result.has_value(), "a password in URL and environment is refused");
    for (const Problem& problem : result.error())
        require(!problem.to_string().contains(secret), "no password is said back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view toml = fuzz::view(data, size);
    const Environment environment = environment_of(toml);
    const Result result = load_once(toml, environment);
    check_problems(result);
    if (result) check_config(result->config);
    check_same(result, load_once(toml, environment));
    if (!toml.contains("S3CR3T")) check_silence(toml, environment);
    return 0;
}
