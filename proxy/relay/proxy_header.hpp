// The PROXY protocol, versions 1 and 2: what a load balancer says before the first octet of its
// client, so that the client's address and not the balancer's is known.
//
// Pure, and the same for every way of cutting the input. Uses exactly the header: the octet behind
// it may be the beginning of a ClientHello, and belongs to somebody else.
// Version 1 is one line of at most 107 octets. Of version 2 the addresses are taken, what follows
// them (TLVs) is only counted; LOCAL (the balancer's own check) and families without addresses give
// a header without a source. The datagram families are treated as the specification allows: as no
// address.
// Source: haproxy.org, doc/proxy-protocol.txt.
// Flow: receive() until result() is a Header or Malformed; from then on it takes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/network.hpp"

namespace waxseal::relay {

// The client behind a load balancer.
struct ProxySource {
    IpAddress address{};
    std::uint16_t port = 0;
    friend bool operator==(const ProxySource&, const ProxySource&) = default;
};

class ProxyHeader {
  public:
    struct NeedMore {
        friend bool operator==(const NeedMore&, const NeedMore&) = default;
    };
    struct Header {
        std::size_t length = 0;             // in octets, all of which were taken
        std::optional<ProxySource> source;  // none: LOCAL, UNKNOWN, or no IP address
        friend bool operator==(const Header&, const Header&) = default;
    };
    struct Malformed {
        std::string reason;  // one line, nothing of the peer's octets in it
        friend bool operator==(const Malformed&, const Malformed&) = default;
    };
    using Result = std::variant<NeedMore, Header, Malformed>;

    // Returns how many of the octets belong to the header.
    std::size_t receive(std::string_view octets);
    [[nodiscard]] const Result& result() const noexcept { return result_; }

  private:
    void look();
    void look_at_line();
    void look_at_block();

    std::string taken_;
    std::size_t length_ = 0;  // of a version 2 header, once it is known
    Result result_;
};

}  // namespace waxseal::relay
