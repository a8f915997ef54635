#include "message/parameters.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "base/text.hpp"
#include "message/comments.hpp"
#include "message/folding.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

constexpr std::size_t line_width = 74;  // a semicolon follows, and white space is before it
constexpr std::size_t least_room = 24;
// It is written once a section: with a long one the field would grow without measure. No name that
// is known to anybody has more than half of it.
constexpr std::size_t longest_name = 40;

struct Parameter {
    std::string_view name;
    std::string value;
    std::string comments;  // behind it
};

// Up to the next semicolon that is in no quoted string; it is removed, the semicolon is not.
std::string_view take_piece(std::string_view& text) {
    std::size_t end = 0;
    for (bool quoted = false; end < text.size(); ++end) {
        if (quoted && text[end] == '\\' && end + 1 < text.size())
            ++end;
        else if (text[end] == '"')
            quoted = !quoted;
        else if (text[end] == ';' && !quoted)
            break;
    }
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(end);
    return piece;
}

// RFC 2231 7: attribute-char; RFC 2045 5.1: token.
bool attribute_octet(char c) {
    return text::alnum(c) || std::string_view("!#$&+-.^_`{|}~").find(c) < 14;
}

bool token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return attribute_octet(c) || c == '*' || c == '\'' || c == '%';
    });
}

// Up to the end of a quoted string, which is removed with it.
std::string take_quoted(std::string_view& text) {
    std::string value;
    for (text.remove_prefix(1); !text.empty(); text.remove_prefix(1)) {
        if (text[0] == '"') {
            text.remove_prefix(1);
            break;
        }
        if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
        value += text[0];
    }
    return value;
}

bool names_file(std::string_view name) {
    return text::iequals(name, "name") || text::iequals(name, "filename");
}

// A file's name without quotes has all that is there, with white space and brackets. Nothing where
// more than comments follows the value.
std::optional<Parameter> parameter_of(std::string_view piece) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    Parameter result{trimmed(piece.substr(0, equals)), {}, {}};
    if (!token(result.name) || result.name.size() > longest_name) return std::nullopt;
    const std::string unbroken = unfolded(trimmed(piece.substr(equals + 1)));
    std::string_view text = unbroken;
    if (text.starts_with('"')) {
        result.value = take_quoted(text);
    } else {
        const std::size_t end = names_file(result.name) ? text.size() : text.find_first_of(" \t(");
        result.value = text.substr(0, end);
        text.remove_prefix(result.value.size());
    }
    result.comments = trimmed(text);
    if (!result.comments.empty() && result.comments[0] != '(') return std::nullopt;
    return result;
}

// Whose value has to stay as it is: the body has the delimiter's octets, and charset is a token.
bool never_extended(std::string_view name) {
    return text::iequals(name, "boundary") || text::iequals(name, "charset");
}

std::string percent(std::string_view octets) {
    std::string result;
    for (const char c : octets) {
        if (attribute_octet(c))
            result += c;
        else
            text::append_hex(result, '%', c);
    }
    return result;
}

// Several sections, each with whole characters.
void write_sections(FieldWriter& writer, std::string_view name, std::string_view utf8) {
    for (std::size_t section = 0; !utf8.empty(); ++section) {
        std::string line = std::string(name) + "*" + std::to_string(section) + "*=";
        if (section == 0) line += "UTF-8''";
        const std::size_t end = std::max(line_width, line.size() + least_room);
        while (!utf8.empty()) {
            const auto point = text::decode_utf8(utf8);
            const std::string_view character = utf8.substr(0, point ? point->length : 1);
            const std::string written = percent(character);
            if (line.size() + written.size() > end) break;
            line += written;
            utf8.remove_prefix(character.size());
        }
        if (section > 0) writer.text("; ");
        writer.text(line);
    }
}

void write_extended(FieldWriter& writer, std::string_view name, std::string_view utf8) {
    const std::string line = std::string(name) + "*=UTF-8''" + percent(utf8);
    if (line.size() <= line_width)
        writer.text(line);
    else
        write_sections(writer, name, utf8);
}

// For readers that do not know the extended one, which is there too.
std::string plain(std::string_view utf8) {
    std::string result = "\"";
    for (const char c : utf8) {
        if (c == '"' || c == '\\') result += '\\';
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x80)
            result += c;
        else if (octet >= 0xC0)
            result += '_';
    }
    return result + '"';
}

// The names that are there as extended ones, in lower case.
std::set<std::string> extended_names(std::string_view body) {
    std::set<std::string> names;
    while (!body.empty()) {
        std::string_view piece = take_piece(body);
        if (!body.empty()) body.remove_prefix(1);
        piece = trimmed(piece.substr(0, piece.find('=')));
        const std::size_t star = piece.find('*');
        if (star != std::string_view::npos) names.insert(text::to_lower(piece.substr(0, star)));
    }
    return names;
}

bool write_parameter(FieldWriter& writer, std::string_view piece,
                     const std::set<std::string>& extended) {
    const auto parameter = text::ascii(piece) ? std::nullopt : parameter_of(piece);
    // Whoever writes extended ones has said what its octets are.
    if (!parameter || parameter->name.find('*') != std::string_view::npos ||
        never_extended(parameter->name) || text::ascii(parameter->value))
        return write_comments(writer, piece);
    writer.space();
    if (extended.contains(text::to_lower(parameter->name)))
        writer.text(std::string(parameter->name) + "=" + plain(parameter->value));
    else
        write_extended(writer, parameter->name, parameter->value);
    if (parameter->comments.empty()) return true;
    writer.space();
    write_comments(writer, parameter->comments);
    return true;
}

}  // namespace

bool write_parameters(FieldWriter& writer, std::string_view body) {
    const std::set<std::string> extended = extended_names(body);
    bool changed = write_comments(writer, take_piece(body));
    while (!body.empty()) {
        writer.text(body.substr(0, 1));
        body.remove_prefix(1);
        changed |= write_parameter(writer, take_piece(body), extended);
    }
    return changed;
}

bool has_foreign_boundary(std::string_view body) {
    while (!body.empty()) {
        const std::string_view piece = take_piece(body);
        if (!body.empty()) body.remove_prefix(1);
        const auto parameter = text::ascii(piece) ? std::nullopt : parameter_of(piece);
        if (parameter && text::iequals(parameter->name, "boundary") &&
            !text::ascii(parameter->value))
            return true;
    }
    return false;
}

}  // namespace waxseal::message
