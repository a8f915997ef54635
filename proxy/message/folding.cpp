#include "message/folding.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

constexpr std::size_t longest = limits::customary_line;
constexpr std::size_t narrow = 76;
constexpr std::string_view line_end = "\r\n";

constexpr bool continues_character(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

constexpr bool begins_character(char c) noexcept { return static_cast<unsigned char>(c) >= 0xC0; }

// Where the last white space begins, at or before `limit`, that has something before it on this
// line which is not white; 0 where there is none from `start` on.
std::size_t last_white(std::string_view line, std::size_t start, std::size_t limit) {
    for (std::size_t i = limit; i >= start && i > 0; --i)
        if (white(line[i]) && !white(line[i - 1]) && !escapes_next(line.substr(0, i))) return i;
    return 0;
}

// In the middle of a word, but of no character, and behind no backslash that needs what follows.
std::size_t anywhere(std::string_view line, std::size_t limit) {
    std::size_t place = limit;
    for (int i = 0; i < 3 && continues_character(line[place]); ++i) --place;
    return escapes_next(line.substr(0, place)) ? place - 1 : place;
}

// What a body line must not be folded inside of has at most so many octets before that place.
constexpr std::size_t longest_unit = 3;

constexpr bool hex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); }

// Where a line of a body that is longer than `limit` is folded.
std::size_t body_fold(std::string_view line, std::size_t limit) {
    std::size_t place = limit;
    while (limit - place < longest_unit && continues_character(line[place])) --place;
    if (place < limit) return begins_character(line[place]) ? place : limit;
    if (line[place - 1] == '=' && hex(line[place])) return place - 1;
    if (line[place - 2] == '=' && hex(line[place - 1]) && hex(line[place])) return place - 2;
    return place;
}

// White space at the end would become a blank line.
std::string_view without_blank_end(std::string_view line) {
    while (!line.empty() && white(line.back()) && !escapes_next(line.substr(0, line.size() - 1)))
        line.remove_suffix(1);
    return line;
}

// Where a field may get white space that it does not have. Flow: last() and pass() of the rest of
// a line; pass() with all of the field, in order.
class Separators {
  public:
    explicit Separators(std::string_view octets) : octets_(octets) {}

    // The last place behind one, but not before another, up to `limit`; 0: there is none.
    [[nodiscard]] std::size_t last(std::string_view line, std::size_t limit) const {
        return octets_.empty() ? 0 : Separators(*this).walk(line, limit);
    }
    void pass(std::string_view text) {
        if (!octets_.empty()) static_cast<void>(walk(text, text.size()));
    }

  private:
    std::size_t walk(std::string_view text, std::size_t limit);
    [[nodiscard]] bool separates(char c) const { return octets_.find(c) != std::string_view::npos; }

    std::string_view octets_;
    std::size_t comments_ = 0;
    bool quoted_ = false;
    bool escaped_ = false;
};

std::size_t Separators::walk(std::string_view text, std::size_t limit) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < limit; ++i) {
        const char c = text[i];
        const bool plain = !quoted_ && comments_ == 0;
        if (escaped_)
            escaped_ = false;
        else if (c == '\\')
            escaped_ = !plain;
        else if (c == '"' && comments_ == 0)
            quoted_ = !quoted_;
        else if (c == '(' && !quoted_)
            ++comments_;
        else if (c == ')' && !quoted_ && comments_ > 0)
            --comments_;
        else if (plain && separates(c) && i + 1 < text.size() && !separates(text[i + 1]))
            place = i + 1;
    }
    return place;
}

// Writes one line of a field. `body`: where the text begins in its first line, behind the colon; 0
// in the others.
void fold_line(std::string_view rest, std::size_t body, Separators& separators, std::string& out) {
    rest = without_blank_end(rest);
    std::string_view indent;  // goes before `rest`
    while (indent.size() + rest.size() > longest) {
        const std::size_t limit = longest - indent.size();
        const std::size_t own = body > 0 ? 0 : std::min(rest.find_first_not_of(" \t"), rest.size());
        std::size_t place = std::max(last_white(rest, body > 0 ? body : own + 1, limit),
                                     separators.last(rest, limit));
        const bool found = place > 0;
        if (!found && own > 1) {
            rest.remove_prefix(own - 1);
            continue;
        }
        // Right behind the colon nothing is torn apart.
        if (!found) place = body > 0 ? body : anywhere(rest, limit);
        out.append(indent).append(rest.substr(0, place)).append(line_end);
        separators.pass(rest.substr(0, place));
        rest.remove_prefix(place);
        indent = white(rest[0]) && found ? "" : " ";
        body = 0;
    }
    out.append(indent).append(rest).append(line_end);
    separators.pass(rest);
}

