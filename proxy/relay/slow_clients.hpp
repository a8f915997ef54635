// Devices in the middle of whose message an upstream has lost its patience: what they send next is
// collected first. Bounded, thread-safe; a day without such a thing is enough to be forgotten.
#pragma once

#include <chrono>
#include <mutex>

#include "base/limits.hpp"
#include "base/network.hpp"
#include "base/reactor.hpp"
#include "base/recent.hpp"

namespace waxseal::relay {

class SlowClients {
  public:
    void note(const IpAddress& client, TimePoint now) {
        const std::lock_guard lock(mutex_);
        clients_.touch(client, now);
    }
    [[nodiscard]] bool knows(const IpAddress& client, TimePoint now) {
        const std::lock_guard lock(mutex_);
        clients_.forget(now - std::chrono::hours(24));
        return clients_.knows(client);
    }

  private:
    std::mutex mutex_;
    struct Nothing {};
    Recent<IpAddress, Nothing> clients_{limits::remembered_clients};
};

}  // namespace waxseal::relay
