// Message data on the wire: the decoder (what a downstream sends after 354) and the encoder (what
// an upstream gets).
//
// RFC 5321 4.5.2 (transparency), 2.3.8 (line ends), 4.1.1.4: only CRLF "." CRLF ends a message, at
// any chunking of the input. The order is: un-stuff on our own line model, repair, and stuff again
// on output; stuffed octets are never forwarded, so a sequence that some server further on would
// take for an end of data cannot survive (SMTP smuggling).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace waxseal::smtp {

enum class LineEndings { repair, reject };

// What a decoder saw; counted over one message.
struct DataFindings {
    std::uint64_t octets = 0;   // of the decoded message, without the dots added and the end mark
    std::uint64_t bare_lf = 0;  // repaired to CRLF, or refused
    std::uint64_t bare_cr = 0;  // repaired to SP, or refused
    std::uint64_t nul = 0;      // always refused
    std::uint64_t long_lines = 0;  // above 998 octets (RFC 5322 2.1.1), passed on unchanged
    bool eight_bit = false;        // an octet above 127
    bool endless_line = false;     // above limits::text_line: refused
};

// Why a message must not be passed on. `none` while all is well. When several are true, the later
// one is told.
enum class DataFault { none, line_too_long, line_endings, nul };

// Flow: decode() repeatedly, consuming what it says, until `ended`; one decoder a message. Once
// fault() is not none what was decoded is worthless, and decode() appends nothing more; but it goes
// on finding the true end of data, so that the downstream sees an answer. Any chunking of the input
// gives the same message, findings and end.
class DataDecoder {
  public:
    explicit DataDecoder(LineEndings mode) : mode_(mode) {}

    struct Progress {
        std::size_t consumed = 0;  // of the input: all of it, or up to and with the end of data
        bool ended = false;
    };
    // Appends decoded octets to `out`: un-stuffed, every line end CRLF, a CRLF before the end mark
    // belongs to the message. An end mark right after 354 gives an empty message.
    [[nodiscard]] Progress decode(std::string_view input, std::string& out);
    [[nodiscard]] DataFault fault() const noexcept;
    [[nodiscard]] const DataFindings& findings() const noexcept { return findings_; }

  private:
    // One state for each distinct prefix of CRLF "." CRLF that can be pending; see data.cpp for the
    // table.
    enum class State : std::uint8_t { line_start, text, cr, dot, dot_cr };
    // Again: the octet was not taken, and is to be looked at in the new state.
    enum class Step : std::uint8_t { taken, again, ended };

    [[nodiscard]] std::size_t take_plain(std::string_view input, std::string& out);
    [[nodiscard]] Step step(char c, std::string& out);
    [[nodiscard]] Step bare_cr(std::string& out);
    void special_octet(char c, std::string& out);
    void space(std::string& out);
    void line_end(std::string& out);
    void measure(std::size_t octets) noexcept;

    LineEndings mode_;
    State state_ = State::line_start;
    std::size_t line_length_ = 0;  // of the decoded line so far
    DataFindings findings_;
};

// Stuffs decoded octets for DATA: the only place where message octets get their wire form. What it
// is given has CRLF line ends only, as the decoder writes them; a bare LF is asserted against,
// because it could end a message early at a server that is lenient. (A CR may be the last octet of
// one call and its LF the first of the next.)
class DataEncoder {
  public:
    // Appends the stuffed octets to `out`.
    void encode(std::string_view decoded, std::string& out);
    // Appends the end mark, with a CRLF before it when the last line had none. The message is
    // complete with it: never call it for a message that is not.
    void finish(std::string& out);

  private:
    enum class Position : std::uint8_t { line_start, text, cr };
    Position position_ = Position::line_start;
};

}  // namespace waxseal::smtp
