// Comments of structured fields (RFC 5322 3.2.2), whose text may be encoded words (RFC 2047 5 (2)).
#pragma once

#include <string_view>

#include "message/encoded_words.hpp"

namespace waxseal::message {

// Writes a text with its comments encoded where they are not ASCII. Whether one was.
bool write_comments(FieldWriter& writer, std::string_view text);

}  // namespace waxseal::message
