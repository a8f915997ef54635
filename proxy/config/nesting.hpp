// How deep a TOML text nests, found without recursion and before the real parser sees it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace waxseal::config {

struct Nesting {
    unsigned line = 0;
    unsigned column = 0;
    std::string text;
};

// The first place where a key has too many parts or brackets nest too deep; nothing when all is
// ordinary.
[[nodiscard]] std::optional<Nesting> excessive_nesting(std::string_view toml);

}  // namespace waxseal::config
