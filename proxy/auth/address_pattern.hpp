// Which addresses a rule means: the reverse-paths that a [[user]] or a [[listen]] may write and a
// [[route]] is for, the recipients that they may write to. Pure.
//
// "a@b" (without regard to case, as in Postfix's tables), "@b" or "*@b" (that domain, without
// regard to case; not its subdomains, and not a local part that could be an address elsewhere:
// "x!y", "\"x@y\"") or "<>" (the null reverse-path, which nothing else fits).
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "smtp/path.hpp"

namespace waxseal::auth {

class AddressPattern {
  public:
    [[nodiscard]] static std::expected<AddressPattern, Error> parse(std::string_view text);
    // A recipient without a domain, "<postmaster>", fits none.
    [[nodiscard]] bool fits(const smtp::Path& path) const noexcept;

  private:
    enum class Kind { address, domain, null };
    AddressPattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    Kind kind_;
    std::string text_;
};

// Whether a list of those that are allowed lets it pass; an empty one is none and lets all pass.
[[nodiscard]] bool allows(std::span<const AddressPattern> patterns,
                          const smtp::Path& path) noexcept;

}  // namespace waxseal::auth
