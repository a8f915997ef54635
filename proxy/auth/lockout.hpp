// Failed logins of one client address: each is answered later than the one before it, and after too
// many the address is locked out for a while.
//
// Pure over time points. Thread-safe: one for all workers. Memory is bounded: at most `clients`
// addresses are remembered, and the one whose last failure is longest ago is forgotten for a new
// one. An IPv6 client is its /64: one host has 2^64 addresses there.
//
// Flow: locked() before a login is begun and before each of its steps counts (454 4.7.0 while it
// holds); failed() at its end, whose result is how long the 535 is held back. A malformed exchange
// is no failure. A success takes nothing back: whoever has one account here could otherwise guess
// at all the others for ever.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <mutex>

#include "base/network.hpp"
#include "base/reactor.hpp"

namespace waxseal::auth {

struct LockoutLimits {
    // Dovecot holds back the reply to a failed login by 2 s, twice as long with every further one
    // of the address, 15 s at most (auth_failure_delay, and the penalty of its anvil service);
    // Postfix sleeps 1 s (smtpd_error_sleep_time).
    Duration first_delay = std::chrono::seconds(2);
    Duration longest_delay = std::chrono::seconds(15);
    // fail2ban bans for 10 min after 5 failures within 10 min (bantime, maxretry, findtime). Twice
    // as many here: several devices may stand behind one address, and a device with an old password
    // tries it at every scan.
    unsigned failures = 10;
    Duration memory = std::chrono::minutes(10);  // a failure counts until so long after the last
    Duration locked_for = std::chrono::minutes(10);
    std::size_t clients = 10'000;  // about 2 MB
};

class Lockout {
  public:
    explicit Lockout(LockoutLimits limits = {}) : limits_(limits) {}

    // Counts a failure. How long the reply to it is to be held back.
    [[nodiscard]] Duration failed(const IpAddress& client, TimePoint now);
    [[nodiscard]] bool locked(const IpAddress& client, TimePoint now) const;
    [[nodiscard]] std::size_t clients() const;

  private:
    struct Entry {
        IpAddress client;
        unsigned failures = 0;
        TimePoint last;
    };
    using Entries = std::list<Entry>;

    // These with the lock held.
    [[nodiscard]] bool is_locked(const IpAddress& client, TimePoint now) const;
    [[nodiscard]] bool full(const Entry& entry) const { return entry.failures >= limits_.failures; }
    [[nodiscard]] Duration delay_after(unsigned failures) const;
    Entry& touch(const IpAddress& key, TimePoint now);

    LockoutLimits limits_;
    mutable std::mutex mutex_;
    Entries entries_;  // the longest ago first
    std::map<IpAddress, Entries::iterator> by_client_;
};

}  // namespace waxseal::auth
