#include "message/header_block.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace waxseal::message {

namespace {

constexpr std::string_view line_end = "\r\n";

enum class Kind { empty, field, indented, other };

constexpr bool ftext(char c) noexcept { return c > ' ' && c <= '~' && c != ':'; }

// The length of the name that a line begins with; 0: it is no field.
std::size_t name_length(std::string_view line) {
    std::size_t name = 0;
    while (name < line.size() && ftext(line[name])) ++name;
    if (name >= limits::customary_line) return 0;
    std::size_t colon = name;
    while (colon < line.size() && white(line[colon])) ++colon;
    return colon < line.size() && line[colon] == ':' ? name : 0;
}

Kind kind_of(std::string_view line) {
    if (line.empty()) return Kind::empty;
    if (white(line[0])) return Kind::indented;
    return name_length(line) > 0 ? Kind::field : Kind::other;
}

bool from_line(std::string_view line) {
    return (line.starts_with("From ") || line.starts_with(">From ")) &&
           kind_of(line) == Kind::other;
}

// Whether a line "From user Mon Jan  1 00:00:00 2026" has its day and its time.
bool dated(std::string_view line) {
    constexpr std::array names{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar",
                               "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    bool day = false;
    bool time = false;
    line.remove_prefix(line.find(' '));
    for (bool user = true; !(line = text::trim(line)).empty(); user = false) {
        const std::string_view word = line.substr(0, line.find_first_of(" \t"));
        line.remove_prefix(word.size());
        if (user) continue;
        const std::string_view letters =
            word.ends_with(',') ? word.substr(0, word.size() - 1) : word;
        day |= std::any_of(names.begin(), names.end(),
                           [letters](auto name) { return text::iequals(letters, name); });
        time |= text::digit(word[0]) && word.find(':') != std::string_view::npos;
    }
    return day && time;
}

// A body may begin with "From " too: what is dropped has to have a date, or a header behind it,
// which may be empty.
std::size_t mbox_size(std::string_view text) {
    std::string_view rest = text;
    std::string_view next = rest;
    while (from_line(without_line_end(take_line(next)))) rest = next;
    const std::string_view behind = take_line(rest);
    const bool header = behind == line_end || name_length(without_line_end(behind)) > 0;
    std::size_t size = 0;
    for (rest = text;;) {
        const std::string_view line = take_line(rest);
        if (!from_line(without_line_end(line))) return size;
        if (!header && !dated(without_line_end(line))) return size;
        size += line.size();
    }
}

std::size_t fields_size(std::string_view text) {
    std::string_view rest = text;
    std::size_t size = 0;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        const Kind kind = kind_of(without_line_end(line));
        if (kind != Kind::field && (kind != Kind::indented || size == 0)) break;
        size += line.size();
    }
    return size;
}

}  // namespace

std::optional<std::size_t> BlockScanner::complete(std::string_view text) {
    for (;;) {
        const std::size_t end = text.find(line_end, searched_);
        if (end == std::string_view::npos) {
            // The last octet may be the first half of a line end.
            if (!text.empty()) searched_ = std::max(line_, text.size() - 1);
            return std::nullopt;
        }
        const std::string_view line = text.substr(line_, end - line_);
        line_ = searched_ = end + line_end.size();
        if (decides(line)) return line_;
    }
}

bool BlockScanner::decides(std::string_view line) {
    switch (kind_of(line)) {
        case Kind::field:
            in_fields_ = true;
            return false;
        case Kind::indented:
            return !in_fields_;
        case Kind::other:
            return in_fields_ || !from_line(line);
        case Kind::empty:
            break;
    }
    return true;
}

Division divide(std::string_view text) {
    Division result;
    const auto cut = [&text](std::size_t size) {
        const std::string_view piece = text.substr(0, size);
        text.remove_prefix(size);
        return piece;
    };
    result.mbox = cut(mbox_size(text));
    result.fields = cut(fields_size(text));
    result.separator = cut(text.starts_with(line_end) ? line_end.size() : 0);
    result.body = text;
    return result;
}

std::optional<Field> take_field(std::string_view& fields) {
    if (fields.empty()) return std::nullopt;
    std::string_view rest = fields;
    std::size_t size = take_line(rest).size();
    while (!rest.empty() && white(rest[0])) size += take_line(rest).size();
    Field field;
    field.raw = fields.substr(0, size);
    field.name = field.raw.substr(0, name_length(field.raw));
    field.body = without_line_end(field.raw).substr(field.raw.find(':') + 1);
    fields.remove_prefix(size);
    return field;
}

std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find(line_end);
    const std::string_view line =
        text.substr(0, end == std::string_view::npos ? end : end + line_end.size());
    text.remove_prefix(line.size());
    return line;
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with(line_end)) line.remove_suffix(line_end.size());
    return line;
}

bool blank(std::string_view text) { return trimmed(text).empty(); }

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view octets = " \t\r\n";
    const std::size_t first = text.find_first_not_of(octets);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(octets) - first + 1);
}

}  // namespace waxseal::message
