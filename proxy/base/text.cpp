// ASCII and UTF-8 helpers: case, prefixes, validity, "did you mean", and the escaping that makes
// untrusted octets fit for one line of a log or terminal.
//
// Everything here is total: any octets in, no locale, no exception but for memory. UTF-8 is decoded
// in one place (decode_utf8), so that validity, printability and escaping cannot disagree about
// where a character ends.
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace waxseal::text {

namespace {

struct Range {
    char32_t first;
    char32_t last;
};

// What a line of text must not hold: it would break the line, drive the terminal, or make the text
// read in another order than it is written.
constexpr std::array unprintable{
    Range{0x0000, 0x001F},  // C0
    Range{0x007F, 0x009F},  // DEL and C1
    Range{0x061C, 0x061C},  // Arabic letter mark
    Range{0x200E, 0x200F},  // left-to-right mark, right-to-left mark
    Range{0x2028, 0x202E},  // line and paragraph separator; embeddings and overrides
    Range{0x2066, 0x2069},  // isolates
};

// The shape of a sequence, by its first octet (RFC 3629 4). The range of the second octet is what
// keeps overlong forms, surrogates and values above U+10FFFF out.
struct Lead {
    unsigned char first, last;  // of the first octet
    std::size_t length;         // of the whole sequence
    unsigned char second_first, second_last;
    unsigned char payload_mask;
};

constexpr std::array leads{
    Lead{0xC2, 0xDF, 2, 0x80, 0xBF, 0x1F}, Lead{0xE0, 0xE0, 3, 0xA0, 0xBF, 0x0F},
    Lead{0xE1, 0xEC, 3, 0x80, 0xBF, 0x0F}, Lead{0xED, 0xED, 3, 0x80, 0x9F, 0x0F},
    Lead{0xEE, 0xEF, 3, 0x80, 0xBF, 0x0F}, Lead{0xF0, 0xF0, 4, 0x90, 0xBF, 0x07},
    Lead{0xF1, 0xF3, 4, 0x80, 0xBF, 0x07}, Lead{0xF4, 0xF4, 4, 0x80, 0x8F, 0x07},
};

unsigned char octet(char c) noexcept { return static_cast<unsigned char>(c); }

template <typename Map>
std::string mapped(std::string_view text, Map map) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), map);
    return result;
}

// Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours, which
// are the commonest slip of fingers. Without regard to case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = std::min(now[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, now);
    }
    return last[b.size()];
}

std::string hex_escape(std::string_view octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    for (const char c : octets) {
        result += "\\x";
        result += digits[octet(c) >> 4];
        result += digits[octet(c) & 0x0F];
    }
    return result;
}

}  // namespace

void append_hex(std::string& text, char mark, char octet) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(octet);
    text.append({mark, digits[value >> 4U], digits[value & 0x0FU]});
}

std::string to_upper(std::string_view text) { return mapped(text, upper); }

std::string to_lower(std::string_view text) { return mapped(text, lower); }

bool iequals(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

bool istarts_with(std::string_view text, std::string_view prefix) noexcept {
    return iequals(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blank = " \t";
    const std::size_t first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

bool ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return octet(c) < 0x80; });
}

std::optional<CodePoint> decode_utf8(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    const unsigned char first = octet(text[0]);
    if (first < 0x80) return CodePoint{first, 1};
    const auto lead = std::find_if(leads.begin(), leads.end(), [first](const Lead& row) {
        return first >= row.first && first <= row.last;
    });
    if (lead == leads.end() || text.size() < lead->length) return std::nullopt;
    const unsigned char second = octet(text[1]);
    if (second < lead->second_first || second > lead->second_last) return std::nullopt;
    char32_t value = first & lead->payload_mask;
    for (std::size_t i = 1; i < lead->length; ++i) {
        if ((octet(text[i]) & 0xC0) != 0x80) return std::nullopt;
        value = (value << 6) | (octet(text[i]) & 0x3F);
    }
    return CodePoint{value, lead->length};
}

bool valid_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto point = decode_utf8(text);
        if (!point) return false;
        text.remove_prefix(point->length);
    }
    return true;
}

bool printable(char32_t value) noexcept {
    return std::none_of(unprintable.begin(), unprintable.end(), [value](const Range& range) {
        return value >= range.first && value <= range.last;
    });
}

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
    std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
    std::optional<std::string_view> result;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best) {
            best = distance;
            result = candidate;
        }
    }
    return result;
}

std::string escape(std::string_view text, std::size_t limit) {
    std::string result;
    while (!text.empty()) {
        const auto point = decode_utf8(text);
        const std::string_view unit = text.substr(0, point ? point->length : 1);
        std::string piece = point && printable(point->value) ? std::string(unit) : hex_escape(unit);
        if (unit == "\\") piece += '\\';
        if (result.size() + piece.size() > limit) return result + "…";
        result += piece;
        text.remove_prefix(unit.size());
    }
    return result;
}

}  // namespace waxseal::text
