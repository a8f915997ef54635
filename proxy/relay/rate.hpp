// How many connections a client has opened in the last minute: a sliding window of two counts, the
// minute before weighted by the part of it that the window still covers (the usual approximation;
// no client gets more than its number in any minute of steady traffic). Connections that are
// refused for their rate do not count, so a client that hammers still gets its number. Pure;
// bounded memory.
#pragma once

#include <cstdint>

#include "base/network.hpp"
#include "base/reactor.hpp"
#include "base/recent.hpp"

namespace waxseal::relay {

class ConnectionRate {
  public:
    ConnectionRate();
    // Whether `client` may open another one now; then it is counted. 0: always.
    [[nodiscard]] bool take(const IpAddress& client, std::uint64_t per_minute, TimePoint now);
    [[nodiscard]] std::size_t clients() const noexcept { return clients_.size(); }

  private:
    struct Count {
        TimePoint since{};  // of the present minute
        std::uint64_t now = 0;
        std::uint64_t before = 0;  // in the minute before
    };
    Recent<IpAddress, Count> clients_;
};

}  // namespace waxseal::relay
