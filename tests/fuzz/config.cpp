// Fuzzes loading a configuration: the text of a file, then, each behind a NUL, environment
// variables as NAME=value.
//
// Invariants: every problem is one printable line; a refusal has an error and a success has none;
// loading twice says the same; no password given in a URL or a variable is said back; and what is
// accepted is safe: no credential without TLS, no listener that lets in who was not named, no name
// that leads nowhere.
#include "config/config.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"

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

void check_listener(const Listen& listen, const Config& config) {
    require(parse_ip(listen.address.host).has_value(), "a listener has an IP address");
    require(!listen.allow.empty() && !listen.upstream.empty(),
            "a listener names who may connect and where to");
    for (const std::string& name : listen.upstream) {
        require(
            std::ranges::any_of(config.upstream,
                                [&](const Upstream& upstream) { return upstream.name == name; }),
            "a listener leads somewhere");
    }
}

void check_upstream(const Upstream& upstream) {
    require(
        !upstream.name.empty() && !upstream.address.host.empty() && !upstream.server_name.empty(),
        "an upstream has its names");
    require(upstream.address.port != 0 && upstream.max_connections > 0,
            "an upstream can be connected to");
    const bool credential = !upstream.username.empty();
    require(credential == !upstream.password_file.empty(), "a credential is whole");
    if (upstream.tls == UpstreamTls::none) require(!credential, "no credential without TLS");
    require(credential == (upstream.auth != Auth::none),
            "a login needs a credential, and a credential a login");
    require(upstream.password_file.empty() || upstream.password_file.starts_with('/'),
            "paths are absolute");
    require(upstream.ca_file.empty() || upstream.ca_file.starts_with('/'), "paths are absolute");
}

void check_config(const Config& config) {
    require(!config.hostname.empty() && !config.listen.empty() && !config.upstream.empty(),
            "nothing is left empty");
    for (const Listen& listen : config.listen) check_listener(listen, config);
    for (const Upstream& upstream : config.upstream) check_upstream(upstream);
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
