#include "relay/refusals.hpp"

#include "base/limits.hpp"

namespace waxseal::relay {

namespace {
constexpr Duration again_after = std::chrono::minutes(1);
constexpr Duration second = std::chrono::seconds(1);
constexpr unsigned lines_per_second = 10;
}  // namespace

Refusals::Refusals() : seen_(limits::remembered_clients) {}

std::optional<std::uint64_t> Refusals::note(Kind kind, const IpAddress& client, TimePoint now) {
    const std::lock_guard lock(mutex_);
    Seen& seen = seen_.touch({kind, client_key(client)}, now);
    ++seen.untold;
    if (seen.told && now - *seen.told < again_after) return std::nullopt;
    if (now - second_ >= second) {
        second_ = now;
        lines_ = 0;
    }
    if (lines_ == lines_per_second) return std::nullopt;
    ++lines_;
    seen.told = now;
    return std::exchange(seen.untold, 0);
}

std::size_t Refusals::remembered() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
}

}  // namespace waxseal::relay
