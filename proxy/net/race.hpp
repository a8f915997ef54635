// Happy Eyeballs (RFC 8305 4 and 5) as a pure machine: which address to try when. No socket, no
// clock of its own.
//
// Contract: the addresses are tried in the order given, with families alternating and IPv6 first;
// the next one when
//   the attempt begun last has failed, when none is left under way, or `attempt_delay` after the
//   last one was begun. The caller connects, reports failures, and ends the race when an attempt
//   succeeds or time is up.
// Flow: whenever something happened: while (next(now)) connect; then if lost() give up, else come
// back at wakeup().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reactor.hpp"
#include "net/address.hpp"

namespace waxseal::net {

class Race {
  public:
    static constexpr Duration attempt_delay{250};  // RFC 8305 8: the recommended value
    // A name may have any number of addresses; a bound for our descriptors and the user's patience.
    static constexpr std::size_t most_attempts = 16;

    explicit Race(const std::vector<Address>& addresses);

    // The index of an address to connect to now, if it is time for one.
    [[nodiscard]] std::optional<std::size_t> next(TimePoint now);
    void failed(std::size_t index, std::string reason);
    // When next() will have something although nothing else happens.
    [[nodiscard]] std::optional<TimePoint> wakeup() const;
    // Every attempt has failed.
    [[nodiscard]] bool lost() const noexcept;

    [[nodiscard]] const Address& address(std::size_t index) const {
        return attempts_[index].address;
    }
    // "192.0.2.1: connection refused; 2001:db8::1: network is unreachable"; attempts under way are
    // given `pending`.
    [[nodiscard]] std::string report(const std::string& pending) const;

  private:
    enum class State { waiting, running, failed };
    struct Attempt {
        Address address;
        State state = State::waiting;
        std::string reason;
    };

    [[nodiscard]] std::size_t running() const noexcept;
    [[nodiscard]] bool due_at_once() const noexcept;

    std::vector<Attempt> attempts_;
    std::size_t begun_ = 0;  // so many of them, from the front
    TimePoint last_begin_{};
};

// IPv6 and IPv4 alternately, IPv6 first, duplicates dropped; the order within a family is kept (RFC
// 8305 4).
[[nodiscard]] std::vector<Address> interleave(const std::vector<Address>& addresses);

}  // namespace waxseal::net
