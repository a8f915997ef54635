#include "relay/admission.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace waxseal::relay {

bool among(const IpAddress& address, const std::vector<Network>& networks) noexcept {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const Network& network) { return network.contains(address); });
}

Verdict Admission::admit(const IpAddress& client, const std::vector<Network>& allowed,
                         const AdmissionLimits& limits, TimePoint now) {
    const std::lock_guard lock(mutex_);
    return judge(client, allowed, limits, now);
}

Verdict Admission::judge(const IpAddress& client, const std::vector<Network>& allowed,
                         const AdmissionLimits& limits, TimePoint now) {
    if (!among(client, allowed)) return Verdict::not_allowed;
    const IpAddress key = client_key(client);
    if (!rate_.take(key, limits.max_connections_per_minute, now)) return Verdict::too_fast;
    if (sessions_ >= limits.max_sessions) return Verdict::too_many;
    std::size_t& own = by_client_[key];
    if (own >= limits.max_sessions_per_client) return Verdict::too_many_from_client;
    ++own;
    enter();
    return Verdict::admitted;
}

void Admission::leave(const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    const auto entry = by_client_.find(client_key(client));
    if (entry == by_client_.end()) return;
    --sessions_;
    if (--entry->second == 0) by_client_.erase(entry);
}

Verdict Admission::expect(const AdmissionLimits& limits) {
    const std::lock_guard lock(mutex_);
    if (sessions_ >= limits.max_sessions) return Verdict::too_many;
    enter();
    return Verdict::admitted;
}

// Its own place must not stand in its way.
Verdict Admission::identify(const IpAddress& client, const std::vector<Network>& allowed,
                            const AdmissionLimits& limits, TimePoint now) {
    const std::lock_guard lock(mutex_);
    assert(sessions_ != 0);
    --sessions_;
    const Verdict verdict = judge(client, allowed, limits, now);
    if (verdict != Verdict::admitted) ++sessions_;
    return verdict;
}

void Admission::forget() {
    const std::lock_guard lock(mutex_);
    assert(sessions_ != 0);
    --sessions_;
}

void Admission::enter() {
    ++sessions_;
    most_ = std::max(most_, sessions_);
}

std::size_t Admission::take_most() {
    const std::lock_guard lock(mutex_);
    return sessions_ == 0 ? std::exchange(most_, 0U) : 0;
}

std::size_t Admission::sessions() const {
    const std::lock_guard lock(mutex_);
    return sessions_;
}

}  // namespace waxseal::relay
