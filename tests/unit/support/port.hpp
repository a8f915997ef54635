// A world with one listener whose connections do not all begin with SMTP: what the tests of
// relay/proxy.cpp share about load balancers and TLS.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "relay/proxy.hpp"
#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

namespace waxseal::testing {

inline const std::string greeting = "220 relay.test ESMTP waxseal\r\n";
inline const std::string not_allowed = "554 5.7.1 This address may not use this relay\r\n";
inline const char* const balancer = "198.51.100.7";

// Stands for a ClientHello.
inline const std::string hello{"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03zz", 13};

// The balancer's header for a client.
inline std::string line(const std::string& from) {
    return "PROXY TCP4 " + from + " 198.51.100.1 56324 25\r\n";
}

// A world with one listener, for 192.0.2.0/24 and behind a load balancer outside of it.
class Port {
  public:
    explicit Port(relay::TlsMode tls) {
        world.settings->tls_handshake = std::chrono::seconds(7);
        settings = {world.settings,
                    {*parse_network("192.0.2.0/24")},
                    {1000, 100},
                    tls,
                    {*parse_network(balancer)}};
    }

    World world;
    relay::ListenerSettings settings;

    Device& arrive(const char* from, Wire::Options options = {.client_hello = hello}) {
        auto wire = Wire::make(world.reactor, std::move(options));
        world.devices.push_back(std::make_unique<Device>(world.reactor, wire));
        world.proxy->accept(wire->channel(), *parse_ip(from), settings);
        world.devices.back()->listen();
        return *world.devices.back();
    }
    [[nodiscard]] std::size_t sessions_begun() const { return world.log.count("session_start"); }
    // After the end of all: `sessions` there were, and nothing stays behind.
    [[nodiscard]] std::string left(std::size_t sessions) {
        Wrongs wrongs;
        check_log(world.log, sessions, wrongs);
        check_nothing_left(world, wrongs);
        return listed(wrongs);
    }
};

inline void relays_a_message(World& world, Device& device) {
    for (const char* const said : {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n",
                                   "RCPT TO:<b@example.com>\r\n", "DATA\r\n", "x\r\n.\r\n"})
        device.say(said);
    CHECK(device.last() == "250 2.0.0 Ok: queued as 1\r\n");
    CHECK(world.upstream.accepted() == 1);
    device.say("QUIT\r\n");
    CHECK(device.closed());
}

}  // namespace waxseal::testing
