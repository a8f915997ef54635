// What all workers share of admitting clients and of their sessions: the limits, who is locked out,
// what has been logged of refusals, how many wait before SMTP, replies that were lost on their way,
// the sessions' numbers.
//
// Thread-safe. Flow: one for the process; every Proxy has it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "auth/lockout.hpp"
#include "relay/admission.hpp"
#include "relay/lost_replies.hpp"
#include "relay/refusals.hpp"
#include "relay/slow_clients.hpp"

namespace waxseal::relay {

// How many connections of each listener wait for a header or a handshake.
class Arrivals {
  public:
    void add(const std::string& listener);
    void remove(std::string_view listener);
    [[nodiscard]] std::size_t of(std::string_view listener) const;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::size_t, std::less<>> count_;
};

struct Door {
    Door();
    explicit Door(std::uint64_t id_base) : id_base_(id_base) {}
    Admission admission;
    auth::Lockout lockout;
    Refusals refusals;
    Arrivals arrivals;
    LostReplies lost_replies;
    SlowClients slow;
    // The next session's, unlike all others of this process and most likely those of the last.
    [[nodiscard]] std::string next_id();

  private:
    std::uint64_t id_base_;
    std::atomic<std::uint64_t> ids_ = 0;
};

}  // namespace waxseal::relay
