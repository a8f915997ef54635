// The configuration, as values: [server], [[listen]], [[upstream]], [[user]], [[route]], [limits],
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
//   for. What names a replaced one goes with it: routes, and the upstream of a user.
// - --username, --password-file, --ca-file and --sender (and their variables) belong to that one;
// without it, to the file's only
//   [[upstream]]. With several in the file they are an error, not a guess.
// - A file named by -c or WAXSEAL_CONFIG is always read and checked whole; the default file only if
// it exists and no
//   upstream came from flag or environment.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/network.hpp"

namespace waxseal::config {

enum class ListenTls { none, starttls, implicit, automatic };
enum class ListenAuth { none, any, local, passthrough };
enum class ClientCertificate { none, optional, required };
enum class LineEndings { repair, reject };
enum class ListenKind { device, strict };
enum class LongLines { pass, fold, reject };
enum class Buffer { stream, automatic, whole };
enum class ReceivedAddress { show, hide };
enum class UpstreamTls { implicit, starttls, none };
enum class TlsVersion { tls12, tls13 };
enum class Auth {
    automatic,
    none,
    plain,
    login,
    cram_md5,
    scram_sha_256,
    xoauth2,
    oauthbearer,
    external
};
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

// A socket in the file system; who may connect is a matter of its permissions.
struct UnixPath {
    std::string path;  // absolute after load()
    friend bool operator==(const UnixPath&, const UnixPath&) = default;
};
// A socket that systemd has opened and passes on (LISTEN_FDS).
struct Inherited {
    std::string name;  // FileDescriptorName= of its unit; empty: what no other listener names
    friend bool operator==(const Inherited&, const Inherited&) = default;
};
using ListenAddress = std::variant<Endpoint, UnixPath, Inherited>;
// As the configuration writes it: "unix:/run/waxseal/smtp.sock", "systemd:submission".
[[nodiscard]] std::string to_string(const ListenAddress& address);

// A PEM chain and its key. Paths, absolute after load().
struct Certificate {
    std::string certificate_file;
    std::string key_file;
};

// sender = { envelope = "…", header = "keep" | "rewrite", when = "always" | "foreign" }
struct SenderRule {
    std::string envelope;  // an addr-spec; empty: no rule
    bool header = false;   // rewrite From and Sender as well
    bool foreign = false;  // only for a sender whose domain is not in Config::own_domains
};

struct Listen {
    // The host of an Endpoint is always an IP address; "::" takes IPv4 as well; port 0: any free
    // one.
    ListenAddress address = Endpoint{"127.0.0.1", 2525};
    unsigned mode = 0660;  // of a UnixPath
    ListenKind kind = ListenKind::device;
    ListenTls tls = ListenTls::none;
    bool require_tls = false;  // true as well where a client certificate is required
    bool legacy_tls = false;
    // One is chosen by SNI; the first for all other names. Empty with TLS: a self-signed one is
    // made.
    std::vector<Certificate> certificates;
    std::string client_ca_file;  // absolute; empty: client certificates are not asked for
    ClientCertificate client_certificate = ClientCertificate::none;  // never with client_ca_file
    std::vector<Network> allow;                                      // never empty after load()
    ListenAuth auth = ListenAuth::none;
    bool legacy_auth = false;  // AUTH= beside AUTH in the reply to EHLO
    std::vector<Network> proxy_protocol;
    LineEndings line_endings = LineEndings::repair;  // without the key: reject if kind is strict
    LongLines long_lines = LongLines::pass;
    Buffer buffer = Buffer::stream;
    bool received = false;
    ReceivedAddress received_address = ReceivedAddress::show;
    std::string legacy_charset = "windows-1252";  // whether there is one is not looked into here
    std::string legacy_charset_place;             // FILE:LINE:COL, for whoever does; empty: unset
    SenderRule sender;
    std::vector<std::string> senders;     // as in Route; empty: any
    std::vector<std::string> recipients;  // "a@b.example" or "*@b.example"; empty: any
    std::vector<std::string> upstream;    // names, in order; never empty after load()
};
// Whether who is in `allow` has still to prove who he is before MAIL: by AUTH, or by a client
// certificate where the listener verifies them. Then, and only then, `allow` may be everyone
// without having been written.
[[nodiscard]] bool requires_login(const Listen& listen) noexcept;

using Sha256 = std::array<std::uint8_t, 32>;

struct Upstream {
    std::string name = "default";
    Endpoint address;
    UpstreamTls tls = UpstreamTls::implicit;
    TlsVersion min_tls = TlsVersion::tls12;
    TlsVersion max_tls = TlsVersion::tls13;
    std::string server_name;         // never empty after load()
    std::string ca_file;             // absolute; empty: system trust store
    std::vector<Sha256> pin_sha256;  // of the SubjectPublicKeyInfo; one of them has to be met
    bool pin_only = false;           // the pins instead of chain and name, not beside them
    // What its own login uses, and one that a listener passes through. Never automatic after load()
    // when there is neither: then none.
    Auth auth = Auth::automatic;
    std::string username;       // empty: no credential
    std::string password_file;  // absolute; this or token_file, never both
    std::string token_file;     // absolute; read anew for each login
    Certificate certificate;    // our own, for the handshake; empty: none
    SenderRule sender;          // after that of user or listener
    bool xclient = false;
    unsigned max_connections = 10;
    unsigned idle_connections = 2;
    Milliseconds idle_timeout = std::chrono::seconds(30);
    unsigned max_transactions_per_connection = 1000;
};

// Who may log in where auth is local.
struct User {
    std::string name;
    std::string password_file;            // absolute; this or password_hash
    std::string password_hash;            // begins with "$"; not looked into here
    std::string password_hash_place;      // FILE:LINE:COL, for whoever does
    std::vector<Network> allow;           // from where; empty: from anywhere
    SenderRule sender;                    // instead of that of the listener
    std::vector<std::string> senders;     // reverse-paths, as in Route; empty: any
    std::vector<std::string> recipients;  // as in Listen; empty: any
    std::string upstream;                 // a name; empty: those of the listener
};

// The first one whose conditions are all met says where a transaction goes; an empty condition is
// met. It comes before the upstream of a user, and that before those of a listener.
struct Route {
    std::vector<std::string> listen;  // to_string() of the listener's address
    std::vector<std::string> user;    // the name that logged in
    std::vector<std::string> sender;  // "a@b.example", "*@b.example" or "<>"; domains in lower case
    std::vector<std::string> upstream;  // names, in order; never empty after load()
};

struct Limits {
    std::uint64_t max_sessions = 1000;
    std::uint64_t max_sessions_per_client = 100;
    std::uint64_t max_message_size = 50ULL * 1024 * 1024;
    std::uint64_t max_recipients = 1000;
    std::uint64_t max_errors = 20;
    std::uint64_t max_connections_per_minute = 0;  // of one client; 0: any number
    std::uint64_t max_auth_failures = 3;
    std::uint64_t min_data_rate = 100;                   // octets a second; 0: any
    Milliseconds error_delay = std::chrono::seconds(1);  // above half of max_errors; 0: none
};

struct Timeouts {
    Milliseconds downstream_idle = std::chrono::minutes(5);
    Milliseconds connect = std::chrono::seconds(10);
    Milliseconds tls_handshake = std::chrono::seconds(15);
    Milliseconds upstream_reply = std::chrono::minutes(5);
    Milliseconds data_reply = std::chrono::minutes(10);
    Milliseconds queue = std::chrono::seconds(30);
    Milliseconds drain = std::chrono::seconds(30);
    Milliseconds lost_reply_memory = std::chrono::minutes(10);  // 0: off
};

struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::automatic;
};

struct Config {
    std::string file;  // as given; empty when there was none
    // Our own name in greeting and EHLO: [server] hostname, else the host's, else [127.0.0.1].
    std::string hostname;
    std::string state_dir;                 // absolute; made when something is kept there
    std::vector<std::string> own_domains;  // lower case; what a rule for foreign senders is not for
    unsigned workers = 0;  // event loops, each with a thread; 0: as many as there are processors
    std::vector<Listen> listen;
    std::vector<Upstream> upstream;
    std::vector<User> user;
    std::vector<Route> route;
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
    std::optional<std::string> upstream, username, password_file, ca_file, sender, log_level,
        log_format;
    std::string default_config = "/etc/waxseal/waxseal.toml";  // only tests change it
};

// Only the WAXSEAL_ variables matter, and STATE_DIRECTORY, which systemd sets.
using Environment = std::map<std::string, std::string>;

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
