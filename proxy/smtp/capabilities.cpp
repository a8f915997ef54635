// Capabilities: one row an extension, used in both directions (read an EHLO reply, write one).
//
// The rows are the allow-list: a keyword that is not in them is neither kept nor counted. The order
// of the rows is the order in which we write.
#include "smtp/capabilities.hpp"

#include <algorithm>
#include <array>

#include "base/number.hpp"
#include "base/text.hpp"
#include "smtp/xclient.hpp"

namespace waxseal::smtp {

namespace {

// RFC 9422 4: a limit is 1 to 999999, without leading zeros.
constexpr std::size_t limit_digits = 6;
constexpr std::uint64_t limit_largest = 999999;
constexpr std::size_t mechanism_length = 20;  // RFC 4422 3.1

using Words = std::vector<std::string_view>;

struct Row {
    std::string_view keyword;
    Extension extension;
    void (*read)(const Words& arguments, Capabilities& out);  // null: it has no arguments
    // The line's arguments with a leading space; nothing when there is nothing to say. Null: none.
    std::optional<std::string> (*write)(const Capabilities& offer);
};

// The smaller of two limits of which 0 is "none".
std::uint64_t smaller(std::uint64_t a, std::uint64_t b) noexcept {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

void read_size(const Words& arguments, Capabilities& out) {
    if (arguments.empty()) return;
    out.size_limit = smaller(out.size_limit, text::number<std::uint64_t>(arguments[0]).value_or(0));
}

std::optional<std::string> write_size(const Capabilities& offer) {
    return offer.size_limit == 0 ? std::string() : ' ' + std::to_string(offer.size_limit);
}

bool mechanism(std::string_view name) noexcept {
    return !name.empty() && name.size() <= mechanism_length &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return text::alnum(c) || c == '-' || c == '_'; });
}

void read_auth(const Words& arguments, Capabilities& out) {
    for (const std::string_view name : arguments) {
        std::string upper = text::to_upper(name);
        auto& known = out.auth_mechanisms;
        if (mechanism(name) && std::find(known.begin(), known.end(), upper) == known.end())
            known.push_back(std::move(upper));
    }
}

std::optional<std::string> write_auth(const Capabilities& offer) {
    if (offer.auth_mechanisms.empty()) return std::nullopt;
    std::string out;
    for (const std::string& name : offer.auth_mechanisms) out += ' ' + name;
    return out;
}

void read_limits(const Words& arguments, Capabilities& out) {
    for (const std::string_view argument : arguments) {
        const std::size_t equals = std::min(argument.find('='), argument.size());
        const std::string_view name = argument.substr(0, equals);
        const std::string_view digits = argument.substr(std::min(equals + 1, argument.size()));
        const auto value = text::number<std::uint64_t>(digits);
        if (!value || digits.size() > limit_digits || digits.starts_with('0')) continue;
        if (text::iequals(name, "MAILMAX")) out.limits.mail_max = value;
        if (text::iequals(name, "RCPTMAX")) out.limits.rcpt_max = value;
    }
}

std::optional<std::string> write_limits(const Capabilities& offer) {
    std::string out;
    if (offer.limits.mail_max) out += " MAILMAX=" + std::to_string(*offer.limits.mail_max);
    if (offer.limits.rcpt_max) out += " RCPTMAX=" + std::to_string(*offer.limits.rcpt_max);
    if (out.empty()) return std::nullopt;
    return out;
}

constexpr std::array rows{
    Row{"PIPELINING", Extension::pipelining, nullptr, nullptr},
    Row{"SIZE", Extension::size, read_size, write_size},
    Row{"STARTTLS", Extension::starttls, nullptr, nullptr},
    Row{"AUTH", Extension::auth, read_auth, write_auth},
    Row{"ENHANCEDSTATUSCODES", Extension::enhanced_status_codes, nullptr, nullptr},
    Row{"8BITMIME", Extension::eight_bit_mime, nullptr, nullptr},
    Row{"SMTPUTF8", Extension::smtputf8, nullptr, nullptr},
    Row{"DSN", Extension::dsn, nullptr, nullptr},
    Row{"CHUNKING", Extension::chunking, nullptr, nullptr},
    Row{"LIMITS", Extension::limits, read_limits, write_limits},
};

Words split_words(std::string_view line) {
    Words words;
    while (!line.empty()) {
        const std::string_view word = line.substr(0, line.find(' '));
        if (!word.empty()) words.push_back(word);
        line.remove_prefix(std::min(word.size() + 1, line.size()));
    }
    return words;
}

}  // namespace

Capabilities parse_ehlo(const Reply& reply) {
    Capabilities result;
    for (std::size_t i = 1; i < reply.lines.size(); ++i) {
        Words words = split_words(reply.lines[i]);
        if (words.empty()) continue;
        const auto row = std::find_if(rows.begin(), rows.end(), [&words](const Row& candidate) {
            return text::iequals(candidate.keyword, words.front());
        });
        const bool xclient = text::iequals(words.front(), "XCLIENT");
        words.erase(words.begin());
        if (xclient) result.xclient = parse_xclient(words);
        if (row == rows.end()) continue;
        result.add(row->extension);
        if (row->read != nullptr) row->read(words, result);
    }
    return result;
}

Capabilities translate(const OwnOffer& own, const Capabilities* upstream) {
    Capabilities offer;
    offer.add(Extension::pipelining);
    offer.add(Extension::enhanced_status_codes);
    offer.add(Extension::size);
    offer.size_limit =
        smaller(own.max_message_size, upstream != nullptr ? upstream->size_limit : 0);
    const std::uint64_t theirs =
        upstream != nullptr ? upstream->limits.rcpt_max.value_or(0) : std::uint64_t{0};
    if (const std::uint64_t recipients = smaller(own.max_recipients, theirs); recipients != 0) {
        offer.add(Extension::limits);
        offer.limits.rcpt_max = std::min(recipients, limit_largest);
    }
    if (upstream == nullptr) return offer;
    for (const Extension extension :
         {Extension::eight_bit_mime, Extension::smtputf8, Extension::dsn})
        if (upstream->has(extension)) offer.add(extension);
    return offer;
}

Reply write_ehlo(std::string_view hostname, const Capabilities& offer) {
    Reply reply = make_reply(250, hostname);
    for (const Row& row : rows) {
        if (!offer.has(row.extension)) continue;
        const auto arguments = row.write != nullptr ? row.write(offer) : std::string();
        if (arguments) reply.lines.push_back(std::string(row.keyword) + *arguments);
    }
    return reply;
}

}  // namespace waxseal::smtp
