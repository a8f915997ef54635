#include "app/messages.hpp"

#include <utility>

#include "base/text.hpp"
#include "message/header_editor.hpp"
#include "smtp/path.hpp"

namespace waxseal::app {

namespace {

relay::Buffer buffer(config::Buffer buffer) {
    switch (buffer) {
        case config::Buffer::stream:
            return relay::Buffer::stream;
        case config::Buffer::automatic:
            return relay::Buffer::automatic;
        case config::Buffer::whole:
            return relay::Buffer::whole;
    }
    return relay::Buffer::stream;
}

relay::Trace trace(const config::Listen& listen) {
    if (!listen.received) return relay::Trace::none;
    return listen.received_address == config::ReceivedAddress::hide ? relay::Trace::without_address
                                                                    : relay::Trace::with_address;
}

}  // namespace

std::vector<auth::AddressPattern> make_patterns(const std::vector<std::string>& texts,
                                                std::string_view place,
                                                std::vector<Error>& errors) {
    std::vector<auth::AddressPattern> patterns;
    for (const std::string& text : texts) {
        auto pattern = auth::AddressPattern::parse(text);
        if (pattern) {
            patterns.push_back(*std::move(pattern));
        } else {
            errors.push_back(Error{std::string(place) + ": " + text::escape(text) + ": " +
                                   pattern.error().text});
        }
    }
    return patterns;
}

std::optional<auth::SenderRule> make_sender_rule(const config::SenderRule& rule,
                                                 const std::vector<std::string>& own_domains,
                                                 std::string_view place,
                                                 std::vector<Error>& errors) {
    if (rule.envelope.empty()) return std::nullopt;
    auto path = smtp::parse_path("<" + rule.envelope + ">", smtp::PathKind::reverse);
    if (!path || !path->rest.empty()) {
        errors.push_back(Error{std::string(place) + " sender: " + text::escape(rule.envelope) +
                               " is not an address"});
        return std::nullopt;
    }
    auth::SenderRule made{std::move(path->path), rule.header};
    if (rule.foreign) made.own_domains = own_domains;
    return made;
}

relay::MessagePolicy make_policy(const config::Config& config, const config::Listen& listen,
                                 std::vector<Error>& errors) {
    const std::string place = "[[listen]] " + config::to_string(listen.address);
    relay::MessagePolicy policy;
    policy.senders = make_patterns(listen.senders, place + " senders", errors);
    policy.recipients = make_patterns(listen.recipients, place + " recipients", errors);
    policy.sender = make_sender_rule(listen.sender, config.own_domains, place, errors);
    policy.buffer = buffer(listen.buffer);
    policy.trace = trace(listen);
    policy.repair = listen.kind == config::ListenKind::device;
    policy.fold_body = listen.long_lines == config::LongLines::fold;
    policy.legacy_charset = listen.legacy_charset;
    policy.lost_reply_memory = config.timeouts.lost_reply_memory;
    if (!message::known_charset(listen.legacy_charset)) {
        const std::string& where = listen.legacy_charset_place;
        errors.push_back(Error{(where.empty() ? place + " legacy_charset: "
                                              : where + ": [[listen]] legacy_charset: ") +
                               text::escape(listen.legacy_charset) +
                               " is not known here; write \"windows-1252\", or another name that "
                               "`iconv --list` shows"});
    }
    return policy;
}

}  // namespace waxseal::app
