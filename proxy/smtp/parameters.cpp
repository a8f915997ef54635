// ESMTP parameters: one row a keyword, and one function that walks the text along the rows.
//
// A handler sees a value that is printable ASCII already (RFC 5321 4.1.2 esmtp-value) and says
// whether it is good. Values that travel on are kept in the form that was checked (xtext) or as
// numbers and enumerators; nothing else of the downstream's text survives.
#include "smtp/parameters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "base/text.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::size_t size_digits = 20;   // RFC 1870 3
constexpr std::size_t envid_limit = 100;  // RFC 3461 4.4, decoded
constexpr std::size_t orcpt_limit = 500;  // RFC 3461 4.2

template <typename Parameters>
struct Row {
    std::string_view keyword;
    bool has_value;
    bool (*store)(std::string_view value, Parameters& out);
};

Reply bad_parameter(std::string_view reason) { return make_reply(501, {5, 5, 4}, reason); }

bool esmtp_value(std::string_view value) noexcept {
    if (value.empty()) return false;
    for (const char c : value)
        if (c < '!' || c > '~' || c == '=') return false;
    return true;
}

bool esmtp_keyword(std::string_view keyword) noexcept {
    for (const char c : keyword)
        if (!text::alnum(c) && c != '-') return false;
    return !keyword.empty();
}

// The number of a hexadecimal digit in upper case, as xtext wants it; nothing for others.
std::optional<int> hex_value(char c) noexcept {
    if (text::digit(c)) return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

// The octets an xtext stands for; nothing when it is not xtext or stands for a control.
std::optional<std::size_t> xtext_length(std::string_view text) noexcept {
    std::size_t length = 0;
    for (; !text.empty(); ++length) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c < '!' || c > '~' || c == '=') return std::nullopt;
        if (c != '+') continue;
        if (text.size() < 2) return std::nullopt;
        const auto high = hex_value(text[0]);
        const auto low = hex_value(text[1]);
        if (!high || !low) return std::nullopt;
        const int octet = *high * 16 + *low;
        if (octet < 0x20 || octet == 0x7F) return std::nullopt;
        text.remove_prefix(2);
    }
    return length;
}

// A number too large for us is a number all the same: the answer to it is 552, not 501.
bool store_size(std::string_view value, MailParameters& out) {
    if (value.size() > size_digits) return false;
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
    if (end != value.data() + value.size() || error == std::errc::invalid_argument) return false;
    if (error == std::errc::result_out_of_range) size = std::numeric_limits<std::uint64_t>::max();
    out.size = size;
    return true;
}

bool store_body(std::string_view value, MailParameters& out) {
    if (text::iequals(value, "7BIT")) out.body = Body::seven_bit;
    if (text::iequals(value, "8BITMIME")) out.body = Body::eight_bit_mime;
    return out.body != Body::unspecified;
}

bool store_ret(std::string_view value, MailParameters& out) {
    if (text::iequals(value, "FULL")) out.ret = Ret::full;
    if (text::iequals(value, "HDRS")) out.ret = Ret::headers;
    return out.ret != Ret::unspecified;
}

bool store_envid(std::string_view value, MailParameters& out) {
    const auto length = xtext_length(value);
    if (!length || *length > envid_limit) return false;
    out.envid = value;
    return true;
}

bool store_smtputf8(std::string_view, MailParameters& out) {
    out.smtputf8 = true;
    return true;
}

bool store_auth(std::string_view value, MailParameters& out) {
    out.auth = true;
    return value == "<>" || valid_xtext(value);
}

// One element of the list; false when it is none, or was NEVER and others.
bool add_event(std::string_view name, Notify& notify) noexcept {
    struct Event {
        std::string_view name;
        std::uint8_t bit;
    };
    constexpr std::array events{Event{"SUCCESS", Notify::success},
                                Event{"FAILURE", Notify::failure}, Event{"DELAY", Notify::delay}};
    for (const Event& event : events) {
        if (!text::iequals(name, event.name)) continue;
        notify.events = static_cast<std::uint8_t>(notify.events | event.bit);
        return true;
    }
    return false;
}

bool store_notify(std::string_view value, RcptParameters& out) {
    Notify notify;
    notify.never = text::iequals(value, "NEVER");
    while (!notify.never) {
        const std::size_t comma = value.find(',');
        if (!add_event(value.substr(0, comma), notify)) return false;
        if (comma == std::string_view::npos) break;
        value.remove_prefix(comma + 1);
    }
    out.notify = notify;
    return true;
}

// RFC 3461 4.2. Addresses of other types than rfc822 are checked and then dropped: what they mean
// to a server further on (RFC 6533 escapes, for one) is not something we can vouch for.
bool store_orcpt(std::string_view value, RcptParameters& out) {
    const std::size_t semicolon = value.find(';');
    if (semicolon == std::string_view::npos || value.size() > orcpt_limit) return false;
    const std::string_view type = value.substr(0, semicolon);
    const std::string_view address = value.substr(semicolon + 1);
    if (!esmtp_keyword(type) || address.empty() || !valid_xtext(address)) return false;
    if (text::iequals(type, "rfc822")) out.orcpt = value;
    return true;
}

