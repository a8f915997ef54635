// Reverse-paths and forward-paths (RFC 5321 4.1.2, 4.1.1.2, 4.1.1.3; RFC 6531 3.3 for UTF-8; RFC
// 5321 C: source routes).
//
// A Path can only be made by parsing, holds a validated addr-spec, and is written back from that
// value: whatever a downstream put around it (spaces, source route) does not travel. Anything that
// is not printable ASCII or valid UTF-8 is refused, so no CR, LF, NUL or ESC can hide in one.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace waxseal::smtp {

enum class PathKind {
    reverse,  // may be "<>"
    forward,  // may be "<postmaster>" without a domain
};

class Path {
  public:
    // The addr-spec without angle brackets; empty for the null reverse-path.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    [[nodiscard]] bool null() const noexcept { return address_.empty(); }
    // Holds an octet above 127, so that it needs SMTPUTF8.
    [[nodiscard]] bool needs_utf8() const noexcept;
    [[nodiscard]] std::string_view domain()
        const noexcept;  // after the last '@'; empty when there is none
    [[nodiscard]] std::string text() const { return "<" + address_ + ">"; }

    friend bool operator==(const Path&, const Path&) = default;

  private:
    explicit Path(std::string address) : address_(std::move(address)) {}
    friend struct PathParser;
    std::string address_;
};

struct PathError {
    std::string reason;  // for the reply's text; quotes nothing the peer sent
};

struct ParsedPath {
    Path path;
    std::string_view rest;  // what follows the closing bracket: empty, or begins with a space
};

// Parses "<path>" at the start of `text`, spaces before it allowed (the text after "FROM:" or
// "TO:").
[[nodiscard]] std::expected<ParsedPath, PathError> parse_path(std::string_view text, PathKind kind);

}  // namespace waxseal::smtp
