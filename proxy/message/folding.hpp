// Line ends inside of a field, and lines that are too long (RFC 5322 2.1.1: 998 octets, 2.2.3).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace waxseal::message {

// Without its line ends: what white space followed them stays (RFC 5322 2.2.3).
[[nodiscard]] std::string unfolded(std::string_view text);

// Whether what ends here ends in a backslash that escapes what follows: no line may end there.
[[nodiscard]] bool escapes_next(std::string_view text);

// Appends a field with its line ends, and with no line above 998 octets: folded at the last white
// space before them, or behind one of the `separators` that is in no quoted string and no comment,
// where white space means nothing; else behind the colon, else anywhere but inside of a character.
// No line becomes blank by it. Whether there was such a line.
bool fold_field(std::string_view field, std::string& out, std::string_view separators = {});

// A field whose lines with encoded words have at most 76 octets (RFC 2047 2) as far as there is a
// place to fold them, by white space or a separator.
[[nodiscard]] std::string narrowed(std::string_view field, std::string_view separators);

// A body whose lines above 998 octets get CRLF SP where that many are full, as Postfix does it; but
// not inside of a character of UTF-8, nor of a "=XX" of quoted-printable.
//
// Flow: fold() with each piece, in order, then finish(). Views live until the next call. Of a line
//   that is nearly full the last octets are kept until it is known whether it is to be folded.
class BodyFolder {
  public:
    // The piece itself, or its front, if nothing is inserted in it.
    [[nodiscard]] std::string_view fold(std::string_view octets);
    // What was kept.
    [[nodiscard]] std::string_view finish();
    [[nodiscard]] bool folded() const noexcept { return folded_; }

  private:
    [[nodiscard]] std::string_view fold_lines(std::string_view octets);

    std::string kept_;
    std::string whole_;  // what was kept, and the piece behind it
    std::string written_;
    std::size_t column_ = 0;  // octets of the current line, its CR not counted
    bool folded_ = false;
};

}  // namespace waxseal::message
