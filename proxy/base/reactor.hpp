// What the deciding half of waxseal needs of an event loop, and no more: the time, alarms, and
// "later".
//
// net::Loop implements it over libuv; tests and fuzzers implement it with a simulated clock.
// Everything but post() is called on the loop's own thread. An Alarm never fires from inside arm();
// destroying one silences it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace waxseal {

using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Alarm {
  public:
    virtual ~Alarm() = default;
    // Fires once, after `delay`; arming again replaces the earlier appointment.
    virtual void arm(Duration delay) = 0;
    virtual void disarm() = 0;
};

class Reactor {
  public:
    virtual ~Reactor() = default;
    [[nodiscard]] virtual TimePoint now() const noexcept = 0;
    // The time of day, for what people read.
    [[nodiscard]] virtual std::chrono::system_clock::time_point time_of_day() const {
        return std::chrono::system_clock::now();
    }
    [[nodiscard]] virtual std::unique_ptr<Alarm> alarm(std::function<void()> on_expiry) = 0;
    // Runs the function after the current callback has returned: the only place where objects that
    // may be on the call stack are destroyed.
    virtual void defer(std::function<void()> function) = 0;
    // For other threads: runs the function on the loop's own, in the order of the calls. The
    // reactor must be there; where it has ended already, the function is destroyed unrun.
    virtual void post(std::function<void()> function) = 0;
};

// Destroys an object outside the present call stack, on which it may well be.
template <typename T>
void retire(Reactor& reactor, std::unique_ptr<T> object) {
    if (object) reactor.defer([keep = std::shared_ptr<T>(std::move(object))] {});
}

}  // namespace waxseal
