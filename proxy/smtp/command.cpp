// Commands: cutting lines from the stream, and recognising the verb.
//
// The line reader looks at each octet once and decides by that octet and the one before it, so what
// it says cannot depend on how the stream was cut into reads. An over-long line is still read by
// the same rules to its end, and only its octets are given up: its tail is never the start of a
// command.
#include "smtp/command.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace waxseal::smtp {

namespace {

struct VerbRow {
    std::string_view name;
    Verb verb;
};

constexpr std::array verbs{
    VerbRow{"EHLO", Verb::ehlo},    VerbRow{"HELO", Verb::helo},
    VerbRow{"MAIL", Verb::mail},    VerbRow{"RCPT", Verb::rcpt},
    VerbRow{"DATA", Verb::data},    VerbRow{"RSET", Verb::rset},
    VerbRow{"NOOP", Verb::noop},    VerbRow{"QUIT", Verb::quit},
    VerbRow{"VRFY", Verb::vrfy},    VerbRow{"EXPN", Verb::expn},
    VerbRow{"HELP", Verb::help},    VerbRow{"STARTTLS", Verb::starttls},
    VerbRow{"AUTH", Verb::auth},    VerbRow{"BDAT", Verb::bdat},
    VerbRow{"PROXY", Verb::proxy},  VerbRow{"GET", Verb::http},
    VerbRow{"POST", Verb::http},    VerbRow{"PUT", Verb::http},
    VerbRow{"HEAD", Verb::http},    VerbRow{"CONNECT", Verb::http},
    VerbRow{"OPTIONS", Verb::http}, VerbRow{"DELETE", Verb::http},
};

std::string_view without_trailing_spaces(std::string_view text) noexcept {
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string_view without_leading_spaces(std::string_view text) noexcept {
    return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

}  // namespace

std::string_view to_string(Verb verb) noexcept {
    if (verb == Verb::http) return "HTTP";
    const auto row = std::find_if(verbs.begin(), verbs.end(), [verb](const VerbRow& candidate) {
        return candidate.verb == verb;
    });
    return row == verbs.end() ? "unknown" : row->name;
}

Command parse_command(std::string_view line) noexcept {
    const std::string_view word = line.substr(0, line.find(' '));
    for (const VerbRow& row : verbs) {
        if (!text::iequals(word, row.name)) continue;
        const std::string_view rest = line.substr(word.size());
        return {row.verb, without_trailing_spaces(without_leading_spaces(rest))};
    }
    return {Verb::unknown, {}};
}

bool begins_tls(std::string_view octets) noexcept { return octets.starts_with("\x16\x03"); }

std::optional<std::string_view> after_keyword(std::string_view argument,
                                              std::string_view keyword) noexcept {
    if (!text::istarts_with(argument, keyword)) return std::nullopt;
    return argument.substr(keyword.size());
}

LineReader::Result LineReader::find(std::string_view buffer) {
    for (std::size_t i = scanned_; i < buffer.size(); scanned_ = ++i) {
        const char c = buffer[i];
        const bool after_cr = i > 0 && buffer[i - 1] == '\r';
        if (c == '\n' && !after_cr && ends_ == Ends::crlf) return Illegal{"bare LF"};
        if (c != '\n' && after_cr) return Illegal{"bare CR"};
        if (c == '\0') return Illegal{"NUL"};
        const std::size_t length = discarded_ + i + 1;
        if (length > std::max(limit_, limits::command_discard)) return Endless{};
        if (c == '\n') return finish(buffer.substr(0, i + 1));
    }
    return wait(buffer);
}

// The line's end was found; `rest` is what is left of it in the buffer.
LineReader::Result LineReader::finish(std::string_view rest) noexcept {
    const bool too_long = discarded_ != 0 || rest.size() > limit_;
    discarded_ = 0;
    scanned_ = 0;
    if (too_long) return TooLong{rest.size()};
    const bool bare_lf = !rest.ends_with("\r\n");
    return Line{rest.substr(0, rest.size() - (bare_lf ? 1 : 2)), rest.size(), bare_lf};
}

// The line's end is not there yet. Once it can only be too long its octets need not be kept, except
// a CR at the very end: the next octet decides what it is.
LineReader::Result LineReader::wait(std::string_view buffer) noexcept {
    if (buffer.size() < limit_) return NeedInput{0};
    const std::size_t discard = buffer.size() - (buffer.ends_with('\r') ? 1 : 0);
    discarded_ += discard;
    scanned_ = 0;
    return NeedInput{discard};
}

}  // namespace waxseal::smtp
