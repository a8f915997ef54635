// The configuration, as values: what interface.md calls [[listen]], [[upstream]], [limits],
// [timeouts], [log].
//
// load() merges file, environment and flags (flag > environment > file > default) and validates the
// whole, collecting every problem in one run. Reads the files that the configuration names only to
// check that they can be read; their contents are loaded by whoever uses them.
//
// How the layers meet:
// - --listen or WAXSEAL_LISTEN replaces the file's [[listen]]; --allow or WAXSEAL_ALLOW replaces
// the allow of all of them.
// - --upstream or WAXSEAL_UPSTREAM replaces the file's [[upstream]] by one named "default"; every
// listener then uses it.
//   Nothing of the replaced ones is kept: a credential never goes to a provider it was not written
//   for.
// - --username, --password-file and --ca-file (and their variables) belong to that one; without it,
// to the file's only
//   [[upstream]]. With several in the file they are an error, not a guess.
// - A file named by -c or WAXSEAL_CONFIG is always read and checked whole; the default file only if
// it exists and no
//   upstream came from flag or environment.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/network.hpp"

namespace waxseal::config {

enum class ListenTls { none };
enum class LineEndings { repair, reject };
enum class UpstreamTls { implicit, starttls, none };
enum class Auth { automatic, none, plain, login, cram_md5 };
enum class LogLevel { debug, info, warn, error };
enum class LogFormat { automatic, text, json, logfmt };

using Milliseconds = std::chrono::milliseconds;

using waxseal::Network;
using waxseal::parse_ip;
using waxseal::parse_network;

struct Endpoint {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
// "192.0.2.1:25", "[2001:db8::1]:25", "smtp.example.com:465".
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

struct Listen {
    Endpoint address{
        "127.0.0.1",
        2525};  // the host is always an IP address; "::" takes IPv4 as well; port 0: any free one
    ListenTls tls = ListenTls::none;
    std::vector<Network> allow;  // never empty after load()
    LineEndings line_endings = LineEndings::repair;
    std::vector<std::string> upstream;  // names, in order; never empty after load()
};

struct Upstream {
    std::string name = "default";
    Endpoint address;
    UpstreamTls tls = UpstreamTls::implicit;
    std::string server_name;  // never empty after load()
    std::string ca_file;      // absolute; empty: system trust store
    Auth auth =
        Auth::automatic;        // never automatic after load() when there is no username: then none
    std::string username;       // empty: no credential
    std::string password_file;  // absolute
    unsigned max_connections = 10;
    Milliseconds idle_timeout = std::chrono::seconds(30);
};

struct Limits {
    std::uint64_t max_sessions = 1000;
    std::uint64_t max_sessions_per_client = 100;
    std::uint64_t max_message_size = 50ULL * 1024 * 1024;
    std::uint64_t max_recipients = 1000;
    std::uint64_t max_errors = 20;
};

struct Timeouts {
    Milliseconds downstream_idle = std::chrono::minutes(5);
    Milliseconds connect = std::chrono::seconds(10);
    Milliseconds tls_handshake = std::chrono::seconds(15);
    Milliseconds upstream_reply = std::chrono::minutes(5);
    Milliseconds data_reply = std::chrono::minutes(10);
    Milliseconds queue = std::chrono::seconds(30);
    Milliseconds drain = std::chrono::seconds(30);
};

struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::automatic;
};

struct Config {
    std::string file;  // as given; empty when there was none
    // Our own name in greeting and EHLO: [server] hostname, else the host's, else [127.0.0.1].
    std::string hostname;
    std::vector<Listen> listen;
    std::vector<Upstream> upstream;
    Limits limits;
    Timeouts timeouts;
    Log log;
};

// "FILE:LINE:COL: [[upstream]] adress: unknown key; did you mean address?" Line and column are 0
// for what came from a flag or the environment; the text then names that.
struct Problem {
    std::string source;  // file, "--listen", "WAXSEAL_UPSTREAM"
    unsigned line = 0;
    unsigned column = 0;
    std::string text;
    bool warning = false;  // does not keep waxseal from starting
    [[nodiscard]] std::string to_string() const;
};

// What the command line gave; nothing = not given.
struct Flags {
    std::optional<std::string> config;  // -c
    std::vector<std::string> listen;
    std::vector<std::string> allow;  // --allow CIDR
    std::optional<std::string> upstream, username, password_file, ca_file, log_level, log_format;
    std::string default_config = "/etc/waxseal/waxseal.toml";  // only tests change it
};

using Environment = std::map<std::string, std::string>;  // only the WAXSEAL_ variables matter

struct Loaded {
    Config config;
    std::vector<Problem> warnings;
};

[[nodiscard]] std::expected<Loaded, std::vector<Problem>> load(const Flags& flags,
                                                               const Environment& environment);
// The same on a text instead of a file: for tests and fuzzing. Relative paths are relative to
// `directory`.
[[nodiscard]] std::expected<Loaded, std::vector<Problem>> load_text(std::string_view toml,
                                                                    const std::string& name,
                                                                    const std::string& directory,
                                                                    const Flags& flags,
                                                                    const Environment& environment);

// Every key this version knows, for --help, the manual and the tests that keep the documentation
// complete.
struct Reference {
    std::string_view section;  // "[[listen]]", "[limits]"
    std::string_view key;
    std::string_view type;     // "number", "list of networks", "none | plain"
    std::string_view example;  // as TOML; the default where there is a fixed one
    std::string_view absent;  // what holds without the key where that is no fixed value; else empty
    std::string_view text;    // one line
};
[[nodiscard]] const std::vector<Reference>& reference();

}  // namespace waxseal::config
