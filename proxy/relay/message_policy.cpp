#include "relay/message_policy.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "message/dates.hpp"

namespace waxseal::relay {

namespace {

// A HELO name is whatever the device has said; in a header only what is harmless there stands.
std::string harmless(std::string_view name) {
    std::string result;
    for (const char c : name.substr(0, limits::domain))
        if (text::alnum(c) || std::string_view(".-_:[]").find(c) != std::string_view::npos)
            result += c;
    return result.empty() ? "unknown" : result;
}

// RFC 5321 4.4. RFC 2606 2 has a domain for who is not to be found: what the device calls itself
// is often its address.
std::string received(Trace trace, const Occasion& on) {
    std::string text = "from ";
    if (trace == Trace::without_address || on.address.empty()) {
        text += "device.invalid (address hidden)";
    } else {
        const bool v6 = on.address.find(':') != std::string_view::npos;
        text += harmless(on.helo) + " ([" + (v6 ? "IPv6:" : "") + std::string(on.address) + "])";
    }
    text.append("\r\n\tby ").append(on.hostname).append(" (waxseal) with ").append(on.protocol);
    text.append(" id ").append(on.id).append(";\r\n\t").append(message::date_time(on.now));
    return text;
}

}  // namespace

std::optional<message::Edits> edits_for(const MessagePolicy& policy, const Occasion& on) {
    const bool rewrites = on.rule != nullptr && on.rule->header;
    if (!policy.repair && !policy.fold_body && policy.trace == Trace::none && !rewrites)
        return std::nullopt;
    message::Edits edits;
    edits.repair = policy.repair;
    if (policy.repair) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(on.now.time_since_epoch());
        edits.date = message::date_time(on.now);
        edits.message_id = "<" + std::to_string(ms.count()) + "." + std::string(on.id) + "@" +
                           std::string(on.hostname) + ">";
        // RFC 5321 4.5.5: what has nobody to be returned to was written by a program.
        edits.from = on.reverse_path.null() ? "MAILER-DAEMON@" + std::string(on.hostname)
                                            : on.reverse_path.address();
    }
    if (rewrites) {
        edits.sender = on.rule->envelope.address();
        if (on.said != on.rule->envelope) edits.reply_to = on.said.address();
        edits.own_domains = on.rule->own_domains;
    }
    edits.utf8_headers = on.utf8_headers;
    if (!policy.legacy_charset.empty()) edits.legacy_charset = policy.legacy_charset;
    if (policy.trace != Trace::none) edits.received = received(policy.trace, on);
    edits.fold_body = policy.fold_body;
    return edits;
}

}  // namespace waxseal::relay
