// The reply value: making it, writing it for a downstream, cleaning what came from an upstream, and
// summing it up for the log.
//
// write() is the last hand on every octet a downstream reads, so it guards line ends itself: a
// control octet in a text, from whatever mistake, becomes '?' and cannot begin a line of its own
// (RFC 5321 4.2: textstring is HTAB and 32..126; octets above 127 are left, for RFC 6531 3.5).
#include "smtp/reply.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace waxseal::smtp {

namespace {

// Lines of an upstream's reply that a downstream gets: more is no longer an explanation.
constexpr std::size_t cleaned_lines = 20;
// RFC 4954 4: a challenge is one line whatever its length, within limits of its own.
constexpr int auth_challenge = 334;

bool control(char c) noexcept {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
}

std::string to_text(const EnhancedCode& code) {
    return std::to_string(code.klass) + '.' + std::to_string(code.subject) + '.' +
           std::to_string(code.detail);
}

// How much of `text` goes on one line of `room` octets: broken at a space where the line stays at
// least half full, else hard. The space is the next line's to drop.
std::size_t portion(std::string_view text, std::size_t room) noexcept {
    if (text.size() <= room) return text.size();
    const std::size_t space = text.rfind(' ', room);
    return space == std::string_view::npos || space < room / 2 ? room : space;
}

// The text as lines that fit, at least one.
void split_text(std::string_view text, std::size_t room, std::vector<std::string_view>& lines) {
    do {
        const std::size_t taken = portion(text, room);
        lines.push_back(text.substr(0, taken));
        text.remove_prefix(taken);
        if (text.starts_with(' ')) text.remove_prefix(1);
    } while (!text.empty());
}

std::string printable_ascii(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c == '\t') c = ' ';
        if (control(c) || static_cast<unsigned char>(c) > 126) c = '?';
    }
    return result;
}

}  // namespace

Reply make_reply(int code, EnhancedCode enhanced, std::string_view text) {
    return {code, enhanced, {std::string(text)}};
}

Reply make_reply(int code, std::string_view text) { return {code, {}, {std::string(text)}}; }

std::string write(const Reply& reply) {
    const std::string code = std::to_string(reply.code);
    const std::string enhanced = reply.enhanced ? to_text(*reply.enhanced) + ' ' : std::string();
    const std::size_t overhead = code.size() + 1 + enhanced.size() + 2;  // separator and CRLF
    const std::size_t room =
        reply.code == auth_challenge ? std::string::npos : limits::written_reply_line - overhead;
    std::vector<std::string_view> lines;
    for (const std::string& text : reply.lines) split_text(text, room, lines);
    if (lines.empty()) lines.emplace_back();

    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        out += code;
        out += i + 1 < lines.size() ? '-' : ' ';
        out += enhanced;
        for (const char c : lines[i]) out += control(c) && c != '\t' ? '?' : c;
        out += "\r\n";
    }
    return out;
}

Reply clean(const Reply& reply) {
    Reply result{reply.code, reply.enhanced, {}};
    const int klass = reply.code / 100;
    if (reply.intermediate()) {
        result.enhanced.reset();
    } else if (!result.enhanced || result.enhanced->klass != klass) {
        result.enhanced = EnhancedCode{klass, 0, 0};
    }
    const std::size_t count = std::min(reply.lines.size(), cleaned_lines);
    for (std::size_t i = 0; i < count; ++i) result.lines.push_back(printable_ascii(reply.lines[i]));
    if (result.lines.empty()) result.lines.emplace_back();
    return result;
}

std::string summary(const Reply& reply) {
    std::string out = std::to_string(reply.code);
    if (reply.enhanced) out += ' ' + to_text(*reply.enhanced);
    std::string_view separator = " ";
    for (const std::string& line : reply.lines) {
        if (line.empty()) continue;
        out += separator;
        out += line;
        separator = " / ";
    }
    return out;
}

}  // namespace waxseal::smtp
