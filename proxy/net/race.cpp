// The order and the timing of connection attempts.
#include "net/race.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace waxseal::net {

namespace {
// A report names so many addresses: enough to see the pattern, and still one line.
constexpr std::size_t most_reported = 6;
}  // namespace

std::vector<Address> interleave(const std::vector<Address>& addresses) {
    std::vector<Address> six;
    std::vector<Address> four;
    for (const Address& address : addresses) {
        auto& family = address.ipv4() ? four : six;
        if (std::ranges::find(family, address) == family.end()) family.push_back(address);
    }
    std::vector<Address> result;
    for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) {
        if (i < six.size()) result.push_back(six[i]);
        if (i < four.size()) result.push_back(four[i]);
    }
    return result;
}

Race::Race(const std::vector<Address>& addresses) {
    for (const Address& address : interleave(addresses)) {
        if (attempts_.size() == most_attempts) break;
        attempts_.push_back({address, State::waiting, {}});
    }
}

std::optional<std::size_t> Race::next(TimePoint now) {
    if (begun_ == attempts_.size()) return std::nullopt;
    if (!due_at_once() && now < last_begin_ + attempt_delay) return std::nullopt;
    last_begin_ = now;
    attempts_[begun_].state = State::running;
    return begun_++;
}

void Race::failed(std::size_t index, std::string reason) {
    assert(attempts_[index].state == State::running);
    attempts_[index].state = State::failed;
    attempts_[index].reason = std::move(reason);
}

std::optional<TimePoint> Race::wakeup() const {
    if (begun_ == attempts_.size()) return std::nullopt;
    return due_at_once() ? last_begin_ : last_begin_ + attempt_delay;
}

bool Race::lost() const noexcept { return begun_ == attempts_.size() && running() == 0; }

std::size_t Race::running() const noexcept {
    return static_cast<std::size_t>(std::ranges::count(attempts_, State::running, &Attempt::state));
}

bool Race::due_at_once() const noexcept {
    return begun_ == 0 || attempts_[begun_ - 1].state == State::failed || running() == 0;
}

std::string Race::report(const std::string& pending) const {
    std::string text;
    for (std::size_t i = 0; i < std::min(attempts_.size(), most_reported); ++i) {
        const Attempt& attempt = attempts_[i];
        if (!text.empty()) text += "; ";
        text += attempt.address.ip_text() + ": ";
        text += attempt.state == State::failed    ? attempt.reason
                : attempt.state == State::running ? pending
                                                  : "not tried";
    }
    if (attempts_.size() > most_reported) {
        text += "; and " + std::to_string(attempts_.size() - most_reported) + " more";
    }
    return text;
}

}  // namespace waxseal::net
