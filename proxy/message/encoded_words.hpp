// Encoded words (RFC 2047), and the writer of fields that are folded anew because they got some.
//
// RFC 2047 2 (75 characters a word, 76 a line that has one), 5 (where they may be, and that white
// space between two of them vanishes), 4.1, 4.2 (the shorter of B and Q is taken; Q with the octets
// that are allowed in a phrase, which are allowed everywhere).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace waxseal::message {

[[nodiscard]] bool is_encoded_word(std::string_view word);

// The first encoded word of a text, one that stands for itself between white space; where there is
// none, an empty view of its end.
[[nodiscard]] std::string_view find_encoded_word(std::string_view text);

// Writes the body of one field.
//
// Flow: the name and the colon are in `out` already; text() and encoded() in order; finish().
class FieldWriter {
  public:
    enum class Folding {
        as_it_was,
        anew,       // not behind a backslash, which escapes what follows
        anew_text,  // of a field in which a backslash is one
    };

    FieldWriter(std::string& out, Folding folding);

    // As it is. Folded anew: its line ends are dropped, and there are others before its white
    // space.
    void text(std::string_view verbatim);
    // As encoded words, white space between them. Valid UTF-8. Only where it is folded anew.
    void encoded(std::string_view utf8);
    // White space, unless there is some already, or a bracket, after which none is needed.
    void space();
    // The last line end.
    void finish();

  private:
    void word(std::string_view octets);
    void new_line();
    void blank();
    void write(std::string_view octets);

    std::string& out_;
    Folding folding_;
    bool first_word_ = true;
    std::size_t column_;
    std::string blank_;  // white space that is not written yet
};

// A structured text that has no other form: each of its words that is not ASCII becomes an encoded
// one where it is. What gives it structure stays, but for a backslash before such a word.
void write_words(FieldWriter& writer, std::string_view text);

// A text that stands alone, or in a comment: its words that are not ASCII become encoded words,
// with what is between them. Those that it has already stay. Valid UTF-8, as in all of this.
void write_text(FieldWriter& writer, std::string_view text);

}  // namespace waxseal::message