// The same for a width that is not worth tearing anything apart.
void narrow_line(std::string_view rest, std::size_t body, Separators& separators,
                 std::string& out) {
    std::string_view indent;
    while (indent.size() + rest.size() > narrow) {
        const std::size_t own = std::min(rest.find_first_not_of(" \t", body), rest.size());
        std::size_t place = std::max(last_white(rest, own + 1, narrow - indent.size()),
                                     separators.last(rest, narrow - indent.size()));
        // None: what is too long is to have a line of its own.
        if (place == 0) place = rest.find_first_of(" \t", std::max(own, narrow));
        if (place >= rest.size() || escapes_next(rest.substr(0, place))) break;
        out.append(indent).append(rest.substr(0, place)).append(line_end);
        separators.pass(rest.substr(0, place));
        rest.remove_prefix(place);
        indent = white(rest[0]) ? "" : " ";
        body = 0;
    }
    out.append(indent).append(rest).append(line_end);
    separators.pass(rest);
}

}  // namespace

std::string unfolded(std::string_view text) {
    std::string result;
    while (!text.empty()) result += without_line_end(take_line(text));
    return result;
}

bool escapes_next(std::string_view text) {
    const std::size_t last = text.find_last_not_of('\\');
    const std::size_t count = last == std::string_view::npos ? text.size() : text.size() - last - 1;
    return count % 2 == 1;
}

bool fold_field(std::string_view field, std::string& out, std::string_view octets) {
    Separators separators(octets);
    bool folded = false;
    std::size_t body = field.find(':') + 1;
    while (!field.empty()) {
        const std::string_view line = take_line(field);
        const std::string_view text = without_line_end(line);
        if (text.size() > longest) {
            fold_line(text, body, separators, out);
            folded = true;
        } else {
            out += line;
            separators.pass(text);
        }
        body = 0;
    }
    return folded;
}

std::string narrowed(std::string_view field, std::string_view octets) {
    Separators separators(octets);
    std::string result;
    std::size_t body = field.find(':') + 1;
    while (!field.empty()) {
        const std::string_view line = without_line_end(take_line(field));
        const bool words = line.find("=?") != std::string_view::npos;
        if (words && line.size() > narrow) {
            narrow_line(without_blank_end(line), body, separators, result);
        } else {
            result.append(line).append(line_end);
            separators.pass(line);
        }
        body = 0;
    }
    return result;
}

std::string_view BodyFolder::fold(std::string_view octets) {
    if (octets.empty()) return octets;
    if (!kept_.empty()) {
        whole_ = std::exchange(kept_, {}).append(octets);
        octets = whole_;
    }
    return fold_lines(octets);
}

std::string_view BodyFolder::finish() {
    written_ = std::exchange(kept_, {});
    return written_;
}

std::string_view BodyFolder::fold_lines(std::string_view octets) {
    written_.clear();
    std::size_t copied = 0;
    for (std::size_t place = 0; place < octets.size();) {
        const std::size_t end = octets.find('\n', place);
        const std::size_t next = end == std::string_view::npos ? octets.size() : end + 1;
        const std::string_view line = octets.substr(place, next - place);
        std::size_t left = line.find_last_not_of("\r\n") + 1;
        while (column_ + left > longest) {
            const std::size_t taken = body_fold(octets.substr(place, left), longest - column_);
            place += taken;
            left -= taken;
            written_.append(octets.substr(copied, place - copied)).append("\r\n ");
            copied = place;
            column_ = 1;
            folded_ = true;
        }
        column_ = end == std::string_view::npos ? column_ + left : 0;
        place = next;
    }
    if (column_ > longest - longest_unit) {
        // A CR may be behind them.
        const std::size_t text = octets.find_last_not_of('\r') + 1;
        const std::size_t kept = text - (column_ - (longest - longest_unit));
        kept_ = octets.substr(kept);
        octets = octets.substr(0, kept);
        column_ = longest - longest_unit;
    }
    if (copied == 0 && written_.empty()) return octets;
    return written_.append(octets.substr(copied));
}

}  // namespace waxseal::message
