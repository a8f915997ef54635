// Parameters of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183) whose values are not
// ASCII, written anew as RFC 2231 has it: name*=UTF-8''…, in sections where one line is too short.
// Encoded words have no place in a parameter, though some write them there.
#pragma once

#include <string_view>

#include "message/encoded_words.hpp"

namespace waxseal::message {

// Writes the body of such a field, which is valid UTF-8. Whether anything was changed.
[[nodiscard]] bool write_parameters(FieldWriter& writer, std::string_view body);

// Whether there is a boundary that is not ASCII. The body has its octets, so nothing is to be
// changed in that field.
[[nodiscard]] bool has_foreign_boundary(std::string_view body);

}  // namespace waxseal::message
