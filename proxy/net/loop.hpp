// The event loop of one worker over libuv: the time, alarms, "later", signals, and messages from
// other threads.
//
// Contract: one thread; only Poster (and what it gives) may be used from others. Deferred functions
// run after the
//   current callback has returned, at the latest before the loop would block, in the order they
//   were given; those given meanwhile run in the next round, so that they cannot starve input.
//   Whatever lives on the loop (channels, alarms, listeners) is destroyed before it. Its own
//   destruction closes every handle that still closes in the background, and asserts that none is
//   left.
// Flow: make it; on_signal(), listeners, …; run() until stop(); destroy what lives on it; destroy
// it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/reactor.hpp"

struct uv_loop_s;

namespace waxseal::net {

class Loop final : public Reactor {
  public:
    // The door for other threads. A copy may outlive the loop: what is posted then is destroyed
    // unrun.
    class Poster {
      public:
        // Runs the function on the loop's thread. False when the loop has ended.
        bool post(std::function<void()> function) const;

      private:
        friend class Loop;
        struct Box;
        explicit Poster(std::shared_ptr<Box> box) : box_(std::move(box)) {}
        std::shared_ptr<Box> box_;
    };

    Loop();
    ~Loop() override;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    [[nodiscard]] TimePoint now() const noexcept override;
    [[nodiscard]] std::unique_ptr<Alarm> alarm(std::function<void()> on_expiry) override;
    void defer(std::function<void()> function) override;

    // Returns after stop(). May be called again.
    void run();
    void stop();

    // Calls the function, on the loop, whenever the process gets this signal; until the loop is
    // destroyed.
    void on_signal(int number, std::function<void()> function);

    void post(std::function<void()> function) override { (void)poster_.post(std::move(function)); }
    [[nodiscard]] const Poster& poster() const noexcept { return poster_; }

    // For net/ itself.
    [[nodiscard]] uv_loop_s* handle() const noexcept;
    // The one block that every read of this loop goes through: an idle connection holds no buffer.
    [[nodiscard]] std::span<char> read_block() noexcept { return read_block_; }
    // Connections that wait for the peer to close too. Stream counts, and keeps the number small.
    [[nodiscard]] std::size_t& lingering() noexcept { return lingering_; }

  private:
    struct Handles;

    void run_deferred() noexcept;
    void close_everything() noexcept;

    std::unique_ptr<Handles> handles_;
    Poster poster_;
    std::vector<std::function<void()>> deferred_;
    std::vector<char> read_block_;
    std::size_t lingering_ = 0;
};

}  // namespace waxseal::net
