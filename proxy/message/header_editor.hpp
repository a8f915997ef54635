// The header editor: makes of what a device sends a message that providers accept. Only the header
// block is looked at and changed; the body flows by. Pure: no clock, no randomness; what depends on
// them is given.
//
// RFC 5322 (fields, folding, 998 octets a line), RFC 2047 (encoded words), RFC 2231 (parameters),
// RFC 6532 (UTF-8 in headers), RFC 6376 (a DKIM signature covers header and body: such a message is
// not touched at all).
//
// Flow: edit() with each piece of the decoded message (CRLF line ends only, as smtp::DataDecoder
//   writes them; a CR may be the last octet of one piece and its LF the first of the next), then
//   finish(); what both return goes on, in order. Any chunking gives the same octets. One editor a
//   message. Views live until the next call. The header block is held until it is complete, or
//   larger than limits::header_block: then it is passed on as it is (untouched()), unless it had to
//   have another sender: then nothing is, and the message must not go on (refused()). From then on
//   edit() returns its input itself, and looks at it only for fold_body.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/repairs.hpp"

namespace waxseal::message {

// What is to be done to a message.
struct Edits {
    // Add what is missing, drop what has no place, quote, encode, fold. Without it only what is
    // asked for below.
    bool repair = true;
    std::string date;        // RFC 5322 3.3 date-time, for a missing Date; empty: none is added
    std::string message_id;  // "<…@…>", for a missing Message-ID; empty: none is added
    std::string from;        // addr-spec, for a missing From; empty: none is added
    // Addr-spec for Reply-To, where a missing From becomes the sender's; empty: none is added.
    std::string reply_to;
    // Addr-spec that From and Sender are to have, with the original in Reply-To if there is none;
    // empty: they are kept.
    std::string sender;
    // Only what is of none of these domains is rewritten to `sender`; nothing: whatever it is.
    std::optional<std::vector<std::string>> own_domains;
    bool utf8_headers = false;  // valid UTF-8 stays as it is (SMTPUTF8); else it is encoded
    std::string legacy_charset = "windows-1252";  // of text that is no UTF-8; a name iconv knows
    std::string received;                         // body of a Received field, folded; empty: none
    bool fold_body = false;                       // lines above 998 octets
};

class HeaderEditor {
  public:
    // `edits` is copied.
    explicit HeaderEditor(Edits edits);
    ~HeaderEditor();
    HeaderEditor(HeaderEditor&&) noexcept;
    HeaderEditor& operator=(HeaderEditor&&) noexcept;

    [[nodiscard]] std::string_view edit(std::string_view octets);
    // The message is complete.
    [[nodiscard]] std::string_view finish();

    [[nodiscard]] Repairs repairs() const noexcept;
    // Why the message was left as it is: "dkim", "header_too_large"; empty: it was not.
    [[nodiscard]] std::string_view untouched() const noexcept;
    // A sender was to be put into a header that is too large to be looked at.
    [[nodiscard]] bool refused() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Whether a charset of this name can be converted from.
[[nodiscard]] bool known_charset(const std::string& name);

}  // namespace waxseal::message
