#include "auth/lockout.hpp"

#include <algorithm>
#include <iterator>

namespace waxseal::auth {

Duration Lockout::delay_after(unsigned failures) const {
    Duration delay = limits_.first_delay;
    for (unsigned i = 1; i < failures && delay < limits_.longest_delay; ++i) delay *= 2;
    return std::min(delay, limits_.longest_delay);
}

// The entry of a client, moved to the end of the list.
Lockout::Entry& Lockout::touch(const IpAddress& key, TimePoint now) {
    if (const auto known = by_client_.find(key); known != by_client_.end()) {
        entries_.splice(entries_.end(), entries_, known->second);
        return entries_.back();
    }
    if (!entries_.empty() && by_client_.size() >= limits_.clients) {
        by_client_.erase(entries_.front().client);
        entries_.pop_front();
    }
    entries_.push_back({key, 0, now});
    by_client_.emplace(key, std::prev(entries_.end()));
    return entries_.back();
}

Duration Lockout::failed(const IpAddress& client, TimePoint now) {
    const std::lock_guard lock(mutex_);
    // An exchange that was under way when the lock fell does not prolong it.
    if (is_locked(client, now)) return limits_.longest_delay;
    Entry& entry = touch(client_key(client), now);
    const Duration valid = full(entry) ? limits_.locked_for : limits_.memory;
    if (now - entry.last >= valid) entry.failures = 0;
    entry.last = now;
    ++entry.failures;
    return delay_after(entry.failures);
}

bool Lockout::locked(const IpAddress& client, TimePoint now) const {
    const std::lock_guard lock(mutex_);
    return is_locked(client, now);
}

std::size_t Lockout::clients() const {
    const std::lock_guard lock(mutex_);
    return by_client_.size();
}

bool Lockout::is_locked(const IpAddress& client, TimePoint now) const {
    const auto known = by_client_.find(client_key(client));
    if (known == by_client_.end()) return false;
    const Entry& entry = *known->second;
    return full(entry) && now - entry.last < limits_.locked_for;
}

}  // namespace waxseal::auth
