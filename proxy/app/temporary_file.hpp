// Files without a name in $TMPDIR, or in /tmp: nobody else can open them, and they are gone when
// they are closed, however the program ends.
//
// Errors name the directory and what the system says; never what was to be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/spill.hpp"

namespace waxseal::app {

class TemporaryFile final : public SpillFile {
  public:
    [[nodiscard]] static std::expected<std::unique_ptr<SpillFile>, Error> make(
        const std::string& directory);
    ~TemporaryFile() override;
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    [[nodiscard]] std::expected<void, Error> append(std::string_view octets) override;
    [[nodiscard]] std::expected<std::size_t, Error> read(std::uint64_t offset,
                                                         std::span<char> into) override;

  private:
    TemporaryFile(int file, std::string directory)
        : file_(file), directory_(std::move(directory)) {}

    int file_;
    std::string directory_;
    std::uint64_t size_ = 0;
};

// Where a file cannot be made without a name. A descriptor, or an errno below zero.
[[nodiscard]] int open_and_unlink(const std::string& directory);

// The environment is read once, here.
[[nodiscard]] SpillFactory temporary_files();

}  // namespace waxseal::app
