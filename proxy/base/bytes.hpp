// A byte queue: what has arrived and is not yet used, or is to be sent and has not yet gone.
//
// Contract: one contiguous block, so front() is one view and a parser never meets a seam. append()
// may move the block and so invalidates views; consume() never does. What is moved is overwritten
// where it was, so that a queue may carry a credential: wipe() it when it was used. Memory is given
// back when the queue runs empty, which is what keeps an idle session small; blocks as large as a
// chunk of a message wait for the next one, a few for each thread, so that relaying allocates
// nothing. Not thread-safe; sizes are octets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace waxseal {

class ByteQueue {
  public:
    ByteQueue() = default;
    ~ByteQueue() { release(); }
    ByteQueue(ByteQueue&& other) noexcept { swap(other); }
    ByteQueue& operator=(ByteQueue&& other) noexcept {
        clear();
        swap(other);
        return *this;
    }
    ByteQueue(const ByteQueue&) = delete;
    ByteQueue& operator=(const ByteQueue&) = delete;

    // The blocks change hands: views stay good.
    void swap(ByteQueue& other) noexcept {
        block_.swap(other.block_);
        std::swap(begin_, other.begin_);
    }

    [[nodiscard]] bool empty() const noexcept { return begin_ == block_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return block_.size() - begin_; }
    [[nodiscard]] std::string_view front() const noexcept {
        return std::string_view(block_).substr(begin_);
    }

    void append(std::string_view bytes);
    // Drops n octets from the front; n must not exceed size().
    void consume(std::size_t n) noexcept;
    // Drops everything and overwrites the memory first: for queues that have carried a credential.
    void wipe() noexcept;
    // consume(), with the n octets overwritten.
    void wipe(std::size_t n) noexcept;
    void clear() noexcept;

  private:
    void make_room(std::size_t more);
    void release() noexcept;

    std::string block_;
    std::size_t begin_ = 0;
};

}  // namespace waxseal
