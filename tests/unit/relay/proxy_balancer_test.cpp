// Who is admitted as whom: load balancers and their headers, allow and limits behind them.
#include <string>

#include "unit/support/port.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

const std::string too_many = "421 4.3.2 Too many sessions; try again later\r\n";
const std::string local = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s;
// 192.0.2.9, port 56324.
const std::string block =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\xdc\x04\x00\x19"s;

std::string with_tls(TlsMode mode) {
    return mode == TlsMode::implicit || mode == TlsMode::automatic ? hello : "";
}

constexpr TlsMode every_mode[] = {TlsMode::none, TlsMode::starttls, TlsMode::implicit,
                                  TlsMode::automatic};

}  // namespace

TEST_CASE("a load balancer's header says who the client is, on every kind of listener") {
    for (const std::string& header : {line("192.0.2.9"), block}) {
        for (const TlsMode mode : every_mode) {
            Port port(mode);
            Device& device = port.arrive(balancer);
            CHECK(port.sessions_begun() == 0);
            device.say(header + with_tls(mode));
            CHECK(device.wire->sent() == greeting);
            CHECK(device.wire->sent_in_clear().empty() != with_tls(mode).empty());
            relays_a_message(port.world, device);
            CHECK(port.world.log.of("session_end").at(0)["client"] == "192.0.2.9");
            CHECK(port.left(1) == "");
        }
    }
}

TEST_CASE("automatic behind a load balancer: silence after the header is greeted in clear") {
    Port port(TlsMode::automatic);
    Device& device = port.arrive(balancer);
    port.world.reactor.advance(1s);
    CHECK(device.say(line("192.0.2.9")) == "");
    port.world.reactor.advance(150ms);
    CHECK(device.listen() == greeting);
    device.hang_up();
    CHECK(port.left(1) == "");
}

TEST_CASE("a header without an address: the balancer's own has to be allowed") {
    for (const std::string& header : {local, "PROXY UNKNOWN\r\n"s}) {
        Port port(TlsMode::none);
        Device& refused = port.arrive(balancer);
        CHECK(refused.say(header) == not_allowed);
        CHECK(refused.wire->fate() == Fate::closed);
        CHECK(port.world.log.of("client_refused").at(0)["client"] == balancer);
        port.settings.allow.push_back(*parse_network(balancer));
        Device& welcome = port.arrive(balancer);
        CHECK(welcome.say(header) == greeting);
        welcome.hang_up();
        CHECK(port.world.log.of("session_end").at(0)["client"] == balancer);
        CHECK(port.left(1) == "");
    }
}

TEST_CASE("a header from somebody else is believed by nobody") {
    for (const TlsMode mode : {TlsMode::none, TlsMode::starttls, TlsMode::automatic}) {
        Port port(mode);
        Device& device = port.arrive("192.0.2.66");
        device.say(line("192.0.2.1"));
        CHECK(device.last().starts_with("500 "));
        CHECK(device.closed());
        const auto ends = port.world.log.of("session_end");
        REQUIRE(ends.size() == 1);
        CHECK(ends[0]["client"] == "192.0.2.66");
        CHECK(ends[0]["end"] == "violation");
        CHECK(port.left(1) == "");
    }
    Port port(TlsMode::none);
    CHECK(port.arrive("203.0.113.1").wire->sent() == not_allowed);
    CHECK(port.left(0) == "");
}

TEST_CASE("a load balancer without its header is closed without a word, and told of") {
    for (const TlsMode mode : every_mode) {
        Port port(mode);
        for (const std::string& said : {"EHLO x\r\n"s, hello}) {
            Device& device = port.arrive(balancer);
            CHECK(device.say(said) == "");
            CHECK(device.closed());
        }
        const auto events = port.world.log.of("client_failed");
        REQUIRE(events.size() == 1);
        CHECK(events[0].level == log::Level::warn);
        CHECK(events[0]["client"] == balancer);
        CHECK(events[0]["cause"] == "no_header");
        CHECK(events[0]["reason"] == "it does not begin with a PROXY header");
        CHECK(port.left(0) == "");
    }
}

TEST_CASE("a header that never comes, and a port scan") {
    Port port(TlsMode::none);
    Device& silent = port.arrive(balancer);
    port.world.reactor.advance(5s);
    CHECK(silent.closed());
    port.arrive(balancer).hang_up();
    const auto events = port.world.log.of("client_failed");
    REQUIRE(events.size() == 2);
    CHECK(events[0]["reason"] == "no PROXY header within 5000 ms");
    CHECK(events[1].level == log::Level::debug);
    CHECK(events[1]["cause"] == "lost");
    CHECK(port.left(0) == "");
}

