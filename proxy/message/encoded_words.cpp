#include "message/encoded_words.hpp"

#include <algorithm>
#include <cassert>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "message/folding.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

constexpr std::size_t line_width = 76;
// A comma or a bracket may have to follow on the same line.
constexpr std::size_t word_width = line_width - 1;
constexpr std::string_view before_q = "=?UTF-8?Q?";
constexpr std::string_view before_b = "=?UTF-8?B?";
constexpr std::string_view after = "?=";
constexpr std::size_t frame = before_q.size() + after.size();
// Less room than for a few characters: the word goes on a line of its own.
constexpr std::size_t least_room = frame + 24;
constexpr std::string_view whites = " \t";

bool plain(char c) { return text::alnum(c) || std::string_view("!*+-/").find(c) < 5; }

std::size_t q_size(std::string_view utf8) {
    std::size_t size = 0;
    for (const char c : utf8) size += std::size_t{plain(c) || c == ' ' ? 1U : 3U};
    return size;
}

std::size_t b_size(std::size_t octets) { return (octets + 2) / 3 * 4; }

std::string q_encode(std::string_view utf8) {
    std::string result;
    for (const char c : utf8) {
        if (plain(c))
            result += c;
        else if (c == ' ')
            result += '_';
        else
            text::append_hex(result, '=', c);
    }
    return result;
}

// How much of the text fits into a word with this room: whole characters, at least one.
std::size_t fitting(std::string_view utf8, std::size_t room, bool q) {
    std::size_t taken = 0;
    std::size_t size = 0;
    while (taken < utf8.size()) {
        const auto point = text::decode_utf8(utf8.substr(taken));
        const std::size_t length = point ? point->length : 1;
        size = q ? size + q_size(utf8.substr(taken, length)) : b_size(taken + length);
        if (frame + size > room && taken > 0) break;
        taken += length;
    }
    return taken;
}

// One stretch without encoded words. What touches one is encoded to its end, since white space
// between two of them would vanish.
void write_stretch(FieldWriter& writer, std::string_view text, bool after_word, bool before_word) {
    const auto foreign = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
    const auto first = std::find_if(text.begin(), text.end(), foreign);
    if (first == text.end()) return writer.text(text);
    const auto last = std::find_if(text.rbegin(), text.rend(), foreign).base();
    // From white space to white space.
    std::size_t begin = text.find_last_of(whites, static_cast<std::size_t>(first - text.begin()));
    begin = begin == std::string_view::npos ? 0 : begin + 1;
    std::size_t end = text.find_first_of(whites, static_cast<std::size_t>(last - text.begin()));
    end = std::min(end, text.size());
    if (after_word && blank(text.substr(0, begin))) begin = 0;
    if (before_word && blank(text.substr(end))) end = text.size();
    writer.text(text.substr(0, begin));
    writer.space();
    writer.encoded(text.substr(begin, end - begin));
    if (end == text.size() && before_word) writer.space();
    writer.text(text.substr(end));
}

}  // namespace

bool is_encoded_word(std::string_view word) {
    if (!word.starts_with("=?") || !word.ends_with("?=") || word.size() < 8) return false;
    word.remove_prefix(2);
    word.remove_suffix(2);
    const std::size_t charset = word.find('?');
    if (charset == 0 || charset == std::string_view::npos || word.size() < charset + 3)
        return false;
    const char encoding = text::upper(word[charset + 1]);
    const std::string_view content = word.substr(charset + 3);
    if ((encoding != 'B' && encoding != 'Q') || word[charset + 2] != '?') return false;
    const auto token = [](char c) {
        return text::alnum(c) || std::string_view("-_*+'").find(c) < 5;
    };
    const auto b = [](char c) { return text::alnum(c) || c == '+' || c == '/' || c == '='; };
    const auto q = [](char c) { return c > ' ' && c <= '~' && c != '?'; };
    return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(charset), token) &&
           (encoding == 'B' ? std::all_of(content.begin(), content.end(), b)
                            : std::all_of(content.begin(), content.end(), q));
}

