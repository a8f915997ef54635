// Edits a whole header block: which fields there are, are missing, or are to be others.
//
// RFC 5322 3.6 (Date and From are required), 3.6.2 (From, Sender, Reply-To), 3.6.4 (Message-ID),
// 3.6.6 (Resent fields do not count), 3.6.7 (Received goes first).
#pragma once

#include <string>
#include <string_view>

#include "base/repairs.hpp"
#include "message/header_block.hpp"
#include "message/header_editor.hpp"

namespace waxseal::message {

// Whether one of the fields is a DKIM signature, in which case nothing may be changed.
[[nodiscard]] bool is_signed(std::string_view fields);

// Whether the body is one of which each octet is signed (RFC 1847 2.1).
[[nodiscard]] bool has_signed_body(std::string_view fields);

// Appends the message up to its body. What was done.
[[nodiscard]] Repairs edit_block(const Division& message, const Edits& edits, std::string& out);

}  // namespace waxseal::message
