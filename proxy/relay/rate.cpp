#include "relay/rate.hpp"

#include "base/limits.hpp"

namespace waxseal::relay {

namespace {
constexpr Duration minute = std::chrono::minutes(1);
}  // namespace

ConnectionRate::ConnectionRate() : clients_(limits::remembered_clients) {}

bool ConnectionRate::take(const IpAddress& client, std::uint64_t per_minute, TimePoint now) {
    if (per_minute == 0) return true;
    clients_.forget(now - 2 * minute);
    Count& count = clients_.touch(client, now);
    if (now - count.since >= 2 * minute) {
        count = {now, 0, 0};
    } else if (now - count.since >= minute) {
        count = {count.since + minute, 0, count.now};
    }
    const auto covered = static_cast<std::uint64_t>((minute - (now - count.since)).count());
    const auto whole = static_cast<std::uint64_t>(minute.count());
    if (count.now + count.before * covered / whole >= per_minute) return false;
    ++count.now;
    return true;
}

}  // namespace waxseal::relay
