// Display names and comments of address lists, made such that every reader takes them for what they
// are: quoted where they hold what only a quoted string may, encoded where they are not ASCII.
//
// RFC 5322 3.2.3 (atoms), 3.2.4, 3.2.5 (phrases), RFC 2047 5 (2) and (3).
#pragma once

#include <string_view>

#include "base/repairs.hpp"
#include "message/encoded_words.hpp"

namespace waxseal::message {

class AddressWriter {
  public:
    // `encoding`: what is not ASCII is to be encoded, and the writer folds anew.
    AddressWriter(FieldWriter& writer, bool encoding) : writer_(writer), encoding_(encoding) {}

    // The body of an address field; valid UTF-8 where that is to be encoded. What is not understood
    // is written as it is. What was changed.
    [[nodiscard]] Repairs write(std::string_view body);

  private:
    enum class Quoting { allowed, none };

    void phrase(std::string_view text, Quoting quoting);
    void run(std::string_view text, Quoting quoting);
    void encode(std::string_view text);
    void quote(std::string_view text);
    void rest(std::string_view text);

    FieldWriter& writer_;
    bool encoding_;
    Repairs repairs_;
};

}  // namespace waxseal::message