TEST_CASE("who may not come through a load balancer is told so, but gets no handshake") {
    for (const TlsMode mode : every_mode) {
        Port port(mode);
        Device& device = port.arrive(balancer);
        CHECK(device.say(line("203.0.113.9") + hello) ==
              (mode == TlsMode::implicit ? "" : not_allowed));
        CHECK(device.wire->fate() == Fate::closed);
        CHECK(device.wire->tls() == TlsPhase::none);
        CHECK(port.world.log.of("client_refused").at(0)["client"] == "203.0.113.9");
        CHECK(port.left(0) == "");
    }
}

TEST_CASE("who may not come directly gets no handshake either") {
    for (const TlsMode mode : every_mode) {
        Port port(mode);
        Device& device = port.arrive("203.0.113.9");
        CHECK(device.wire->sent() == (mode == TlsMode::implicit ? "" : not_allowed));
        CHECK(device.wire->fate() == Fate::closed);
        CHECK(device.wire->tls() == TlsPhase::none);
        CHECK(port.world.log.count("client_refused") == 1);
        CHECK(port.left(0) == "");
    }
}

TEST_CASE("the limits of a client are those of the address in the header") {
    Port port(TlsMode::none);
    port.settings.limits = {1000, 2, 0};
    const auto through = [&](const char* client) {
        return port.arrive(balancer).say(line(client));
    };
    CHECK(through("192.0.2.1") == greeting);
    CHECK(through("192.0.2.1") == greeting);
    CHECK(through("192.0.2.1").starts_with("421 4.7.0 Too many sessions from your address"));
    CHECK(through("192.0.2.2") == greeting);
    // The same client, past the balancer.
    CHECK(port.arrive("192.0.2.1").wire->fate() == Fate::closed);
    port.world.devices.front()->hang_up();
    CHECK(through("192.0.2.1") == greeting);
    CHECK(port.world.proxy->sessions() == 3);
}

TEST_CASE("the rate of a client is that of the address in the header") {
    Port port(TlsMode::none);
    port.settings.limits = {1000, 100, 2};
    const auto through = [&](const char* client) {
        return port.arrive(balancer).say(line(client));
    };
    CHECK(through("192.0.2.1") == greeting);
    CHECK(through("192.0.2.1") == greeting);
    CHECK(through("192.0.2.1").starts_with("421 4.7.0 Too many connections in a minute"));
    CHECK(through("192.0.2.2") == greeting);
}

TEST_CASE("who waits before SMTP counts as a session, and once") {
    Port port(TlsMode::none);
    port.settings.limits = {2, 100};
    Device& waiting = port.arrive(balancer);
    Device& direct = port.arrive("192.0.2.1");
    CHECK(port.arrive("192.0.2.2").wire->sent() == too_many);
    CHECK(port.arrive(balancer).wire->sent() == too_many);
    CHECK(waiting.say(line("192.0.2.3")) == greeting);
    CHECK(port.arrive("192.0.2.2").wire->sent() == too_many);
    waiting.hang_up();
    Device& again = port.arrive("192.0.2.2");
    CHECK(again.wire->sent() == greeting);
    // Refused after its header, and gone during it: both places are free again.
    direct.hang_up();
    CHECK(port.arrive(balancer).say(line("203.0.113.9")) == not_allowed);
    port.arrive(balancer).hang_up();
    CHECK(port.arrive("192.0.2.4").wire->sent() == greeting);
    CHECK(port.world.proxy->sessions() == 2);
}

TEST_CASE("a reload is for those that come after it") {
    Port port(TlsMode::automatic);
    Device& device = port.arrive(balancer);
    port.settings.allow.clear();
    port.settings.tls = TlsMode::none;
    CHECK(device.say(line("192.0.2.1") + hello) == greeting);
    CHECK(device.wire->tls() == TlsPhase::established);
    CHECK(port.arrive("192.0.2.1").wire->sent() == not_allowed);
}

TEST_CASE("a unix peer is known by its socket's path") {
    Port port(TlsMode::none);
    port.settings.allow = {*parse_network("::1")};
    Device& device = port.arrive("::1", {.peer_address = "unix:/run/waxseal.sock"});
    CHECK(device.wire->sent() == greeting);
    device.hang_up();
    CHECK(port.world.log.of("session_end").at(0)["client"] == "unix:/run/waxseal.sock");
    CHECK(port.left(1) == "");
}
