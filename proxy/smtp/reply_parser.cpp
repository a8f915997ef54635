// The incremental reply parser: what an upstream says, as values, or a reason to leave it.
//
// Strict where a lenient reading would let two parsers disagree (line ends, codes, the same code on
// each line), and bounded in every direction, because an upstream is no more trusted than a
// downstream: OpenSMTPD and Postfix have both been hurt by malformed multi-line replies. Each octet
// is judged once, by itself and the one before it, so chunking cannot change the outcome.
#include "smtp/reply.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace waxseal::smtp {

namespace {

// Reads 1 to 3 digits off the front of `text`.
std::optional<int> take_number(std::string_view& text) noexcept {
    int value = 0;
    std::size_t n = 0;
    for (; n < text.size() && n < 3 && text::digit(text[n]); ++n)
        value = value * 10 + (text[n] - '0');
    if (n == 0) return std::nullopt;
    text.remove_prefix(n);
    return value;
}

bool take(std::string_view& text, char expected) noexcept {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(1);
    return true;
}

// Reads "5.1.1 " off the front of `text`, or nothing at all (RFC 3463 2).
std::optional<EnhancedCode> take_enhanced(std::string_view& text) noexcept {
    std::string_view rest = text;
    if (rest.empty() || (rest[0] != '2' && rest[0] != '4' && rest[0] != '5')) return std::nullopt;
    const int klass = rest[0] - '0';
    rest.remove_prefix(1);
    if (!take(rest, '.')) return std::nullopt;
    const auto subject = take_number(rest);
    if (!subject || !take(rest, '.')) return std::nullopt;
    const auto detail = take_number(rest);
    if (!detail || !(rest.empty() || take(rest, ' '))) return std::nullopt;
    text = rest;
    return EnhancedCode{klass, *subject, *detail};
}

bool valid_code(std::string_view code) noexcept {
    return code.size() == 3 && code[0] >= '2' && code[0] <= '5' && code[1] >= '0' &&
           code[1] <= '5' && text::digit(code[2]);
}

// The enhanced code belongs to the reply, not to its lines: the first one found counts, and lines
// that repeat it lose it. One that differs stays in the text, where it still can be read.
void add_line(Reply& reply, std::string_view text) {
    std::string_view rest = text;
    const auto enhanced = reply.intermediate() ? std::nullopt : take_enhanced(rest);
    if (enhanced && !reply.enhanced) reply.enhanced = enhanced;
    if (enhanced && enhanced == reply.enhanced) text = rest;
    reply.lines.emplace_back(text);
}

}  // namespace

void ReplyParser::receive(std::string_view bytes) {
    if (!broken_) input_.append(bytes);
}

ReplyParser::Result ReplyParser::next() {
    while (!broken_) {
        const auto length = find_line();
        if (!length) break;
        take_line(input_.front().substr(0, *length - 2), *length);
        input_.consume(*length);
        scanned_ = 0;
        if (!broken_ && last_line_ == Line::last) {
            Reply reply = std::move(*partial_);
            partial_.reset();
            total_ = 0;
            return reply;
        }
    }
    if (broken_) return *broken_;
    return NeedInput{};
}

std::size_t ReplyParser::buffered() const noexcept { return total_ + input_.size(); }

void ReplyParser::reset() noexcept { *this = ReplyParser(); }

// The length of the line at the front, CRLF included; nothing when there is none yet, or breaks.
std::optional<std::size_t> ReplyParser::find_line() {
    const std::string_view buffer = input_.front();
    for (; scanned_ < buffer.size(); ++scanned_) {
        const char c = buffer[scanned_];
        const bool after_cr = scanned_ > 0 && buffer[scanned_ - 1] == '\r';
        const auto broken = [this](std::string_view why) {
            broken_ = ParseError{std::string(why)};
            return std::nullopt;
        };
        if (c == '\n' && !after_cr) return broken("a reply line ended in a bare LF");
        if (c != '\n' && after_cr) return broken("a reply held a bare CR");
        if (c == '\0') return broken("a reply held a NUL");
        if (scanned_ >= limits::reply_line) return broken("a reply line was too long");
        if (c == '\n') return scanned_ + 1;
    }
    return std::nullopt;
}

void ReplyParser::take_line(std::string_view line, std::size_t length) {
    const auto broken = [this](std::string_view why) { broken_ = ParseError{std::string(why)}; };
    const std::string_view digits = line.substr(0, 3);
    const bool last = line.size() == 3 || (line.size() > 3 && line[3] == ' ');
    if (!valid_code(digits) || (!last && line[3] != '-'))
        return broken("a reply did not begin with a reply code");
    const int code = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    if (partial_ && partial_->code != code)
        return broken("the lines of a reply had different codes");
    if (!partial_) partial_ = Reply{code, {}, {}};
    total_ += length;
    if (total_ > limits::reply_total) return broken("a reply was too long");
    if (partial_->lines.size() == limits::reply_lines) return broken("a reply had too many lines");
    add_line(*partial_, line.substr(std::min<std::size_t>(4, line.size())));
    last_line_ = last ? Line::last : Line::more;
}

}  // namespace waxseal::smtp
