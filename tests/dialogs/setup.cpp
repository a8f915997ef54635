// Settings of dialogs: one row a key, in the words of script.hpp.
#include "dialogs/setup.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <regex>

#include "smtp/capabilities.hpp"

namespace waxseal::dialogs {

namespace {

using testing::ScriptedUpstream;
using testing::World;

// What a dialog has said so far of logins, which are made of all of it.
struct Logins {
    auth::Mode mode = auth::Mode::any;
    bool asked = false;
    std::vector<auth::User> users;
};

struct Setting {
    World& world;
    Logins& logins;
    std::string_view value;
};

std::vector<std::string> words(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty() && list != "none") {
        const std::size_t comma = std::min(list.find(", "), list.size());
        out.emplace_back(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 2, list.size()));
    }
    return out;
}

// As if the upstream had been asked at start.
void know_offer(World& world) {
    smtp::Reply reply = smtp::make_reply(250, "smtp.example.com");
    for (const std::string& line : world.upstream.offer) reply.lines.push_back(line);
    world.provider().last_offer = smtp::parse_ehlo(reply);
}

void add_user(const Setting& to) {
    const std::size_t space = to.value.find(' ');
    if (space == std::string_view::npos) throw std::invalid_argument("user NAME PASSWORD");
    to.logins.users.push_back({std::string(to.value.substr(0, space)),
                               auth::Verifier(Secret(to.value.substr(space + 1))),
                               {},
                               {},
                               ""});
    to.logins.mode = auth::Mode::local;
    to.logins.asked = true;
}

// A login is needed where it is one.
void offer_logins(World& world, Logins logins) {
    if (!logins.asked) return;
    auth::AuthenticatorOptions options;
    options.mode = logins.mode;
    options.users = std::make_shared<const auth::Users>(std::move(logins.users));
    options.hostname = world.settings->server.hostname;
    options.seed = Secret(std::string(32, 's'));
    options.nonce = [] { return std::string("nonce"); };
    world.settings->authenticator = std::make_shared<const auth::Authenticator>(std::move(options));
    for (const std::string_view name : world.settings->authenticator->mechanisms())
        world.settings->server.auth_mechanisms.emplace_back(name);
    world.settings->server.require_auth = logins.mode != auth::Mode::any;
}

// Without it commands are read tolerantly, and messages are left alone.
void set_kind(const Setting& to) {
    const bool device = to.value == "device";
    to.world.settings->server.reading = device ? smtp::Reading::tolerant : smtp::Reading::strict;
    to.world.settings->messages.repair = device;
}

// "ADDRESS keep|rewrite", and the domains that are ours, if it is for others.
void set_sender(const Setting& to) {
    std::vector<std::string> given = words(to.value);
    if (given.size() < 2) throw std::invalid_argument("sender ADDRESS, keep|rewrite, DOMAIN...");
    auto path = smtp::parse_path("<" + given[0] + ">", smtp::PathKind::reverse);
    if (!path) throw std::invalid_argument("not an address");
    auth::SenderRule rule{std::move(path->path), given[1] == "rewrite"};
    given.erase(given.begin(), given.begin() + 2);
    if (!given.empty()) rule.own_domains = std::move(given);
    to.world.settings->messages.sender = std::move(rule);
}

void set_long_lines(const Setting& to) {
    to.world.settings->messages.fold_body = to.value == "fold";
    if (to.value == "reject") to.world.settings->server.long_lines = smtp::LongLines::reject;
}

void offer_starttls(const Setting& to) {
    to.world.settings->server.starttls =
        to.value == "required" ? smtp::Starttls::required : smtp::Starttls::offered;
    to.world.wire_options.client_hello = std::string(client_hello);
}

struct Row {
    std::string_view key;
    void (*apply)(const Setting&);
};

