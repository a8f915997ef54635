// Internal to net/: the parts of TcpChannel that its two source files share and nobody else needs.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "net/tcp_channel.hpp"

namespace waxseal::net {

// What outlives the channel while a deferred turn or the user's own function is under way.
struct TcpChannel::Link {
    TcpChannel* channel = nullptr;  // null: destroyed
    std::shared_ptr<const std::function<void()>> notify;
    bool pending = false;  // a deferred turn is on its way
};

struct TcpChannel::TlsSide {
    std::unique_ptr<tls::Engine> engine;  // never null
    TlsPhase phase = TlsPhase::handshaking;
    std::string_view rest;    // decrypted and shown, not yet consumed; the engine owns it
    int transport_error = 0;  // why reading ended, when not by FIN
    bool starved = false;     // the engine has nothing more to say until something arrives
};

}  // namespace waxseal::net
