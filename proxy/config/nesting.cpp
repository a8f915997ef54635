// A lexer for the little of TOML that nests: strings and comments are skipped, brackets and the
// dots of keys counted. On a text that is no TOML it may count wrong; the real parser stops there
// anyway.
#include "config/nesting.hpp"

namespace waxseal::config {
namespace {

// Ours has one level of each.
constexpr unsigned most_brackets = 16;
constexpr unsigned most_dots = 16;

class Lexer {
  public:
    explicit Lexer(std::string_view text) : rest_(text) {}

    std::optional<Nesting> run() {
        while (!rest_.empty()) {
            const char c = rest_[0];
            if (c == '#') {
                skip_to_line_end();
            } else if (c == '"' || c == '\'') {
                skip_string(c);
            } else {
                count(c);
                if (dots_ > most_dots)
                    return here("a key of more than 16 parts; no key here has more than two");
                if (brackets_ > most_brackets)
                    return here(
                        "brackets nested more than 16 deep; a list of texts is all that is needed");
                advance();
            }
        }
        return std::nullopt;
    }

  private:
    [[nodiscard]] Nesting here(std::string text) const { return {line_, column_, std::move(text)}; }

    void count(char c) {
        if (c == '.') {
            ++dots_;
            return;
        }
        if (c == '[' || c == '{') ++brackets_;
        if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
        if (c == '\n' || c == '=' || c == ',' || c == '[' || c == '{') dots_ = 0;
    }

    void advance() {
        const auto c = static_cast<unsigned char>(rest_[0]);
        rest_.remove_prefix(1);
        if (c == '\n') {
            ++line_;
            column_ = 1;
        } else if ((c & 0xC0U) != 0x80U) {
            ++column_;
        }
    }

    void skip_to_line_end() {
        while (!rest_.empty() && rest_[0] != '\n') advance();
    }

    void skip_string(char quote) {
        const std::string triple(3, quote);
        const bool multiline = rest_.starts_with(triple);
        for (int i = 0; i < (multiline ? 3 : 1); ++i) advance();
        while (!rest_.empty()) {
            if (multiline ? rest_.starts_with(triple) : rest_[0] == quote) break;
            if (!multiline && rest_[0] == '\n') return;
            // An escaped quote ends nothing; a literal string has no escapes.
            if (quote == '"' && rest_[0] == '\\' && rest_.size() > 1 && rest_[1] != '\n') advance();
            advance();
        }
        // Up to two more quotes may belong to the text just before the closing three.
        for (int i = 0; i < (multiline ? 5 : 1) && !rest_.empty() && rest_[0] == quote; ++i)
            advance();
    }

    std::string_view rest_;
    unsigned line_ = 1;
    unsigned column_ = 1;
    unsigned brackets_ = 0;
    unsigned dots_ = 0;
};

}  // namespace

std::optional<Nesting> excessive_nesting(std::string_view toml) { return Lexer(toml).run(); }

}  // namespace waxseal::config
