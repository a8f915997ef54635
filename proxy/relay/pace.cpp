#include "relay/pace.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

namespace waxseal::relay {

namespace {

// An octet is a thousand, a millisecond takes `rate`: no fraction is lost.
constexpr std::uint64_t octet = 1000;
constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() / 4;

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    return a != 0 && b > most / a ? most : a * b;
}

}  // namespace

Pace::Pace(std::uint64_t rate, Duration grace, TimePoint now)
    : rate_(rate),
      full_(product(rate, static_cast<std::uint64_t>(grace.count()))),
      credit_(full_),
      counted_(now) {
    assert(rate != 0);
}

void Pace::pass(TimePoint now) {
    if (reading_) {
        const auto passed = static_cast<std::uint64_t>((now - counted_).count());
        credit_ -= std::min(credit_, product(passed, rate_));
    }
    counted_ = now;
}

// Too late is too late: nothing is earned after the end of the credit.
void Pace::received(std::uint64_t octets, TimePoint now) {
    pass(now);
    if (credit_ != 0) credit_ = std::min(full_, credit_ + product(octets, octet));
}

void Pace::run(bool reading, TimePoint now) {
    pass(now);
    reading_ = reading;
}

std::optional<Duration> Pace::left(TimePoint now) const {
    if (!reading_) return std::nullopt;
    Pace then = *this;
    then.pass(now);
    return Duration(static_cast<Duration::rep>((then.credit_ + rate_ - 1) / rate_));
}

}  // namespace waxseal::relay
