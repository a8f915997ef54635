#include "message/phrases.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/addresses.hpp"
#include "message/comments.hpp"
#include "message/folding.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

// RFC 5322 3.2.3, without the quote.
constexpr std::string_view specials = "()<>[]:;@\\,.";

// A phrase is encoded words and what is between them, as it is meant: without quotes.
struct Part {
    std::string text;
    bool encoded = false;
};

// The octets of a quoted string at the front, which is removed; of one that does not end, all.
std::string take_quoted(std::string_view& text) {
    std::string result;
    for (text.remove_prefix(1); !text.empty(); text.remove_prefix(1)) {
        if (text[0] == '"') {
            text.remove_prefix(1);
            break;
        }
        if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
        result += text[0];
    }
    return result;
}

std::vector<Part> parts_of(std::string_view text) {
    std::vector<Part> parts;
    const auto plain = [&parts](std::string_view octets) {
        if (parts.empty() || parts.back().encoded) parts.emplace_back();
        parts.back().text += octets;
    };
    for (bool apart = true; !text.empty();) {
        if (text[0] == '"') {
            plain(take_quoted(text));
            apart = false;
            continue;
        }
        if (white(text[0])) {
            plain(text.substr(0, 1));
            text.remove_prefix(1);
            apart = true;
            continue;
        }
        const std::string_view word = text.substr(0, text.find_first_of(" \t\""));
        if (apart && is_encoded_word(word))
            parts.push_back({std::string(word), true});
        else
            plain(word);
        text.remove_prefix(word.size());
        apart = false;
    }
    return parts;
}

bool needs_quotes(std::string_view text) {
    while (!text.empty()) {
        if (text[0] == '"') {
            static_cast<void>(take_quoted(text));
            continue;
        }
        if (specials.find(text[0]) != std::string_view::npos) return true;
        text.remove_prefix(1);
    }
    return false;
}

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + '"';
}

// An encoded word that no display name may hold, as it has specials in clear.
std::string mended(std::string_view word) {
    std::string result;
    for (const char c : word) {
        if (specials.find(c) == std::string_view::npos && c != '"')
            result += c;
        else
            text::append_hex(result, '=', c);
    }
    return result;
}

}  // namespace

Repairs AddressWriter::write(std::string_view body) {
    AddressReader reader(body);
    std::size_t place = 0;
    const auto up_to = [&](std::size_t end) {
        rest(body.substr(place, end - place));
        place = end;
    };
    if (!reader.understood()) {
        writer_.text(body);
        return repairs_;
    }
    while (const auto element = reader.next()) {
        up_to(element->begin);
        if (element->kind == Element::Kind::mailbox) {
            phrase(body.substr(place, element->angle - place), Quoting::allowed);
            place = element->angle;
        } else if (element->kind == Element::Kind::open) {
            phrase(body.substr(place, element->angle - place), Quoting::allowed);
            writer_.text("<" + address_of(body, *element) + ">");
            place = element->angle_end;
            repairs_.add(Repair::name_quoted);
        } else if (element->kind == Element::Kind::names) {
            phrase(body.substr(place, element->end - place), Quoting::none);
            place = element->end;
        }
        up_to(element->end);
    }
    up_to(body.size());
    return repairs_;
}

// Comments, and what is between them: in a list of names also the commas.
void AddressWriter::phrase(std::string_view text, Quoting quoting) {
    Lexer lexer(text);
    std::size_t begin = 0;
    for (std::size_t place = 0; place < text.size();) {
        const std::size_t end = lexer.next(place);
        const char c = text[place];
        const bool parts = c == '(' || (quoting == Quoting::none && (c == ',' || c == ';'));
        if (parts) {
            run(text.substr(begin, place - begin), quoting);
            rest(text.substr(place, end - place));
            begin = end;
        }
        place = end;
    }
    run(text.substr(begin), quoting);
}

void AddressWriter::run(std::string_view text, Quoting quoting) {
    const std::string_view core = trimmed(text);
    if (core.empty()) return writer_.text(text);
    const auto begin = static_cast<std::size_t>(core.data() - text.data());
    writer_.text(text.substr(0, begin));
    if (encoding_ && !text::ascii(core))
        encode(core);
    else if (quoting == Quoting::allowed && needs_quotes(core))
        quote(core);
    else
        writer_.text(core);
    const std::string_view after = text.substr(begin + core.size());
    // No encoded word may touch the bracket that follows.
    if (after.empty() && quoting == Quoting::allowed && encoding_ && !text::ascii(core))
        writer_.space();
    writer_.text(after);
}

void AddressWriter::encode(std::string_view text) {
    repairs_.add(Repair::eight_bit_header);
    const std::vector<Part> parts = parts_of(unfolded(text));
    writer_.space();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) writer_.space();
        if (parts[i].encoded)
            writer_.text(mended(parts[i].text));
        else if (!blank(parts[i].text))
            // With the white space around it, which would vanish between encoded words.
            writer_.encoded(parts[i].text);
    }
}

void AddressWriter::quote(std::string_view text) {
    repairs_.add(Repair::name_quoted);
    const std::vector<Part> parts = parts_of(unfolded(text));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string_view plain = trimmed(parts[i].text);
        if (plain.empty()) continue;
        if (i > 0) writer_.space();
        writer_.text(parts[i].encoded ? mended(plain) : quoted(plain));
    }
}

// What is no phrase: only its comments are looked at.
void AddressWriter::rest(std::string_view text) {
    if (!encoding_)
        writer_.text(text);
    else if (write_comments(writer_, text))
        repairs_.add(Repair::eight_bit_header);
}

}  // namespace waxseal::message