std::string_view find_encoded_word(std::string_view text) {
    for (std::size_t place = 0; place < text.size();) {
        const std::size_t begin = text.find_first_not_of(whites, place);
        if (begin == std::string_view::npos) break;
        const std::size_t end = std::min(text.find_first_of(whites, begin), text.size());
        const std::string_view word = text.substr(begin, end - begin);
        if (is_encoded_word(word)) return word;
        place = end;
    }
    return text.substr(text.size());
}

FieldWriter::FieldWriter(std::string& out, Folding folding)
    : out_(out), folding_(folding), column_(out.size() - (out.rfind('\n') + 1)) {}

void FieldWriter::text(std::string_view verbatim) {
    if (folding_ == Folding::as_it_was) {
        out_ += verbatim;
        return;
    }
    const bool escapes = folding_ == Folding::anew;
    while (!verbatim.empty()) {
        if (verbatim.starts_with("\r\n")) {
            verbatim.remove_prefix(2);
            continue;
        }
        std::size_t size = 1;
        if (!white(verbatim[0]) || (escapes && blank_.empty() && escapes_next(out_))) {
            size = std::min(verbatim.find_first_of(" \t\r", 1), verbatim.size());
            word(verbatim.substr(0, size));
        } else {
            blank_ += verbatim[0];
        }
        verbatim.remove_prefix(size);
    }
}

void FieldWriter::encoded(std::string_view utf8) {
    assert(folding_ != Folding::as_it_was);
    const bool q = q_size(utf8) <= b_size(utf8.size());
    if (!utf8.empty() && column_ + blank_.size() + least_room > word_width) {
        new_line();
        if (blank_.empty() || blank_.size() + least_room > word_width) blank_ = " ";
    }
    while (!utf8.empty()) {
        blank();
        const std::string_view piece = utf8.substr(0, fitting(utf8, word_width - column_, q));
        write(q ? before_q : before_b);
        write(q ? q_encode(piece) : base64_encode(piece));
        write(after);
        utf8.remove_prefix(piece.size());
        if (utf8.empty()) return;
        new_line();
        blank_ = " ";
    }
}

void FieldWriter::space() {
    if (blank_.empty() && !white(out_.back()) && out_.back() != '(') text(" ");
}

void FieldWriter::finish() { out_ += "\r\n"; }

void FieldWriter::word(std::string_view octets) {
    // Behind the colon only what then fits: a first line of nothing but the name helps nobody.
    // An encoded word may have to follow a bracket.
    const std::size_t room = octets.ends_with('(') ? least_room + 1 : 0;
    const std::size_t size = blank_.size() + octets.size() + room;
    if (!blank_.empty() && column_ + size > line_width && (!first_word_ || size <= line_width))
        new_line();
    blank();
    write(octets);
}

void FieldWriter::new_line() {
    out_ += "\r\n";
    column_ = 0;
}

void FieldWriter::blank() {
    write(blank_);
    blank_.clear();
}

void FieldWriter::write(std::string_view octets) {
    out_ += octets;
    column_ += octets.size();
    if (!octets.empty() && !white(octets.back())) first_word_ = false;
}

void write_words(FieldWriter& writer, std::string_view text) {
    constexpr std::string_view structure = " \t()<>[]:;@,.\"=/?";
    constexpr std::string_view ends = "\\ \t()<>[]:;@,.\"=/?";
    std::size_t written = 0;
    for (std::size_t place = 0; place < text.size();) {
        const std::size_t begin = std::min(text.find_first_not_of(structure, place), text.size());
        // White space in its place could end a line, and the backslash would stand there.
        const std::size_t letters = text.find_first_not_of('\\', begin);
        place = std::min(text.find_first_of(ends, letters), text.size());
        const std::string_view word = text.substr(begin, place - begin);
        if (text::ascii(word)) continue;
        writer.text(text.substr(written, begin - written));
        writer.encoded(word);
        written = place;
    }
    writer.text(text.substr(written));
}

void write_text(FieldWriter& writer, std::string_view text) {
    for (bool after_word = false; !text.empty(); after_word = true) {
        const std::string_view word = find_encoded_word(text);
        const auto place = static_cast<std::size_t>(word.data() - text.data());
        write_stretch(writer, text.substr(0, place), after_word, !word.empty());
        writer.text(word);
        text.remove_prefix(place + word.size());
    }
}

}  // namespace waxseal::message