constexpr std::array mail_rows{
    Row<MailParameters>{"SIZE", true, store_size},
    Row<MailParameters>{"BODY", true, store_body},
    Row<MailParameters>{"SMTPUTF8", false, store_smtputf8},
    Row<MailParameters>{"RET", true, store_ret},
    Row<MailParameters>{"ENVID", true, store_envid},
    Row<MailParameters>{"AUTH", true, store_auth},
};

constexpr std::array rcpt_rows{
    Row<RcptParameters>{"NOTIFY", true, store_notify},
    Row<RcptParameters>{"ORCPT", true, store_orcpt},
};

template <typename Parameters>
class Walk {
  public:
    explicit Walk(std::span<const Row<Parameters>> rows) : rows_(rows) {}

    // Reads "KEYWORD" or "KEYWORD=value"; the reply says what is wrong with it.
    std::optional<Reply> take(std::string_view word) {
        const std::size_t equals = word.find('=');
        const std::string_view keyword = word.substr(0, equals);
        if (!esmtp_keyword(keyword)) return bad_parameter("Syntax error in a parameter");
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            const Row<Parameters>& row = rows_[i];
            if (!text::iequals(keyword, row.keyword)) continue;
            if ((seen_ >> i & 1U) != 0) return bad_parameter("Parameter given twice");
            seen_ |= 1U << i;
            const bool has_value = equals != std::string_view::npos;
            const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view();
            if (has_value != row.has_value || (has_value && !esmtp_value(value)) ||
                !row.store(value, parameters_))
                return bad_parameter("Bad value of a parameter");
            return std::nullopt;
        }
        return make_reply(555, {5, 5, 4}, "Unsupported parameter");
    }

    // At most once along the rows: what is unknown or comes again ends it.
    std::expected<Parameters, Reply> run(std::string_view text) {
        while (!text.empty()) {
            if (!text.starts_with(' ')) return std::unexpected(bad_parameter("Syntax error"));
            text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
            if (text.empty()) break;
            const std::string_view word = text.substr(0, text.find(' '));
            if (auto refusal = take(word)) return std::unexpected(std::move(*refusal));
            text.remove_prefix(word.size());
        }
        return std::move(parameters_);
    }

  private:
    std::span<const Row<Parameters>> rows_;
    Parameters parameters_;
    unsigned seen_ = 0;  // a bit for each row
};

}  // namespace

std::expected<MailParameters, Reply> parse_mail_parameters(std::string_view text) {
    return Walk<MailParameters>(mail_rows).run(text);
}

std::expected<RcptParameters, Reply> parse_rcpt_parameters(std::string_view text) {
    return Walk<RcptParameters>(rcpt_rows).run(text);
}

bool valid_xtext(std::string_view text) noexcept { return xtext_length(text).has_value(); }

std::string xtext(std::string_view octets) {
    std::string out;
    for (const char c : octets) {
        if (c >= '!' && c <= '~' && c != '+' && c != '=') {
            out += c;
        } else {
            text::append_hex(out, '+', c);
        }
    }
    return out;
}

std::string write(const MailParameters& parameters, const Capabilities& offered) {
    std::string out;
    if (parameters.size && offered.has(Extension::size))
        out += " SIZE=" + std::to_string(*parameters.size);
    if (offered.has(Extension::eight_bit_mime)) {
        if (parameters.body == Body::seven_bit) out += " BODY=7BIT";
        if (parameters.body == Body::eight_bit_mime) out += " BODY=8BITMIME";
    }
    if (parameters.smtputf8 && offered.has(Extension::smtputf8)) out += " SMTPUTF8";
    if (offered.has(Extension::dsn)) {
        if (parameters.ret == Ret::full) out += " RET=FULL";
        if (parameters.ret == Ret::headers) out += " RET=HDRS";
        if (!parameters.envid.empty()) out += " ENVID=" + parameters.envid;
    }
    if (parameters.auth && offered.has(Extension::auth)) out += " AUTH=<>";
    return out;
}

std::string write(const RcptParameters& parameters, const Capabilities& offered) {
    if (!offered.has(Extension::dsn)) return {};
    std::string out;
    if (parameters.notify) {
        std::string events = parameters.notify->never ? ",NEVER" : "";
        if ((parameters.notify->events & Notify::success) != 0) events += ",SUCCESS";
        if ((parameters.notify->events & Notify::failure) != 0) events += ",FAILURE";
        if ((parameters.notify->events & Notify::delay) != 0) events += ",DELAY";
        if (!events.empty()) out += " NOTIFY=" + events.substr(1);
    }
    if (!parameters.orcpt.empty()) out += " ORCPT=" + parameters.orcpt;
    return out;
}

}  // namespace waxseal::smtp
