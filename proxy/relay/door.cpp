#include "relay/door.hpp"

#include <array>
#include <charconv>
#include <random>

namespace waxseal::relay {

void Arrivals::add(const std::string& listener) {
    const std::lock_guard lock(mutex_);
    ++count_[listener];
}

void Arrivals::remove(std::string_view listener) {
    const std::lock_guard lock(mutex_);
    const auto count = count_.find(listener);
    if (--count->second == 0) count_.erase(count);
}

std::size_t Arrivals::of(std::string_view listener) const {
    const std::lock_guard lock(mutex_);
    const auto count = count_.find(listener);
    return count == count_.end() ? 0 : count->second;
}

// Session ids need not be secret, only unlike those of the last run.
Door::Door() : id_base_(std::random_device{}()) {}

std::string Door::next_id() {
    std::array<char, 17> text{};
    const std::uint64_t value = (id_base_ << 24U) + ids_.fetch_add(1) + 1;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
    return {text.data(), end};
}

}  // namespace waxseal::relay
