// A file without a name, for what does not fit into memory: what relay needs of one, and no more.
//
// app::TemporaryFile implements it; tests implement it in memory, and let it fail. Of one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.hpp"

namespace waxseal {

class SpillFile {
  public:
    virtual ~SpillFile() = default;
    // All of it, or an error, after which nobody knows what the file holds.
    [[nodiscard]] virtual std::expected<void, Error> append(std::string_view octets) = 0;
    // How many octets from there on it has put into `into`: as many as fit, fewer only at the end.
    [[nodiscard]] virtual std::expected<std::size_t, Error> read(std::uint64_t offset,
                                                                 std::span<char> into) = 0;
};

using SpillFactory = std::function<std::expected<std::unique_ptr<SpillFile>, Error>()>;

}  // namespace waxseal
