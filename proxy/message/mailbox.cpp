#include "message/mailbox.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

constexpr std::string_view not_in_atoms = " \t()<>[]:;@\\,.\"";

constexpr bool foreign(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }

bool atom_octet(char c) { return not_in_atoms.find(c) == std::string_view::npos; }
bool phrase_octet(char c) { return atom_octet(c) || c == '.'; }
bool comment_octet(char c) { return phrase_octet(c) || white(c); }
bool label_octet(char c) { return text::alnum(c) || c == '-' || c == '_' || foreign(c); }
bool literal_octet(char c) { return text::alnum(c) || c == '-' || c == '.' || c == ':'; }

// No control characters, and nothing that a reader might take for a line end.
bool clear(std::string_view text) {
    while (!text.empty()) {
        const auto point = text::decode_utf8(text);
        if (!point || (!text::printable(point->value) && point->value != '\t')) return false;
        text.remove_prefix(point->length);
    }
    return true;
}

// How long the quoted string at the front is; 0: there is none that ends.
std::size_t quoted_size(std::string_view text) {
    if (!text.starts_with('"')) return 0;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') return i + 1;
        if (text[i] == '\\') ++i;
    }
    return 0;
}

bool dotted(std::string_view text, bool (*octet)(char)) {
    bool dot = true;  // the last one was, or it is the beginning
    for (const char c : text) {
        if (c == '.' ? dot : !octet(c)) return false;
        dot = c == '.';
    }
    return !dot;
}

bool is_domain(std::string_view text) {
    if (!text.starts_with('[')) return dotted(text, label_octet);
    return text.size() > 2 && text.ends_with(']') &&
           std::all_of(text.begin() + 1, text.end() - 1, literal_octet);
}

bool is_phrase(std::string_view text) {
    while (!(text = trimmed(text)).empty()) {
        std::size_t size = quoted_size(text);
        while (size < text.size() && phrase_octet(text[size])) ++size;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

std::string_view without_comment(std::string_view text) {
    if (!text.ends_with(')')) return text;
    const std::size_t begin = text.rfind('(');
    if (begin == std::string_view::npos) return text;
    const std::string_view inside = text.substr(begin + 1, text.size() - begin - 2);
    return std::all_of(inside.begin(), inside.end(), comment_octet) ? trimmed(text.substr(0, begin))
                                                                    : text;
}

}  // namespace

bool is_addr_spec(std::string_view text) {
    if (!clear(text)) return false;
    const std::size_t quoted = quoted_size(text);
    const std::size_t at = text.find('@', quoted);
    if (at == std::string_view::npos) return false;
    const bool local = quoted > 0 ? at == quoted : dotted(text.substr(0, at), atom_octet);
    return local && is_domain(text.substr(at + 1));
}

std::string as_addr_spec(std::string_view text) {
    if (is_addr_spec(text)) return std::string(text);
    const std::size_t at = text.find('@');
    const std::string_view local = text.substr(0, at);
    if (at == std::string_view::npos || local.empty() || !std::ranges::all_of(local, phrase_octet))
        return {};
    std::string quoted = '"' + std::string(local) + '"' + std::string(text.substr(at));
    return is_addr_spec(quoted) ? quoted : std::string();
}

std::optional<std::string_view> only_mailbox(std::string_view text) {
    if (!clear(text)) return std::nullopt;
    text = without_comment(trimmed(text));
    if (text.ends_with('>')) {
        const std::size_t angle = text.rfind('<');
        if (angle == std::string_view::npos || !is_phrase(text.substr(0, angle)))
            return std::nullopt;
        text = text.substr(angle + 1, text.size() - angle - 2);
    }
    return is_addr_spec(text) ? std::optional(text) : std::nullopt;
}

}  // namespace waxseal::message
