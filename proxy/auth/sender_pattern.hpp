// Which reverse-paths a rule means: what a [[user]] may write, and what a [[route]] is for. Pure.
//
// "a@b" (without regard to case, as in Postfix's tables), "@b" or "*@b" (that domain, without
// regard to case; not its subdomains) or "<>" (the null reverse-path, which nothing else fits).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "smtp/path.hpp"

namespace waxseal::auth {

class SenderPattern {
  public:
    [[nodiscard]] static std::expected<SenderPattern, Error> parse(std::string_view text);
    [[nodiscard]] bool fits(const smtp::Path& reverse_path) const noexcept;

  private:
    enum class Kind { address, domain, null };
    SenderPattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    Kind kind_;
    std::string text_;
};

}  // namespace waxseal::auth
