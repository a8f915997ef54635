#include "relay/spool.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace waxseal::relay {

namespace {

// One write to the file: at least 64 KiB, and whole pieces.
constexpr std::size_t largest_block = 5 * limits::read_block;
static_assert(largest_block >= 64 * 1024);

std::string_view view(const std::vector<char>& block) { return {block.data(), block.size()}; }

}  // namespace

Spool::Spool(SpillFactory make, std::size_t memory)
    : make_(std::move(make)), memory_(memory), block_size_(std::min(largest_block, memory)) {}

std::size_t Spool::in_memory() const noexcept {
    return blocks_.empty() ? 0 : (blocks_.size() - 1) * block_size_ + blocks_.back().size();
}

std::size_t Spool::held() const noexcept {
    std::size_t total = piece_.capacity();
    for (const Block& block : blocks_) total += block.capacity();
    return total;
}

std::expected<void, Error> Spool::append(std::string_view octets) {
    if (failed_) return std::unexpected(*failed_);
    if (!file_ && octets.size() > memory_ - in_memory()) {
        if (auto done = spill(); !done) return done;
    }
    if (file_) return append_to_file(octets);
    keep(octets);
    return {};
}

std::expected<void, Error> Spool::spill() {
    auto made = make_();
    if (!made) return fail(std::move(made.error()));
    file_ = std::move(*made);
    for (const Block& block : blocks_)
        if (auto done = write(view(block)); !done) return done;
    blocks_.clear();
    return {};
}

// Only whole blocks are written, and what is as large as one is not copied first.
std::expected<void, Error> Spool::append_to_file(std::string_view octets) {
    const std::size_t gathered = in_memory();
    if (gathered + octets.size() < block_size_) {
        keep(octets);
        return {};
    }
    if (gathered != 0) {
        const std::size_t missing = block_size_ - gathered;
        keep(octets.substr(0, missing));
        octets.remove_prefix(missing);
        if (auto done = write(view(blocks_.front())); !done) return done;
        blocks_.front().clear();
    }
    if (octets.size() >= block_size_) return write(octets);
    keep(octets);
    return {};
}

std::expected<void, Error> Spool::write(std::string_view octets) {
    if (octets.empty()) return {};
    if (auto done = file_->append(octets); !done) return fail(std::move(done.error()));
    in_file_ += octets.size();
    return {};
}

// A vector takes as much as it is told to; a string would take twice that.
void Spool::keep(std::string_view octets) {
    while (!octets.empty()) {
        if (blocks_.empty() || blocks_.back().size() == block_size_) blocks_.emplace_back();
        Block& block = blocks_.back();
        const std::size_t taken = std::min(octets.size(), block_size_ - block.size());
        const std::size_t needed = block.size() + taken;
        if (needed > block.capacity()) {
            const std::size_t most =
                std::min(block_size_, memory_ - (blocks_.size() - 1) * block_size_);
            block.reserve(std::clamp(2 * block.capacity(), needed, most));
        }
        block.insert(block.end(), octets.begin(),
                     octets.begin() + static_cast<std::ptrdiff_t>(taken));
        octets.remove_prefix(taken);
    }
}

std::expected<std::string_view, Error> Spool::next() {
    if (failed_) return std::unexpected(*failed_);
    if (position_ < in_file_) return next_of_file();
    const std::size_t offset = static_cast<std::size_t>(position_ - in_file_);
    if (offset == in_memory()) return std::string_view();
    const std::string_view rest = view(blocks_[offset / block_size_]).substr(offset % block_size_);
    const std::string_view piece = rest.substr(0, limits::read_block);
    position_ += piece.size();
    return piece;
}

std::expected<std::string_view, Error> Spool::next_of_file() {
    piece_.resize(static_cast<std::size_t>(
        std::min<std::uint64_t>(limits::read_block, in_file_ - position_)));
    const auto got = file_->read(position_, piece_);
    if (!got) return fail(got.error());
    if (*got != piece_.size()) return fail({"a temporary file is shorter than what was written"});
    position_ += piece_.size();
    return view(piece_);
}

// Nobody may read a message with a hole; what it takes up is of use to others.
std::unexpected<Error> Spool::fail(Error error) {
    blocks_.clear();
    blocks_.shrink_to_fit();
    Block().swap(piece_);
    file_.reset();
    failed_ = std::move(error);
    return std::unexpected(*failed_);
}

}  // namespace waxseal::relay
