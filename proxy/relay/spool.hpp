// A message that is collected before it is sent: in memory up to a bound, beyond that in a file.
//
// What it holds of memory never exceeds the bound but for one piece while it is read. Once it has
// spilled, what was in memory is in the file, and what follows is written there in blocks: a slow
// device must not cost a system call for each segment. The octets are somebody's message: they
// appear in no error and no log. Not thread-safe.
// Flow: append() to the end; next() until it is empty; for another attempt rewind() and next()
// again. Reading and appending may take turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "base/spill.hpp"

namespace waxseal::relay {

class Spool {
  public:
    explicit Spool(SpillFactory make, std::size_t memory = limits::spool_memory);

    // After an error the spool is worthless, and says the same to every later call.
    [[nodiscard]] std::expected<void, Error> append(std::string_view octets);
    [[nodiscard]] std::uint64_t size() const noexcept { return in_file_ + in_memory(); }
    // The next piece, at most limits::read_block octets; empty at the end. Lives until the next
    // call of anything here.
    [[nodiscard]] std::expected<std::string_view, Error> next();
    void rewind() noexcept { position_ = 0; }

    // Octets of memory that are held now.
    [[nodiscard]] std::size_t held() const noexcept;

  private:
    using Block = std::vector<char>;

    [[nodiscard]] std::size_t in_memory() const noexcept;
    [[nodiscard]] std::expected<std::string_view, Error> next_of_file();
    [[nodiscard]] std::expected<void, Error> spill();
    [[nodiscard]] std::expected<void, Error> append_to_file(std::string_view octets);
    [[nodiscard]] std::expected<void, Error> write(std::string_view octets);
    void keep(std::string_view octets);
    [[nodiscard]] std::unexpected<Error> fail(Error error);

    SpillFactory make_;
    std::size_t memory_;
    std::size_t block_size_;
    // All octets, or, once there is a file, those behind the ones in it. Each but the last is full.
    std::vector<Block> blocks_;
    std::unique_ptr<SpillFile> file_;
    std::uint64_t in_file_ = 0;
    std::uint64_t position_ = 0;  // of the next piece
    Block piece_;                 // of the file, as next() shows it
    std::optional<Error> failed_;
};

}  // namespace waxseal::relay
