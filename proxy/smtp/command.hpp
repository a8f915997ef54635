// Command lines, as the server machine reads them: cut from the stream (LineReader), then
// recognised (parse_command).
//
// RFC 5321 2.3.8 (CRLF is the only line end; devices are allowed LF), 4.1.1 (commands), 4.5.3.1.4
// (length). What follows the verb is left to path.hpp and parameters.hpp. Lines are views into the
// caller's buffer: nothing is copied here, and nothing is kept but two counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace waxseal::smtp {

enum class Verb : std::uint8_t {
    ehlo,
    helo,
    mail,
    rcpt,
    data,
    rset,
    noop,
    quit,
    vrfy,
    expn,
    help,
    starttls,
    auth,
    bdat,
    proxy,  // the PROXY protocol, version 1: a load balancer where none is expected
    http,   // GET, POST, PUT, HEAD, CONNECT, OPTIONS, DELETE: a browser or a cross-protocol attack
    unknown,
};
inline constexpr std::size_t verb_count = static_cast<std::size_t>(Verb::unknown) + 1;

[[nodiscard]] std::string_view to_string(Verb verb) noexcept;

struct Command {
    Verb verb = Verb::unknown;
    // After the verb and one or more spaces, trailing spaces removed; a view into the line.
    std::string_view argument;
};

// Recognises a line (without its line end). Verbs in any case, ended by a space or the end of the
// line; anything else is Verb::unknown. A line that begins with a space, or is empty, is unknown
// too.
[[nodiscard]] Command parse_command(std::string_view line) noexcept;

// The octets begin as a TLS record with a handshake does (RFC 8446 5.1): a ClientHello where a
// command should be. It has no line end to wait for.
[[nodiscard]] bool begins_tls(std::string_view octets) noexcept;

// For MAIL ("FROM:") and RCPT ("TO:"): what follows the keyword and colon; nothing when the
// argument does not begin that way.
[[nodiscard]] std::optional<std::string_view> after_keyword(std::string_view argument,
                                                            std::string_view keyword) noexcept;

// Cuts the stream into lines; decides by octets alone, so that any chunking gives the same lines.
//
// Flow: find() over the whole front of the buffer, whenever there is more of it; then consume what
//   the result says (`discard` or `length`) before the next find(). Illegal and Endless end the
//   session: no line comes after them. The tail of a line that was too long is not executed: it is
//   skipped to its end.
class LineReader {
  public:
    enum class Ends : std::uint8_t { crlf, lf_too };
    // `limit` counts the line's end.
    explicit LineReader(std::size_t limit, Ends ends = Ends::crlf) : limit_(limit), ends_(ends) {}

    struct NeedInput {
        std::size_t discard = 0;  // octets of an over-long line, to be consumed now
    };
    struct Line {
        std::string_view text;  // without its end
        std::size_t length;     // octets to consume, the end included
        bool bare_lf = false;
    };
    struct TooLong {         // told once, when the end of the over-long line was found
        std::size_t length;  // octets to consume, the end included
    };
    struct Illegal {            // in a line: the stream cannot be trusted any more
        std::string_view what;  // "bare LF", "bare CR", "NUL"
    };
    struct Endless {};  // over-long and no end within limits::command_discard
    using Result = std::variant<NeedInput, Line, TooLong, Illegal, Endless>;

    [[nodiscard]] Result find(std::string_view buffer);
    // Another limit for the next lines: SASL responses may be longer than commands.
    // Takes effect at once, so not while skipping().
    void set_limit(std::size_t limit) noexcept { limit_ = limit; }
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
    // The head of the present line was given up: what comes is its tail.
    [[nodiscard]] bool skipping() const noexcept { return discarded_ != 0; }

  private:
    [[nodiscard]] Result finish(std::string_view rest) noexcept;
    [[nodiscard]] Result wait(std::string_view buffer) noexcept;

    std::size_t limit_;
    Ends ends_;
    std::size_t scanned_ = 0;    // octets of the buffer known to hold no line end
    std::size_t discarded_ = 0;  // octets of the present over-long line already given up
};

}  // namespace waxseal::smtp
