#include "message/addresses.hpp"

#include <utility>

#include "base/limits.hpp"
#include "message/header_block.hpp"
#include "message/mailbox.hpp"

namespace waxseal::message {

namespace {

constexpr bool blank_octet(char c) noexcept { return white(c) || c == '\r' || c == '\n'; }

}  // namespace

std::optional<std::size_t> Lexer::end_of(std::size_t place) const {
    switch (text_[place]) {
        case '"':
            return quoted(place);
        case '(':
            return comment(place);
        case '<':
            return angle(place);
        case '>':
            return std::nullopt;
        case '[':
            // Asked first, so that many open brackets are not each looked for in vain.
            if (last_bracket_ != std::string_view::npos && last_bracket_ > place)
                return text_.find(']', place) + 1;
            return place + 1;
        default:
            return place + 1;
    }
}

std::size_t Lexer::next(std::size_t place) {
    const auto end = mistaken_ ? std::nullopt : end_of(place);
    mistaken_ = !end;
    return end.value_or(place + 1);
}

std::optional<std::size_t> Lexer::quoted(std::size_t place) const {
    for (++place; place < text_.size(); ++place) {
        if (text_[place] == '"') return place + 1;
        if (text_[place] == '\\') ++place;
    }
    return std::nullopt;
}

std::optional<std::size_t> Lexer::comment(std::size_t place) const {
    std::size_t depth = 0;
    for (; place < text_.size(); ++place) {
        if (text_[place] == '\\')
            ++place;
        else if (text_[place] == '(')
            ++depth;
        else if (text_[place] == ')' && --depth == 0)
            return place + 1;
    }
    return std::nullopt;
}

std::optional<std::size_t> Lexer::angle(std::size_t place) const {
    for (++place; place < text_.size();) {
        if (text_[place] == '>') return place + 1;
        if (text_[place] == '<') return std::nullopt;
        const auto end = text_[place] == '"' ? quoted(place) : place + 1;
        if (!end) return std::nullopt;
        place = *end;
    }
    return std::nullopt;
}

namespace {

// Whether the line before the one that begins here is as long as they get when a word has to be
// torn apart: then what is here may be the rest of it.
bool torn(std::string_view text, std::size_t place) {
    constexpr std::size_t least = limits::customary_line - 8;
    const std::size_t end = text.find_last_not_of(" \t", place - 1);
    if (text[end] != '\n') return false;
    const std::size_t before = end < 2 ? std::string_view::npos : text.rfind('\n', end - 1);
    return end - (before == std::string_view::npos ? 0 : before) > least;
}

// Whether an element with an "@" has a name before its address. An encoded word is one, or a part
// of what we could not understand before.
Element::Kind bare_kind(std::string_view text, Element& element) {
    const std::string_view core = trimmed(text.substr(element.begin, element.end - element.begin));
    const std::size_t name = core.find_last_of(" \t\r\n");
    if (name == std::string_view::npos) return Element::Kind::bare;
    const std::string_view address = core.substr(name + 1);
    if (!is_addr_spec(address) || address.find("=?") != std::string_view::npos ||
        core.substr(0, name).find_first_of("@(") != std::string_view::npos)
        return Element::Kind::bare;
    const auto begin = static_cast<std::size_t>(address.data() - text.data());
    if (torn(text, begin)) return Element::Kind::bare;
    element.angle = begin;
    element.angle_end = element.angle + address.size();
    return Element::Kind::open;
}

}  // namespace

AddressReader::AddressReader(std::string_view text) : text_(text), lexer_(text) { look(); }

void AddressReader::look() {
    bool colon = false;
    for (std::size_t place = 0; place < text_.size();) {
        colon |= text_[place] == ':';
        has_groups_ |= colon && text_[place] == ';';
        const auto end = lexer_.end_of(place);
        if (!end) {
            understood_ = false;
            place_ = text_.size();
            return;
        }
        place = *end;
    }
}

bool AddressReader::separates(char c) const noexcept {
    return c == ',' || c == ';' || (c == ':' && has_groups_);
}

std::optional<Element> AddressReader::next() {
    if (ready_) return std::exchange(ready_, std::nullopt);
    // Names that may be the beginning of the next mailbox's.
    std::optional<Element> names;
    while (place_ < text_.size()) {
        std::optional<Element> element = scan();
        if (!element) {
            if (names) return names;
            continue;
        }
        if (element->kind == Element::Kind::names && !has_groups_) {
            if (names) element->begin = names->begin;
            names = element;
            continue;
        }
        if (!names) return element;
        const bool named = element->angle_end > 0 && element->kind != Element::Kind::other &&
                           !blank(text_.substr(element->begin, element->angle - element->begin));
        if (named) {
            element->begin = names->begin;
            return element;
        }
        ready_ = element;
        return names;
    }
    return names;
}

// One element and the separator behind it; nothing when it is empty.
std::optional<Element> AddressReader::scan() {
    Element element;
    element.begin = place_;
    bool at = false;
    bool visible = false;
    bool odd = false;  // more than white space and comments behind <…>
    for (; place_ < text_.size() && !separates(text_[place_]); place_ = *lexer_.end_of(place_)) {
        const char c = text_[place_];
        if (blank_octet(c) || c == '(') continue;
        visible = true;
        odd |= element.angle_end > 0;
        at |= c == '@';
        if (c != '<') continue;
        element.angle = place_;
        element.angle_end = *lexer_.end_of(place_);
    }
    element.end = place_;
    const bool group = place_ < text_.size() && text_[place_] == ':';
    if (place_ < text_.size()) ++place_;
    if (!visible) return std::nullopt;
    if (group)
        element.kind = odd || element.angle_end > 0 ? Element::Kind::other : Element::Kind::names;
    else if (element.angle_end > 0)
        element.kind = odd || address_of(text_, element).empty() ? Element::Kind::other
                                                                 : Element::Kind::mailbox;
    else
        element.kind = at ? bare_kind(text_, element) : Element::Kind::names;
    return element;
}

std::string address_of(std::string_view text, const Element& element) {
    const std::size_t brackets = element.kind == Element::Kind::open ? 0 : 1;
    text = element.angle_end > 0 ? text.substr(element.angle + brackets,
                                               element.angle_end - element.angle - 2 * brackets)
                                 : text.substr(element.begin, element.end - element.begin);
    Lexer lexer(text);
    std::string address;
    std::size_t at = std::string::npos;
    for (std::size_t place = 0; place < text.size();) {
        const std::size_t end = lexer.next(place);
        if (text[place] == ':' && address.starts_with('@')) {
            address.clear();
            at = std::string::npos;
        } else if (!blank_octet(text[place]) && text[place] != '(') {
            if (text[place] == '@') at = address.size();
            address += text.substr(place, end - place);
        }
        place = end;
    }
    const bool whole = at != std::string::npos && at > 0 && at + 1 < address.size();
    return whole ? address : std::string();
}

}  // namespace waxseal::message
