// The tables: every key of the configuration file, one row each, here and in section_*.cpp. Error
// messages, suggestions, ranges and reference() come from them and from nowhere else. A row without
// text is a key of the contract that this version refuses politely.
#include "config/sections.hpp"

#include "base/number.hpp"
#include "config/readers.hpp"

namespace waxseal::config {
namespace {

// Longer, and a last reply might be held back for longer than a device gets to read it.
constexpr std::int64_t longest_error_delay = 5'000;
constexpr std::int64_t longest_memory = 3'600'000;
constexpr std::int64_t day = 24LL * 3'600'000;

constexpr std::array levels{Word{"debug", LogLevel::debug}, Word{"info", LogLevel::info},
                            Word{"warn", LogLevel::warn}, Word{"error", LogLevel::error}};
constexpr std::array formats{Word{"auto", LogFormat::automatic}, Word{"text", LogFormat::text},
                             Word{"json", LogFormat::json}, Word{"logfmt", LogFormat::logfmt}};

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

// A number in quotes only from the environment, where everything is text.
void read_workers(const Given& given, Server& target) {
    constexpr std::int64_t most = 64;
    const Value& value = given.entry.value;
    std::int64_t count = value.number;
    if (value.kind == Value::Kind::string) {
        if (value.text == "auto") {
            target.workers = 0;
            return;
        }
        const auto number = text::number<std::uint32_t>(value.text);
        if (!number || value.place.line > 0) return given.wrong_type("\"auto\" or a whole number");
        count = *number;
    } else if (value.kind != Value::Kind::integer) {
        return given.wrong_type("\"auto\" or a whole number");
    }
    if (count < 1 || count > most) return fail_range(given, "1", std::to_string(most));
    target.workers = static_cast<unsigned>(count);
}

void read_domains(const Given& given, Server& target) {
    target.own_domains.clear();
    read_list(given, "a list of domains", [&](const Value& value, const std::string& text) {
        auto domain = parse_domain(text);
        if (!domain) return given.fail_at(value.place, domain.error());
        target.own_domains.push_back(*std::move(domain));
    });
}

constexpr std::array server_rows{
    Key<Server>{"hostname", "host name", R"("relay.example.com")", "this host's own name",
                "Our own name, in the greeting and towards the upstream.", read_hostname},
    Key<Server>{"state_dir", "path", R"("/var/lib/waxseal")",
                "$STATE_DIRECTORY, else /var/lib/waxseal",
                "Where waxseal keeps what it makes itself, as a self-signed certificate.",
                read_text<&Server::state_dir>},
    Key<Server>{"own_domains", "list of domains", R"(["example.com"])", "none",
                "What a sender rule with when = \"foreign\" leaves alone.", read_domains},
    Key<Server>{"workers", "auto | number", R"("auto")", "",
                "Event loops, each on a thread; auto is one a processor. Takes effect at a start.",
                read_workers},
};

constexpr std::array limits_rows{
    Key<Limits>{"max_sessions", "number", "1000", "",
                "Connections of devices at once; the next one gets 421.",
                read_count<&Limits::max_sessions, 1, 1'000'000>},
    Key<Limits>{"max_sessions_per_client", "number", "100", "",
                "The same from one client: an IPv4 address, or an IPv6 /64.",
                read_count<&Limits::max_sessions_per_client, 1, 1'000'000>},
    Key<Limits>{"max_message_size", "size", R"("50MiB")", "",
                "The largest message; the smaller of this and the upstream's SIZE is advertised.",
                read_size<&Limits::max_message_size, 1024, 1ULL << 40>},
    Key<Limits>{"max_recipients", "number", "1000", "", "Recipients of one message.",
                read_count<&Limits::max_recipients, 1, 100'000>},
    Key<Limits>{"max_errors", "number", "20", "",
                "Refused or malformed commands in a session before it is closed with 421.",
                read_count<&Limits::max_errors, 1, 10'000>},
    Key<Limits>{"error_delay", "duration", R"("1s")", "",
                "How long the reply to such a command is held back, above half of max_errors.",
                read_duration<&Limits::error_delay, 0, longest_error_delay>},
    Key<Limits>{"max_auth_failures", "number", "3", "",
                "Failed logins in a session before it is closed with 421.",
                read_count<&Limits::max_auth_failures, 1, 1000>},
    Key<Limits>{"max_connections_per_minute", "number", "0", "",
                "Connections of one client in a minute; 0 is any number.",
                read_count<&Limits::max_connections_per_minute, 0, 1'000'000>},
    Key<Limits>{"min_data_rate", "size", R"("100B")", "",
                "Octets a second that a message must bring on average; \"0B\" is any.",
                read_size<&Limits::min_data_rate, 0, 1ULL << 30>},
};

constexpr std::array timeouts_rows{
    Key<Timeouts>{"downstream_idle", "duration", R"("5m")", "", "How long a device may be silent.",
                  read_duration<&Timeouts::downstream_idle, 1, day>},
    Key<Timeouts>{"connect", "duration", R"("10s")", "",
                  "Name lookup and connecting to the upstream.",
                  read_duration<&Timeouts::connect, 1, day>},
    Key<Timeouts>{"tls_handshake", "duration", R"("15s")", "",
                  "The TLS handshake, with a device and with the upstream.",
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
    Key<Timeouts>{"lost_reply_memory", "duration", R"("10m")", "",
                  "How long a 250 that a device has not got is kept for it; \"0s\" is not at all.",
                  read_duration<&Timeouts::lost_reply_memory, 0, longest_memory>},
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

constinit const std::span<const Key<Server>> server_keys = server_rows;
constinit const std::span<const Key<Limits>> limits_keys = limits_rows;
constinit const std::span<const Key<Timeouts>> timeouts_keys = timeouts_rows;
constinit const std::span<const Key<Log>> log_keys = log_rows;
constinit const std::span<const Key<Admin>> admin_keys = admin_rows;

const std::vector<Reference>& reference() {
    static const std::vector<Reference> rows = [] {
        std::vector<Reference> result;
        describe<Server>("[server]", server_rows, result);
        describe<Listen>("[[listen]]", listen_keys, result);
        describe<Upstream>("[[upstream]]", upstream_keys, result);
        describe<User>("[[user]]", user_keys, result);
        describe<Route>("[[route]]", route_keys, result);
        describe<Limits>("[limits]", limits_rows, result);
        describe<Timeouts>("[timeouts]", timeouts_rows, result);
        describe<Log>("[log]", log_rows, result);
        return result;
    }();
    return rows;
}

}  // namespace waxseal::config
