#include "base/bytes.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/secret.hpp"

namespace waxseal {

namespace {
// Blocks up to this size are kept for the next bytes; larger ones go back to the heap as soon as
// they are empty.
constexpr std::size_t keep_capacity = 512;
}  // namespace

void ByteQueue::append(std::string_view bytes) {
    if (block_.size() + bytes.size() > block_.capacity()) make_room(bytes.size());
    block_.append(bytes);
}

// Moves what is there to the front, or to a larger block; where it was, nothing of it stays.
void ByteQueue::make_room(std::size_t more) {
    const std::size_t kept = size();
    if (kept + more <= block_.capacity()) {
        std::memmove(block_.data(), block_.data() + begin_, kept);
        explicit_bzero(block_.data() + kept, begin_);
        block_.resize(kept);
    } else {
        std::string larger;
        larger.reserve(std::max(kept + more, 2 * block_.capacity()));
        larger.append(front());
        waxseal::wipe(block_);
        block_.swap(larger);
    }
    begin_ = 0;
}

void ByteQueue::consume(std::size_t n) noexcept {
    assert(n <= size());
    begin_ += n;
    if (begin_ == block_.size()) release();
}

void ByteQueue::wipe() noexcept {
    explicit_bzero(block_.data(), block_.size());
    release();
}

void ByteQueue::wipe(std::size_t n) noexcept {
    assert(n <= size());
    explicit_bzero(block_.data() + begin_, n);
    consume(n);
}

void ByteQueue::clear() noexcept { release(); }

void ByteQueue::release() noexcept {
    begin_ = 0;
    if (block_.capacity() > keep_capacity) {
        std::string().swap(block_);
    } else {
        block_.clear();
    }
}

}  // namespace waxseal
