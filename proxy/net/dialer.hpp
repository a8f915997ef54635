// Opens connections to one upstream: name lookup, address race (RFC 8305), TCP connect, and for
// implicit TLS the engine in place before the first octet can be read.
//
// Contract: base/channel.hpp (Dialer, Dial). Both bounds hold together: `connect_timeout` covers
// everything up to the
//   TCP connection, `lookup_timeout` the name alone. The TLS handshake is the channel's and its
//   user's to time.
// Flow: make one for each upstream; dial() as often as wanted; the dialer outlives its dials.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/channel.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "net/tcp_channel.hpp"

namespace waxseal::net {

enum class TlsStart {
    by_user,  // STARTTLS or none: the user calls start_tls(), or never
    implicit  // before anything is read
};

struct DialerOptions {
    std::string host;  // a name or an IP address, without brackets
    std::uint16_t port = 0;
    TlsStart tls_start = TlsStart::implicit;
    TlsSettings tls;  // ClientTls; nothing for an upstream in cleartext
    Duration connect_timeout{10'000};
    Duration lookup_timeout{5'000};
};

class TcpDialer final : public Dialer {
  public:
    TcpDialer(Loop& loop, Resolver& resolver, DialerOptions options)
        : loop_(loop), resolver_(resolver), options_(std::move(options)) {}

    [[nodiscard]] std::unique_ptr<Dial> dial(std::function<void(DialResult)> on_result) override;

  private:
    Loop& loop_;
    Resolver& resolver_;
    DialerOptions options_;
};

}  // namespace waxseal::net
