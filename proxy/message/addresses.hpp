// The address lists of From, To and the like, as devices write them: taken apart into elements as
// far as they can be understood. Nothing is judged by what it means, and nothing is copied.
//
// RFC 5322 3.2.2 (comments), 3.2.4 (quoted strings), 3.4 (mailboxes, groups), 4.4. Beyond it: a
// display name may hold any character as long as it is certain where it ends. `Doe, John <j@d>` is
// one mailbox, since Doe has no "@"; `a@b, c <d@e>` is two; a colon begins a group only if a
// semicolon ends one.
//
// Flow: understood(); next() until it returns nothing. Offsets are those of the text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace waxseal::message {

// What begins at a place: a quoted string, a comment, <…>, […], or one octet.
class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text), last_bracket_(text.rfind(']')) {}
    // Where it ends; nothing when it does not.
    [[nodiscard]] std::optional<std::size_t> end_of(std::size_t place) const;
    // The same for a text with mistakes: from the first thing on that does not end all are octets.
    // Many that do not end are so not each looked through to the end of the text.
    [[nodiscard]] std::size_t next(std::size_t place);

  private:
    [[nodiscard]] std::optional<std::size_t> quoted(std::size_t place) const;
    [[nodiscard]] std::optional<std::size_t> comment(std::size_t place) const;
    [[nodiscard]] std::optional<std::size_t> angle(std::size_t place) const;

    std::string_view text_;
    std::size_t last_bracket_;
    bool mistaken_ = false;
};

struct Element {
    enum class Kind {
        mailbox,  // with <…>; what is before it is the display name
        open,     // a name, and an address without its <…>: certain, as nothing else has an "@"
        bare,     // no <…>, but an "@"
        names,    // no "@": one, or several with commas between; or the name of a group
        other,    // not understood
    };
    Kind kind = Kind::other;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t angle = 0;  // of a mailbox: where <…> begins and ends; of an open one the address
    std::size_t angle_end = 0;
};

class AddressReader {
  public:
    explicit AddressReader(std::string_view text);

    // Whether all that is opened is closed; else there is nothing to read.
    [[nodiscard]] bool understood() const noexcept { return understood_; }
    [[nodiscard]] bool has_groups() const noexcept { return has_groups_; }
    // Empty ones are passed over.
    [[nodiscard]] std::optional<Element> next();

  private:
    void look();
    [[nodiscard]] std::optional<Element> scan();
    [[nodiscard]] bool separates(char c) const noexcept;

    std::string_view text_;
    Lexer lexer_;
    std::size_t place_ = 0;
    bool understood_ = true;
    bool has_groups_ = false;
    std::optional<Element> ready_;  // was read to know that what was before it is complete
};

// The addr-spec of an element, without comments, white space and a source route;
// empty: it has none.
[[nodiscard]] std::string address_of(std::string_view text, const Element& element);

}  // namespace waxseal::message
