// What the command line and the environment say.
#include "config/overrides.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace waxseal::config {
namespace {

struct Name {
    std::string_view key;  // in the file
    std::string_view flag;
    std::string_view variable;
    std::string_view in_file;  // an example; empty: the flag is no key
    std::string_view argument;
};

constexpr std::array names{
    Name{"config", "-c", "WAXSEAL_CONFIG", "", "FILE"},
    Name{"address", "--listen", "WAXSEAL_LISTEN", "address = \"127.0.0.1:2525\"", "ADDR"},
    Name{"allow", "--allow", "WAXSEAL_ALLOW", "allow = [\"192.168.1.0/24\"]", "CIDR"},
    Name{"upstream", "--upstream", "WAXSEAL_UPSTREAM", "", "URL"},
    Name{"username", "--username", "WAXSEAL_USERNAME", "username = \"scanner@example.com\"",
         "USER"},
    Name{"password_file", "--password-file", "WAXSEAL_PASSWORD_FILE",
         "password_file = \"/run/secrets/smtp-password\"", "FILE"},
    Name{"ca_file", "--ca-file", "WAXSEAL_CA_FILE", "ca_file = \"ca.pem\"", "FILE"},
    Name{"sender", "--sender", "WAXSEAL_SENDER", "sender = { envelope = \"scanner@example.com\" }",
         "ADDR"},
    Name{"level", "--log-level", "WAXSEAL_LOG_LEVEL", "level = \"info\"", "LEVEL"},
    Name{"format", "--log-format", "WAXSEAL_LOG_FORMAT", "format = \"auto\"", "FORMAT"},
    Name{"hostname", "", "WAXSEAL_HOSTNAME", "hostname = \"relay.example.com\"", "NAME"},
    Name{"workers", "", "WAXSEAL_WORKERS", "workers = 4", "NUMBER"},
};

const Name& name_of(std::string_view key) {
    return *std::ranges::find_if(names, [key](const Name& name) { return name.key == key; });
}

Value text_value(const Place& place, std::string text) {
    Value value;
    value.kind = Value::Kind::string;
    value.place = place;
    value.text = std::move(text);
    return value;
}

Entry text_entry(std::string_view key, std::string_view source, std::string text) {
    const Place place{std::string(source), 0, 0};
    return {std::string(key), place, text_value(place, std::move(text))};
}

// What a lone address stands for: an account that may send as nobody else is what it is given for.
Value sender_rule(const Value& address) {
    const Place& place = address.place;
    Value value;
    value.kind = Value::Kind::table;
    value.place = place;
    value.entries = {{"envelope", place, address}, {"header", place, text_value(place, "rewrite")}};
    return value;
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text::trim(text.substr(0, comma));
        if (!item.empty()) items.emplace_back(item);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return items;
}

class Finder {
  public:
    explicit Finder(const Environment& environment) : environment_(environment) {}

    [[nodiscard]] std::optional<Entry> one(std::string_view key,
                                           const std::optional<std::string>& flag) const {
        const Name& name = name_of(key);
        if (flag) return text_entry(key, name.flag, *flag);
        if (const std::string* value = variable(name))
            return text_entry(key, name.variable, *value);
        return std::nullopt;
    }

    [[nodiscard]] std::vector<Entry> many(std::string_view key,
                                          const std::vector<std::string>& flags) const {
        const Name& name = name_of(key);
        std::vector<Entry> result;
        for (const std::string& flag : flags) result.push_back(text_entry(key, name.flag, flag));
        if (const std::string* value = variable(name); value != nullptr && flags.empty()) {
            for (std::string& item : split_list(*value)) {
                result.push_back(text_entry(key, name.variable, std::move(item)));
            }
        }
        return result;
    }

  private:
    [[nodiscard]] const std::string* variable(const Name& name) const {
        const auto found = environment_.find(std::string(name.variable));
        return found == environment_.end() || found->second.empty() ? nullptr : &found->second;
    }

    const Environment& environment_;
};

// A Service named waxseal makes Kubernetes set WAXSEAL_SERVICE_HOST, WAXSEAL_PORT_2525_TCP_ADDR and
// so on in every pod.
bool from_kubernetes(std::string_view variable) {
    return variable.starts_with("WAXSEAL_SERVICE_") || variable == "WAXSEAL_PORT" ||
           variable.starts_with("WAXSEAL_PORT_");
}

void check_variables(const Environment& environment, Problems& problems) {
    constexpr std::string_view prefix = "WAXSEAL_";
    std::vector<std::string_view> known;
    for (const Name& name : names) known.push_back(name.variable.substr(prefix.size()));
    for (const auto& [variable, value] : environment) {
        if (!variable.starts_with(prefix) || from_kubernetes(variable)) continue;
        const Place place{variable, 0, 0};
        const std::string_view rest = std::string_view(variable).substr(prefix.size());
        if (rest == "PASSWORD") {
            problems.error(place,
                           "a password in the environment can be read by every process of the "
                           "user; put it into a "
                           "file and set WAXSEAL_PASSWORD_FILE to its path");
        } else if (std::ranges::find(known, rest) == known.end()) {
            const auto near = rest.size() > 64 ? std::nullopt : text::nearest(rest, known);
            if (near)
                problems.warn(place,
                              "unknown variable; did you mean WAXSEAL_" + std::string(*near) + "?");
        }
    }
}

}  // namespace

Overrides read_overrides(const Flags& flags, const Environment& environment, Problems& problems) {
    check_variables(environment, problems);
    const Finder finder(environment);
    Overrides result;
    result.config = finder.one("config", flags.config);
    result.listen = finder.many("address", flags.listen);
    result.upstream = finder.one("upstream", flags.upstream);
    result.username = finder.one("username", flags.username);
    result.password_file = finder.one("password_file", flags.password_file);
    result.ca_file = finder.one("ca_file", flags.ca_file);
    result.sender = finder.one("sender", flags.sender);
    if (result.sender) result.sender->value = sender_rule(result.sender->value);
    result.level = finder.one("level", flags.log_level);
    result.format = finder.one("format", flags.log_format);
    result.hostname = finder.one("hostname", std::nullopt);
    result.workers = finder.one("workers", std::nullopt);
    if (const std::vector<Entry> networks = finder.many("allow", flags.allow); !networks.empty()) {
        Entry allow = networks.front();
        allow.value.kind = Value::Kind::list;
        for (const Entry& network : networks) allow.value.items.push_back(network.value);
        result.allow = std::move(allow);
    }
    return result;
}

std::string spelling(const Place& beside, std::string_view key) {
    const Name& name = name_of(key);
    if (beside.line > 0) return std::string(name.in_file);
    if (beside.source.starts_with("WAXSEAL_") || name.flag.empty())
        return std::string(name.variable);
    return std::string(name.flag) + ' ' + std::string(name.argument);
}

}  // namespace waxseal::config