constexpr std::array rows{
    Row{"kind", set_kind},
    Row{"line_endings",
        [](const Setting& to) {
            to.world.settings->server.line_endings =
                to.value == "reject" ? smtp::LineEndings::reject : smtp::LineEndings::repair;
        }},
    Row{"max_message_size",
        [](const Setting& to) { to.world.settings->server.max_message_size = number(to.value); }},
    Row{"max_recipients",
        [](const Setting& to) { to.world.settings->server.max_recipients = number(to.value); }},
    Row{"max_errors",
        [](const Setting& to) { to.world.settings->server.max_errors = number(to.value); }},
    Row{"long_lines", set_long_lines},
    Row{"sender", set_sender},
    Row{"lost_reply_memory",
        [](const Setting& to) {
            to.world.settings->messages.lost_reply_memory = std::chrono::seconds(number(to.value));
        }},
    Row{"offer", [](const Setting& to) { to.world.upstream.offer = words(to.value); }},
    Row{"auth", [](const Setting& to) { to.logins.asked = to.value == "any"; }},
    Row{"user", add_user},
    Row{"legacy_auth",
        [](const Setting& to) { to.world.settings->server.legacy_auth = to.value == "yes"; }},
    Row{"starttls", offer_starttls},
    Row{"handshake",
        [](const Setting& to) {
            if (to.value == "fails") to.world.wire_options.tls = testing::TlsPlan::fails;
        }},
    Row{"tls", [](const Setting&) {}},            // upstream_options()
    Row{"unknown_offer", [](const Setting&) {}},  // set_up()
};

void set(World& world, Logins& logins, std::string_view text) {
    const std::string_view key = text.substr(0, text.find(' '));
    const std::string_view value = text.substr(std::min(key.size() + 1, text.size()));
    const auto* const row =
        std::find_if(rows.begin(), rows.end(), [key](const Row& one) { return one.key == key; });
    if (row == rows.end()) throw std::invalid_argument("unknown setting");
    row->apply({world, logins, value});
}

std::string joined(const std::vector<std::string>& list) {
    std::string all;
    for (const std::string& one : list) all.append(all.empty() ? "" : ",").append(one);
    return all;
}

bool has(const log::Fields& fields, std::string_view key, const std::regex& pattern) {
    const auto found = [&](const log::Field& field) {
        if (const auto* records = std::get_if<std::vector<log::Fields>>(&field.value()))
            return std::ranges::any_of(
                *records, [&](const log::Fields& record) { return has(record, key, pattern); });
        if (field.key() != key) return false;
        std::string text;
        if (const auto* string = std::get_if<std::string>(&field.value())) text = *string;
        if (const auto* value = std::get_if<std::int64_t>(&field.value()))
            text = std::to_string(*value);
        if (const auto* list = std::get_if<std::vector<std::string>>(&field.value()))
            text = joined(*list);
        return std::regex_search(text, pattern);
    };
    return std::ranges::any_of(fields, found);
}

}  // namespace

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw std::invalid_argument("not a number");
    return value;
}

testing::ScriptedUpstream::Options upstream_options(const Script& script) {
    ScriptedUpstream::Options options;
    for (const ScriptLine& line : script.settings) {
        if (line.text == "tls starttls") options.tls = ScriptedUpstream::Tls::starttls;
        if (line.text == "tls none") options.tls = ScriptedUpstream::Tls::none;
    }
    return options;
}

void set_up(World& world, const Script& script) {
    Logins logins;
    bool knows = true;
    for (const ScriptLine& line : script.settings) {
        try {
            set(world, logins, line.text);
        } catch (const std::invalid_argument& error) {
            throw Wrong(script.file, line.number, error.what());
        }
        if (line.text == "unknown_offer yes") knows = false;
    }
    if (knows) know_offer(world);
    offer_logins(world, std::move(logins));
}

bool logged(const testing::LogCapture& log, std::string_view what) {
    const std::string_view event = what.substr(0, what.find(' '));
    const auto events = log.of(event);
    if (event.size() == what.size()) return !events.empty();
    const std::string_view condition = what.substr(event.size() + 1);
    const std::size_t tilde = std::min(condition.find('~'), condition.size());
    const std::regex pattern{std::string(condition.substr(std::min(tilde + 1, condition.size())))};
    return std::ranges::any_of(events, [&](const testing::LogCapture::Event& one) {
        return has(one.fields, condition.substr(0, tilde), pattern);
    });
}

}  // namespace waxseal::dialogs
