// One configured upstream, as the sessions share it: how to reach it, who we are there, how many at
// once, what it offered last time. Immutable but for the slots and that memory. Kept alive by
// whoever uses it, so that a reload harms no running session; slots and memory then go on in the
// next.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/channel.hpp"
#include "base/reactor.hpp"
#include "smtp/client.hpp"
#include "upstream/slots.hpp"

namespace waxseal::upstream {

struct Timeouts {
    Duration tls_handshake{};
    Duration reply{};
    Duration data_reply{};
    Duration queue{};
};

struct Provider {
    std::string name;
    std::unique_ptr<Dialer> dialer;
    smtp::ClientSettings client;
    Timeouts timeouts;
    Slots slots;
    Duration idle_timeout{};  // how long a session may keep a connection between two transactions
    std::optional<smtp::Capabilities>
        last_offer;  // after login; what the next EHLO of a downstream is answered from
};

}  // namespace waxseal::upstream
