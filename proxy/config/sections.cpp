// The tables: every key of the configuration file, one row each. Error messages, suggestions,
// ranges and reference() come from here and from nowhere else. A row without text is a key of the
// contract that this version refuses politely.
#include "config/sections.hpp"

#include "base/text.hpp"
#include "config/readers.hpp"

namespace waxseal::config {
namespace {

constexpr std::int64_t day = 24LL * 3'600'000;

constexpr std::array listen_tls{Word{"none", ListenTls::none},
                                Word{"starttls", ListenTls::none, true},
                                Word{"implicit", ListenTls::none, true}};
constexpr std::array listen_auth{Word{"none", ListenTls::none}, Word{"any", ListenTls::none, true},
                                 Word{"local", ListenTls::none, true},
                                 Word{"passthrough", ListenTls::none, true}};
constexpr std::array line_endings{Word{"repair", LineEndings::repair},
                                  Word{"reject", LineEndings::reject}};
constexpr std::array upstream_tls{Word{"implicit", UpstreamTls::implicit},
                                  Word{"starttls", UpstreamTls::starttls},
                                  Word{"none", UpstreamTls::none}};
constexpr std::array upstream_auth{
    Word{"auto", Auth::automatic},     Word{"none", Auth::none},
    Word{"plain", Auth::plain},        Word{"login", Auth::login},
    Word{"cram-md5", Auth::cram_md5},  Word{"scram-sha-256", Auth::none, true},
    Word{"xoauth2", Auth::none, true}, Word{"oauthbearer", Auth::none, true}};
constexpr std::array levels{Word{"debug", LogLevel::debug}, Word{"info", LogLevel::info},
                            Word{"warn", LogLevel::warn}, Word{"error", LogLevel::error}};
constexpr std::array formats{Word{"auto", LogFormat::automatic}, Word{"text", LogFormat::text},
                             Word{"json", LogFormat::json}, Word{"logfmt", LogFormat::logfmt}};

void read_listen_address(const Given& given, Listen& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    auto address = parse_listen_address(*text);
    // Port 0: so that nobody takes the default for a second listener on it.
    target.address = address ? *address : Endpoint{"127.0.0.1", 0};
    if (!address) given.fail(address.error());
}

void read_allow(const Given& given, Listen& target) {
    target.allow.clear();
    read_list(given, "a list of networks", [&](const Value& value, const std::string& text) {
        const auto network = read_network(text);
        if (!network) return given.fail_at(value.place, network.error());
        target.allow.push_back(*network);
    });
    if (given.entry.value.kind == Value::Kind::list && given.entry.value.items.empty()) {
        given.fail("is empty, so nobody could connect; write " + given.entry.key + " = " +
                   std::string(given.example));
    }
}

void read_listen_upstream(const Given& given, Listen& target) {
    target.upstream.clear();
    read_list(given, "a list of names",
              [&](const Value&, const std::string& text) { target.upstream.push_back(text); });
    if (given.entry.value.kind == Value::Kind::list && given.entry.value.items.empty()) {
        given.fail("names no upstream; remove it to use all of them, in the order of the file");
    }
}

void read_name(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    bool good = !text->empty() && text->size() <= 64;
    for (const char c : *text) good = good && (text::alnum(c) || c == '-' || c == '_' || c == '.');
    if (!good)
        return given.fail(quote(*text) +
                          " is not a name; write 1 to 64 letters, digits, \"-\", \"_\" and \".\"");
    target.name = *text;
}

void read_upstream_address(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    auto address = parse_upstream_address(*text);
    if (!address) return given.fail(address.error());
    target.address = *address;
}

void read_server_name(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    if (!text->empty() && !valid_server_name(*text)) {
        return given.fail(
            quote(*text) +
            " is not a host name or IP address; write the name that is in the certificate");
    }
    target.server_name = *text;
}

void read_hostname(const Given& given, Server& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    if (!text->empty() && !valid_hostname(*text)) {
        return given.fail(
            quote(*text) +
            " is not a host name; write letters, digits, hyphens and dots, as relay.example.com");
    }
    target.hostname = *text;
}

// For words that only have to be one of a kind that this version has.
struct Ignored {
    ListenTls unused{};
};
void read_listen_auth(const Given& given, Listen&) {
    Ignored ignored;
    read_choice<&Ignored::unused, listen_auth>(given, ignored);
}

constexpr std::array listen_rows{
    Key<Listen>{
        "address", "address", R"("127.0.0.1:2525")", "",
        "Where devices connect: IP address and port; \":2525\" is every address of this host.",
        read_listen_address},
    Key<Listen>{"tls", "none", R"("none")", "", "TLS towards the devices; this version has none.",
                read_choice<&Listen::tls, listen_tls>},
    Key<Listen>{"allow", "list of networks", R"(["127.0.0.0/8", "::1/128"])", "",
                "Who may connect. Required on an address that is not loopback: everybody in it "
                "sends mail in your name.",
                read_allow},
    Key<Listen>{"auth", "none", R"("none")", "",
                "Whether devices log in; this version does not offer it.", read_listen_auth},
    Key<Listen>{
        "line_endings", "repair | reject", R"("repair")", "",
        "A bare LF or CR in a message: made into CRLF, or the message refused with 550 5.6.11.",
        read_choice<&Listen::line_endings, line_endings>},
    Key<Listen>{"upstream", "list of names", R"(["default"])",
                "every [[upstream]], in the order of the file",
                "The upstreams of this listener, tried in this order.", read_listen_upstream},
    Key<Listen>{"require_tls", "true | false", "false", "", "", not_yet},
    Key<Listen>{"certificate_file", "path", R"("")", "", "", not_yet},
    Key<Listen>{"key_file", "path", R"("")", "", "", not_yet},
    Key<Listen>{"proxy_protocol", "list of networks", "[]", "", "", not_yet},
};

constexpr std::array upstream_rows{
    Key<Upstream>{"name", "name", R"("default")", "",
                  "What the log and a listener's upstream list call it.", read_name},
    Key<Upstream>{"address", "address", R"("smtp.example.com:465")", "required",
                  "The provider's submission server: host and port.", read_upstream_address},
    Key<Upstream>{"tls", "implicit | starttls | none", R"("implicit")",
                  "implicit on port 465, else starttls",
                  "How the connection is encrypted. There is no falling back to cleartext.",
                  read_choice<&Upstream::tls, upstream_tls>},
    Key<Upstream>{"allow_cleartext", "true | false", "false", "",
                  "Must be true for tls = \"none\"; such an upstream gets no credentials.",
                  check_flag},
    Key<Upstream>{"server_name", "host name", R"("smtp.example.com")", "the host of address",
                  "The name its certificate must be for, and that is sent as SNI.",
                  read_server_name},
    Key<Upstream>{
        "ca_file", "path", R"("ca.pem")", "the system's trust store",
        "PEM file of the authorities to trust for this upstream, instead of the system's.",
        read_text<&Upstream::ca_file>},
    Key<Upstream>{
        "auth", "auto | none | plain | login | cram-md5", R"("auto")", "",
        "How to log in; auto takes the first of PLAIN, LOGIN and CRAM-MD5 that is offered, "
        "over verified TLS.",
        read_choice<&Upstream::auth, upstream_auth>},
    Key<Upstream>{"username", "text", R"("scanner@example.com")", "no login",
                  "The account to send as.", read_text<&Upstream::username>},
    Key<Upstream>{"password_file", "path", R"("/run/secrets/smtp-password")", "no login",
                  "File with its password; one newline at the end is ignored.",
                  read_text<&Upstream::password_file>},
    Key<Upstream>{
        "max_connections", "number", "10", "",
        "Connections to it at once; further sessions wait their turn, within timeouts.queue.",
        read_count<&Upstream::max_connections, 1, 10'000>},
    Key<Upstream>{"idle_connections", "number", "0", "", "", not_yet},
    Key<Upstream>{"idle_timeout", "duration", R"("30s")", "",
                  "How long a session keeps its connection between two messages.",
                  read_duration<&Upstream::idle_timeout, 0, day>},
};

constexpr std::array server_rows{
    Key<Server>{"hostname", "host name", R"("relay.example.com")", "this host's own name",
                "Our own name, in the greeting and towards the upstream.", read_hostname},
};

constexpr std::array limits_rows{
    Key<Limits>{"max_sessions", "number", "1000", "",
                "Connections of devices at once; the next one gets 421.",
                read_count<&Limits::max_sessions, 1, 1'000'000>},
    Key<Limits>{"max_sessions_per_client", "number", "100", "", "The same from one IP address.",
                read_count<&Limits::max_sessions_per_client, 1, 1'000'000>},
    Key<Limits>{"max_message_size", "size", R"("50MiB")", "",
                "The largest message; the smaller of this and the upstream's SIZE is advertised.",
                read_size<&Limits::max_message_size, 1024, 1ULL << 40>},
    Key<Limits>{"max_recipients", "number", "1000", "", "Recipients of one message.",
                read_count<&Limits::max_recipients, 1, 100'000>},
    Key<Limits>{"max_errors", "number", "20", "",
                "Refused or malformed commands in a session before it is closed with 421.",
                read_count<&Limits::max_errors, 1, 10'000>},
};

constexpr std::array timeouts_rows{
    Key<Timeouts>{"downstream_idle", "duration", R"("5m")", "", "How long a device may be silent.",
                  read_duration<&Timeouts::downstream_idle, 1, day>},
    Key<Timeouts>{"connect", "duration", R"("10s")", "",
                  "Name lookup and connecting to the upstream.",
                  read_duration<&Timeouts::connect, 1, day>},
    Key<Timeouts>{"tls_handshake", "duration", R"("15s")", "",
                  "The TLS handshake with the upstream.",
                  read_duration<&Timeouts::tls_handshake, 1, day>},
    Key<Timeouts>{"upstream_reply", "duration", R"("5m")", "", "The upstream's reply to a command.",
                  read_duration<&Timeouts::upstream_reply, 1, day>},
    Key<Timeouts>{"data_reply", "duration", R"("10m")", "",
                  "The upstream's reply to a whole message; too short makes devices send it twice.",
                  read_duration<&Timeouts::data_reply, 1, day>},
    Key<Timeouts>{"queue", "duration", R"("30s")", "",
                  "How long a session waits for a free upstream connection.",
                  read_duration<&Timeouts::queue, 0, day>},
    Key<Timeouts>{"drain", "duration", R"("30s")", "",
                  "How long a stop waits for the messages in flight.",
                  read_duration<&Timeouts::drain, 0, day>},
};

constexpr std::array log_rows{
    Key<Log>{"level", "debug | info | warn | error", R"("info")", "",
             "The least important events that are still written.",
             read_choice<&Log::level, levels>},
    Key<Log>{"format", "auto | text | json | logfmt", R"("auto")", "",
             "auto is text on a terminal, else json.", read_choice<&Log::format, formats>},
};

constexpr std::array admin_rows{
    Key<Admin>{"address", "address", R"("")", "", "", not_yet},
};

template <typename Target>
void describe(std::string_view section, std::span<const Key<Target>> keys,
              std::vector<Reference>& into) {
    for (const Key<Target>& key : keys) {
        if (!key.text.empty())
            into.push_back({section, key.name, key.type, key.example, key.absent, key.text});
    }
}

}  // namespace

const std::span<const Key<Listen>> listen_keys = listen_rows;
const std::span<const Key<Upstream>> upstream_keys = upstream_rows;
const std::span<const Key<Server>> server_keys = server_rows;
const std::span<const Key<Limits>> limits_keys = limits_rows;
const std::span<const Key<Timeouts>> timeouts_keys = timeouts_rows;
const std::span<const Key<Log>> log_keys = log_rows;
const std::span<const Key<Admin>> admin_keys = admin_rows;

const std::vector<Reference>& reference() {
    static const std::vector<Reference> rows = [] {
        std::vector<Reference> result;
        describe<Server>("[server]", server_rows, result);
        describe<Listen>("[[listen]]", listen_rows, result);
        describe<Upstream>("[[upstream]]", upstream_rows, result);
        describe<Limits>("[limits]", limits_rows, result);
        describe<Timeouts>("[timeouts]", timeouts_rows, result);
        describe<Log>("[log]", log_rows, result);
        return result;
    }();
    return rows;
}

}  // namespace waxseal::config
