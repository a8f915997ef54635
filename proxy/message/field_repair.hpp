// One field of a header block, repaired: its form, its text, its length.
//
// RFC 5322 2.2.3, 4.5 (what is obsolete), 2.1.1; RFC 2047 5 says where encoded words may be. A
// field that needs nothing travels octet for octet.
#pragma once

#include <string>
#include <string_view>

#include "base/repairs.hpp"
#include "message/charset.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

class FieldRepairer {
  public:
    FieldRepairer(const std::string& legacy_charset, bool utf8_headers)
        : converter_(legacy_charset), utf8_headers_(utf8_headers) {}

    // Appends the field, with a line end behind it. What was done.
    Repairs write(const Field& field, std::string& out);

  private:
    Repairs write_text_of(const Field& field, std::string& out);

    Converter converter_;
    bool utf8_headers_;
};

}  // namespace waxseal::message
