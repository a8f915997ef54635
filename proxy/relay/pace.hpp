// The minimum data rate of a body: pure, over TimePoint.
//
// As Postfix's smtpd_min_data_rate with smtpd_per_request_deadline: a body begins with `grace` to
// live; time takes from that, and each octet gives back 1/rate seconds, up to `grace` and no more.
// So a sender may pause for as long as the grace, and one that is slower than the rate on average
// is found out, whatever it did in between. Time in which we do not read (back-pressure) does not
// count.
//
// Flow: construct when the body begins; received() for octets; run() with whether we read; left()
// says how much time there is: none left, and it is too slow.
#pragma once

#include <cstdint>
#include <optional>

#include "base/reactor.hpp"

namespace waxseal::relay {

class Pace {
  public:
    // `rate` in octets a second, not 0.
    Pace(std::uint64_t rate, Duration grace, TimePoint now);

    void received(std::uint64_t octets, TimePoint now);
    void run(bool reading, TimePoint now);
    // Nothing while the clock stands still.
    [[nodiscard]] std::optional<Duration> left(TimePoint now) const;

  private:
    void pass(TimePoint now);

    std::uint64_t rate_;
    std::uint64_t full_;    // what `grace` is worth, in thousandths of octets
    std::uint64_t credit_;  // what is left of it
    TimePoint counted_;     // up to when
    bool reading_ = true;
};

}  // namespace waxseal::relay
