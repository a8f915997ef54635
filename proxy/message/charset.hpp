// Text of an undeclared charset becomes UTF-8, over iconv, which is no more than a function here.
//
// Contract: never fails. What is valid UTF-8 is taken for UTF-8; anything else for text in the
// charset that was given. What that one does not define becomes U+FFFD.
#pragma once

#include <iconv.h>

#include <string>
#include <string_view>

namespace waxseal::message {

class Converter {
  public:
    explicit Converter(std::string charset) : charset_(std::move(charset)) {}
    ~Converter();
    Converter(const Converter&) = delete;
    Converter& operator=(const Converter&) = delete;

    [[nodiscard]] std::string to_utf8(std::string_view text);

  private:
    enum class Table { not_asked_for, open, unknown };

    void open();

    std::string charset_;
    iconv_t table_{};
    Table state_ = Table::not_asked_for;
};

}  // namespace waxseal::message
