#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "base/secret.hpp"

namespace waxseal {

namespace {
// Blocks up to this size are kept for the next bytes; larger ones go back to the heap as soon as
// they are empty.
constexpr std::size_t keep_capacity = 512;

// What one read gives, and one TLS record with its header and tag.
constexpr std::size_t chunk = 17 * 1024;

// AddressSanitizer is to see who keeps a view of a block that was given back.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t spare_blocks = 0;
#else
constexpr std::size_t spare_blocks = 8;
#endif

// Empty blocks of about that size, for this thread's queues.
struct Spare {
    std::array<std::string, spare_blocks> blocks;
    std::size_t count = 0;
    ~Spare();
};
// Queues of static life may outlive it; a bool needs no destruction.
thread_local bool no_more_spare = false;
thread_local Spare spare;
Spare::~Spare() { no_more_spare = true; }

// Chunks that are there to be sent need not have twice their room.
constexpr std::size_t larger_than(std::size_t capacity) {
    return capacity < chunk ? 2 * capacity : capacity + capacity / 2;
}

// A block with room for `size`.
std::string make_block(std::size_t size) {
    if (!no_more_spare && size > keep_capacity && spare.count != 0 &&
        spare.blocks[spare.count - 1].capacity() >= size)
        return std::move(spare.blocks[--spare.count]);
    std::string block;
    block.reserve(size > chunk / 4 ? std::max(size, chunk) : size);
    return block;
}

void drop_block(std::string& block) noexcept {
    block.clear();
    if (block.capacity() <= keep_capacity) return;
    if (!no_more_spare && spare.count < spare_blocks && block.capacity() >= chunk &&
        block.capacity() <= 4 * chunk) {
        spare.blocks[spare.count++].swap(block);
    } else {
        std::string().swap(block);
    }
}

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
        std::string larger = make_block(std::max(kept + more, larger_than(block_.capacity())));
        larger.append(front());
        explicit_bzero(block_.data(), block_.size());
        block_.swap(larger);
        drop_block(larger);
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
    drop_block(block_);
}

}  // namespace waxseal
