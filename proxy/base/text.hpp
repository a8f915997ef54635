// ASCII text helpers. Locale-free on purpose: SMTP verbs and keywords are ASCII whatever the host's
// language.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace waxseal::text {

[[nodiscard]] constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr char upper(char c) noexcept {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
[[nodiscard]] constexpr bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool alpha(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
[[nodiscard]] constexpr bool alnum(char c) noexcept { return alpha(c) || digit(c); }

// "=C3": `mark`, then the octet in two digits, upper case (quoted-printable, xtext, percent).
void append_hex(std::string& text, char mark, char octet);

[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);
// Equal without regard to ASCII case.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix) noexcept;
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;  // spaces and tabs, both ends
[[nodiscard]] bool ascii(std::string_view text) noexcept;             // no octet above 127
[[nodiscard]] bool valid_utf8(
    std::string_view text) noexcept;  // RFC 3629: no surrogates, no overlong forms

struct CodePoint {
    char32_t value;
    std::size_t length;  // octets it takes
};
// The character at the front; nothing when the text is empty or does not begin with valid UTF-8.
[[nodiscard]] std::optional<CodePoint> decode_utf8(std::string_view text) noexcept;
// Not a control (C0, DEL, C1), a line or paragraph separator, or a bidirectional control.
[[nodiscard]] bool printable(char32_t value) noexcept;

// The candidate nearest to `word` (edit distance at most a third of its length, at least 1), for
// "did you mean".
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> candidates);

// Makes untrusted octets safe for one log or terminal line: what is not printable() and invalid
// UTF-8 become \xNN, backslash is doubled, and a result above `limit` octets is cut before the
// character that would exceed it and gets "…".
[[nodiscard]] std::string escape(std::string_view text, std::size_t limit = 512);

}  // namespace waxseal::text
