// A header block taken apart: where it ends, and its fields, as views of the text they came in.
//
// RFC 5322 2.2, 3.6.8 (a name is printable ASCII without colon), 2.1.1; its obsolete forms too
// (4.5: white space before the colon). What is no field and no continuation ends the block, as the
// empty line does. A name that does not fit on a line is none.
//
// Flow: BlockScanner::complete() with all that has arrived, each time something has, until it says
//   where the line ends that decides; then divide(), and take_field() of what it calls fields.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace waxseal::message {

struct Field {
    std::string_view raw;   // with its line ends
    std::string_view name;  // without the colon, and white space before it
    std::string_view body;  // what follows the colon, with line ends, but for the last
};

// Whether a block is complete.
class BlockScanner {
  public:
    // `text` is what was given before, and what has come since. The offset after the line that
    // decides; nothing as long as more is needed.
    [[nodiscard]] std::optional<std::size_t> complete(std::string_view text);

  private:
    [[nodiscard]] bool decides(std::string_view line);

    std::size_t line_ = 0;      // where the current line begins
    std::size_t searched_ = 0;  // up to where there is no line end
    bool in_fields_ = false;
};

// In this order, without a gap; each may be empty.
struct Division {
    std::string_view mbox;    // lines "From …" before the first field
    std::string_view fields;  // the last one may lack its line end where the message ends there
    std::string_view separator;
    std::string_view body;
};

// Of a text that is complete to BlockScanner, or the whole message.
[[nodiscard]] Division divide(std::string_view text);

// The first field, which is removed; nothing when none is left.
[[nodiscard]] std::optional<Field> take_field(std::string_view& fields);

// The first line with its CRLF, or what there is of it; it is removed.
[[nodiscard]] std::string_view take_line(std::string_view& text);
[[nodiscard]] std::string_view without_line_end(std::string_view line);

[[nodiscard]] constexpr bool white(char c) noexcept { return c == ' ' || c == '\t'; }
// Nothing but white space and line ends.
[[nodiscard]] bool blank(std::string_view text);
// Without white space and line ends at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace waxseal::message
