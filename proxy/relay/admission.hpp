// Who may open a session: the listener's networks, the limits on sessions at once, the rate of
// connections. Pure; knows addresses, not sockets. Thread-safe: the limits hold over all workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/network.hpp"
#include "base/reactor.hpp"
#include "relay/rate.hpp"

namespace waxseal::relay {

enum class Verdict : std::uint8_t {
    admitted,
    not_allowed,
    too_many,
    too_many_from_client,
    too_fast,
};

struct AdmissionLimits {
    std::uint64_t max_sessions = 0;
    std::uint64_t max_sessions_per_client = 0;
    std::uint64_t max_connections_per_minute = 0;  // of one client; 0: any
};

// Whether one of the networks contains the address.
[[nodiscard]] bool among(const IpAddress& address, const std::vector<Network>& networks) noexcept;

// Flow: admit(); when admitted, leave() once at the session's end, with the same address. Of a
// client whose address a load balancer has yet to tell: expect(); when admitted, identify() once
// the address is known, and when that is admitted, leave() as above; in every other case forget()
// once.
class Admission {
  public:
    [[nodiscard]] Verdict admit(const IpAddress& client, const std::vector<Network>& allowed,
                                const AdmissionLimits& limits, TimePoint now);
    void leave(const IpAddress& client);
    // A place among all sessions, for a client that is not known yet.
    [[nodiscard]] Verdict expect(const AdmissionLimits& limits);
    // It is `client` who has that place. Not admitted: the place is kept until forget().
    [[nodiscard]] Verdict identify(const IpAddress& client, const std::vector<Network>& allowed,
                                   const AdmissionLimits& limits, TimePoint now);
    void forget();
    [[nodiscard]] std::size_t sessions() const;
    // When there is none any more: how many there were at once since the time before. Once; else 0.
    [[nodiscard]] std::size_t take_most();

  private:
    // These with the lock held.
    [[nodiscard]] Verdict judge(const IpAddress& client, const std::vector<Network>& allowed,
                                const AdmissionLimits& limits, TimePoint now);

    void enter();

    mutable std::mutex mutex_;
    std::size_t sessions_ = 0;
    std::size_t most_ = 0;
    std::map<IpAddress, std::size_t> by_client_;
    ConnectionRate rate_;
};

}  // namespace waxseal::relay
