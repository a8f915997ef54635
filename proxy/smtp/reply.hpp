// SMTP replies: the value, its writer (what downstreams read) and its incremental parser (what
// upstreams wrote).
//
// RFC 5321 4.2 (replies, multi-line form), 4.5.3.1.5 (line length); RFC 2034 and 3463 (enhanced
// status codes). Nothing an upstream wrote is ever copied to a downstream: a reply is parsed to
// this value, cleaned, and written anew.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace waxseal::smtp {

// RFC 3463 2: class "." subject "." detail.
struct EnhancedCode {
    int klass = 0;    // 2, 4 or 5
    int subject = 0;  // 0..999
    int detail = 0;   // 0..999
    friend bool operator==(const EnhancedCode&, const EnhancedCode&) = default;
};

struct Reply {
    int code = 0;                          // 200..599
    std::optional<EnhancedCode> enhanced;  // none for 3yz, greetings and EHLO replies
    std::vector<std::string> lines;        // text, without codes and line ends; at least one

    [[nodiscard]] bool positive() const noexcept { return code >= 200 && code < 300; }
    [[nodiscard]] bool intermediate() const noexcept { return code >= 300 && code < 400; }
    [[nodiscard]] bool transient() const noexcept { return code >= 400 && code < 500; }
    [[nodiscard]] bool permanent() const noexcept { return code >= 500; }

    friend bool operator==(const Reply&, const Reply&) = default;
};

// Short forms: make_reply(250, {2,1,0}, "Ok"); make_reply(354, "End data with <CR><LF>.<CR><LF>").
[[nodiscard]] Reply make_reply(int code, EnhancedCode enhanced, std::string_view text);
[[nodiscard]] Reply make_reply(int code, std::string_view text);

// The octets of a reply: every line "CODE-" or "CODE ", the enhanced code repeated on each line
// (RFC 2034 4), CRLF, at most 512 octets a line (longer text is continued on a further line of the
// same reply). A 334 is always one line, its text being a challenge in base64 (RFC 4954 4). Control
// octets other than HTAB are written as '?'.
[[nodiscard]] std::string write(const Reply& reply);

// An upstream's reply made fit for a downstream: control octets and octets above 126 become '?' (a
// tab a space), an enhanced code is put where there was none or where its class contradicts the
// reply code (x.0.0), a 3yz loses it, and at most 20 lines stay.
[[nodiscard]] Reply clean(const Reply& reply);

// One line for a log: "550 5.1.1 No such user / try again".
[[nodiscard]] std::string summary(const Reply& reply);

// The reply parser. Flow: receive() any octets, next() until it says NeedInput; after a ParseError
// it stays broken. Strict: lines end in CRLF (a bare LF or CR, or a NUL, is an error), codes
// [2-5][0-5][0-9] followed by SP, '-' or the end of the line, the same code on all lines; bounds
// are limits::reply_line, reply_lines, reply_total (CRLF included). The first enhanced code found
// is the reply's, and is taken off the lines that begin with it (not of a 3yz, which has none).
class ReplyParser {
  public:
    struct NeedInput {};
    struct ParseError {
        std::string reason;
    };
    using Result = std::variant<NeedInput, Reply, ParseError>;

    void receive(std::string_view bytes);
    [[nodiscard]] Result next();
    // Octets received and not yet part of a reply that next() returned: a security boundary wants 0
    // (RFC 3207 4.2).
    [[nodiscard]] std::size_t buffered() const noexcept;
    void reset() noexcept;

  private:
    [[nodiscard]] std::optional<std::size_t> find_line();
    void take_line(std::string_view line, std::size_t length);

    ByteQueue input_;
    std::size_t scanned_ = 0;  // octets at the front of input_ known to hold no line end
    std::size_t total_ = 0;    // octets of the reply being collected
    std::optional<Reply> partial_;
    std::optional<ParseError> broken_;
    enum class Line { more, last } last_line_ = Line::more;
};

}  // namespace waxseal::smtp
