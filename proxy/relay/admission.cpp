#include "relay/admission.hpp"

#include <algorithm>

namespace waxseal::relay {

Verdict Admission::admit(const IpAddress& client, const std::vector<Network>& allowed,
                         const AdmissionLimits& limits, TimePoint now) {
    const bool known = std::any_of(allowed.begin(), allowed.end(), [&](const Network& network) {
        return network.contains(client);
    });
    if (!known) return Verdict::not_allowed;
    const IpAddress key = client_key(client);
    if (!rate_.take(key, limits.max_connections_per_minute, now)) return Verdict::too_fast;
    if (sessions_ >= limits.max_sessions) return Verdict::too_many;
    std::size_t& own = by_client_[key];
    if (own >= limits.max_sessions_per_client) return Verdict::too_many_from_client;
    ++own;
    ++sessions_;
    return Verdict::admitted;
}

void Admission::leave(const IpAddress& client) {
    const auto entry = by_client_.find(client_key(client));
    if (entry == by_client_.end()) return;
    --sessions_;
    if (--entry->second == 0) by_client_.erase(entry);
}

}  // namespace waxseal::relay
