// Temporary files in memory, which fail when a test says so.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>

#include "base/spill.hpp"

namespace waxseal::testing {

struct Spills {
    // How many more times making, writing and reading succeed, in all.
    std::size_t until_failure = static_cast<std::size_t>(-1);
    std::size_t made = 0;
    std::size_t open = 0;
    std::size_t appends = 0;
    std::size_t smallest_append = static_cast<std::size_t>(-1);
    bool loses_octets = false;  // a file is shorter than what was written

    [[nodiscard]] SpillFactory factory() {
        return [this]() -> std::expected<std::unique_ptr<SpillFile>, Error> {
            if (!proceed()) return std::unexpected(Error{"cannot make a temporary file in memory"});
            ++made;
            return std::make_unique<File>(*this);
        };
    }

  private:
    [[nodiscard]] bool proceed() {
        if (until_failure == 0) return false;
        --until_failure;
        return true;
    }

    class File final : public SpillFile {
      public:
        explicit File(Spills& owner) : owner_(owner) { ++owner_.open; }
        ~File() override { --owner_.open; }
        File(const File&) = delete;
        File& operator=(const File&) = delete;

        std::expected<void, Error> append(std::string_view octets) override {
            if (!owner_.proceed()) return std::unexpected(Error{"no space left in memory"});
            ++owner_.appends;
            owner_.smallest_append = std::min(owner_.smallest_append, octets.size());
            content_ += octets.substr(0, octets.size() - (owner_.loses_octets ? 1 : 0));
            return {};
        }
        std::expected<std::size_t, Error> read(std::uint64_t offset,
                                               std::span<char> into) override {
            if (!owner_.proceed()) return std::unexpected(Error{"cannot read memory"});
            if (offset > content_.size()) return 0;
            return content_.copy(into.data(), into.size(), static_cast<std::size_t>(offset));
        }

      private:
        Spills& owner_;
        std::string content_;
    };
};

}  // namespace waxseal::testing
