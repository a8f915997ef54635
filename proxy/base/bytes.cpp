#include "base/bytes.hpp"

#include <cassert>
#include <cstring>

namespace waxseal {

namespace {
// Blocks up to this size are kept for the next bytes; larger ones go back to the heap as soon as
// they are empty.
constexpr std::size_t keep_capacity = 512;
}  // namespace

void ByteQueue::append(std::string_view bytes) {
    if (begin_ != 0 && block_.size() + bytes.size() > block_.capacity()) {
        block_.erase(0, begin_);
        begin_ = 0;
    }
    block_.append(bytes);
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
