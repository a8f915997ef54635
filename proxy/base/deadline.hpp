// An alarm that follows a machine's timer(): it runs from the last progress of the thing it belongs
// to, and is set anew only when that has moved, so watching after every event costs nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/reactor.hpp"
#include "base/timer.hpp"

namespace waxseal {

class Deadline {
  public:
    Deadline(Reactor& reactor, std::function<void()> on_expiry)
        : alarm_(reactor.alarm(std::move(on_expiry))) {}

    // `progress` counts whatever shows that the other side is alive: octets moved.
    void watch(Timer timer, std::uint64_t progress, Duration duration) {
        if (timer == timer_ && progress == progress_) return;
        timer_ = timer;
        progress_ = progress;
        if (timer == Timer::none) return alarm_->disarm();
        alarm_->arm(duration);
    }
    void stop() { watch(Timer::none, 0, {}); }
    [[nodiscard]] Timer watched() const noexcept { return timer_; }

  private:
    std::unique_ptr<Alarm> alarm_;
    Timer timer_ = Timer::none;
    std::uint64_t progress_ = 0;
};

}  // namespace waxseal
