// What a Proxy makes of connections that begin with TLS, or may: what is said and logged, and drain
// and stop in every phase before a session.
#include <string>
#include <vector>

#include "unit/support/port.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using namespace waxseal::testing;
using namespace std::chrono_literals;

namespace {

// What a connection waits for before its session, by name.
struct Phase {
    std::string name;
    TlsMode tls;
    const char* from;
    std::string said;
};
const std::vector<Phase> phases{
    {"nothing of a header", TlsMode::none, balancer, ""},
    {"half a header", TlsMode::automatic, balancer, "PROXY TC"},
    {"the greeting held", TlsMode::automatic, "192.0.2.1", ""},
    {"the greeting held behind a header", TlsMode::automatic, balancer, line("192.0.2.1")},
    {"no ClientHello", TlsMode::implicit, "192.0.2.1", ""},
    {"half a ClientHello", TlsMode::automatic, "192.0.2.1", hello.substr(0, 5)},
    {"the handshake under way", TlsMode::implicit, "192.0.2.1", hello},
    {"the handshake under way behind a header", TlsMode::automatic, balancer,
     line("192.0.2.1") + hello},
};

Device& bring_to(Port& port, const Phase& phase) {
    Device& device = port.arrive(phase.from, {.tls = TlsPlan::hangs, .client_hello = hello});
    if (!phase.said.empty()) device.say(phase.said);
    CHECK(port.world.proxy->sessions() == 1);
    CHECK(port.sessions_begun() == 0);
    CHECK_FALSE(device.closed());
    return device;
}

}  // namespace

TEST_CASE("without TLS and load balancer a session begins at once, within accept()") {
    for (const TlsMode mode : {TlsMode::none, TlsMode::starttls}) {
        Port port(mode);
        auto wire = Wire::make(port.world.reactor, {});
        port.world.proxy->accept(wire->channel(), *parse_ip("192.0.2.1"), port.settings);
        CHECK(port.sessions_begun() == 1);
    }
}

TEST_CASE("implicit: all is said inside TLS") {
    Port port(TlsMode::implicit);
    Device& device = port.arrive("192.0.2.1");
    CHECK(port.sessions_begun() == 0);
    CHECK(device.say(hello) == greeting);
    relays_a_message(port.world, device);
    CHECK(device.wire->sent_in_clear().empty());
    CHECK(port.left(1) == "");
}

TEST_CASE("automatic: a ClientHello is implicit TLS") {
    Port port(TlsMode::automatic);
    Device& device = port.arrive("192.0.2.1");
    CHECK(device.say(hello.substr(0, 1)) == "");
    CHECK(device.say(hello.substr(1)) == greeting);
    relays_a_message(port.world, device);
    CHECK(device.wire->sent_in_clear().empty());
    CHECK(port.left(1) == "");
}

TEST_CASE("automatic: who waits is greeted in clear after 150 ms") {
    Port port(TlsMode::automatic);
    Device& device = port.arrive("192.0.2.1");
    port.world.reactor.advance(149ms);
    CHECK(device.listen() == "");
    port.world.reactor.advance(1ms);
    CHECK(device.listen() == greeting);
    relays_a_message(port.world, device);
    CHECK(port.left(1) == "");
}

TEST_CASE("automatic: who does not wait for the greeting is refused in its place") {
    for (const char* from : {"192.0.2.1", balancer}) {
        Port port(TlsMode::automatic);
        Device& device = port.arrive(from);
        if (from == balancer) device.say(line("192.0.2.1"));
        port.world.reactor.advance(100ms);
        CHECK(device.say("EHLO x\r\nMAIL FROM:<a@b.c>\r\n") ==
              "554 5.5.0 Protocol synchronization error: wait for the greeting; closing\r\n");
        CHECK(device.closed());
        const auto events = port.world.log.of("protocol_violation");
        REQUIRE(events.size() == 1);
        CHECK(events[0]["client"] == "192.0.2.1");
        CHECK(events[0]["reason"] == "data sent before the greeting");
        CHECK(events[0]["hint"].find("tls = \"auto\"") != std::string::npos);
        CHECK(port.left(1) == "");
    }
}

TEST_CASE("a port that is greeted at once serves a script that is piped into it") {
    Port port(TlsMode::starttls);
    Device& device = port.arrive("192.0.2.1");
    CHECK(device.say("EHLO x\r\nNOOP\r\n").starts_with("250-"));
    CHECK(device.replies().size() == 3);
    relays_a_message(port.world, device);
    CHECK(port.left(1) == "");
}

TEST_CASE("automatic: who goes before the greeting leaves a session's end in the log") {
    Port port(TlsMode::automatic);
    port.arrive("192.0.2.1").hang_up();
    CHECK(port.left(1) == "");
}

TEST_CASE("a handshake that fails is explained to the administrator, once a minute") {
    Port port(TlsMode::implicit);
    const auto fail = [&] {
        Device& device = port.arrive("192.0.2.1", {.tls = TlsPlan::fails, .client_hello = hello});
        device.say(hello);
        CHECK(device.wire->fate() == Fate::closed);
        CHECK(device.wire->sent().empty());
    };
    for (int i = 0; i < 50; ++i) fail();
    CHECK(port.world.log.count("client_failed") == 1);
    port.world.reactor.advance(1min);
    fail();
    const auto events = port.world.log.of("client_failed");
    REQUIRE(events.size() == 2);
    CHECK(events[0].level == log::Level::warn);
    CHECK(events[0]["client"] == "192.0.2.1");
    CHECK(events[0]["listener"] == "127.0.0.1:2525");
    CHECK(events[0]["cause"] == "tls");
    CHECK(events[0]["reason"] == "certificate is for mail.example.org, not smtp.example.com");
    CHECK(events[0]["count"] == "1");
    CHECK(events[1]["count"] == "50");
    CHECK(port.left(0) == "");
}

TEST_CASE("a handshake has the time that the configuration gives it") {
    Port port(TlsMode::implicit);
    Device& device = port.arrive("192.0.2.1");
    port.world.reactor.advance(6999ms);
    CHECK_FALSE(device.closed());
    port.world.reactor.advance(1ms);
    CHECK(device.closed());
    const auto events = port.world.log.of("client_failed");
    REQUIRE(events.size() == 1);
    CHECK(events[0]["reason"] == "TLS handshake not finished within 7000 ms");
    CHECK(port.left(0) == "");
}

TEST_CASE("handshakes that do not end leave half of the sessions to others") {
    Port port(TlsMode::implicit);
    port.settings.limits = {4, 100};
    port.arrive("192.0.2.1");
    Device& second = port.arrive("192.0.2.2");
    CHECK(port.arrive("192.0.2.3").wire->fate() == Fate::closed);
    CHECK(port.arrive(balancer).wire->fate() == Fate::closed);
    CHECK(port.world.proxy->sessions() == 2);
    // Another listener is not concerned.
    auto elsewhere = std::make_shared<SessionSettings>(*port.world.settings);
    elsewhere->listener = "127.0.0.1:2526";
    ListenerSettings other = port.settings;
    other.session = elsewhere;
    std::swap(other, port.settings);
    Device& there = port.arrive("192.0.2.3");
    CHECK_FALSE(there.closed());
    std::swap(other, port.settings);
    // A handshake that ends makes room for the next.
    CHECK(second.say(hello) == greeting);
    CHECK_FALSE(port.arrive("192.0.2.4").closed());
    CHECK(port.world.proxy->sessions() == 4);
    port.world.reactor.advance(7s);
    CHECK(port.world.proxy->sessions() == 1);
    second.hang_up();
    CHECK(port.left(1) == "");
}

TEST_CASE("the end of the last arrival is told like that of a session") {
    Port port(TlsMode::implicit);
    std::vector<std::size_t> told;
    port.world.proxy->on_empty([&](std::size_t most) { told.push_back(most); });
    Device& first = port.arrive("192.0.2.1");
    port.arrive("192.0.2.2").hang_up();
    CHECK(told.empty());
    first.hang_up();
    REQUIRE(told.size() == 1);
    CHECK(told[0] == 2);
}

TEST_CASE("drain and stop: what is not a session yet is cut off at once") {
    for (const Phase& phase : phases) {
        for (const bool stop : {false, true}) {
            CAPTURE(phase.name);
            Port port(phase.tls);
            Device& device = bring_to(port, phase);
            int done = 0;
            if (stop) {
                port.world.proxy->stop_all();
            } else {
                port.world.proxy->drain([&] { ++done; });
            }
            CHECK(port.world.proxy->sessions() == 0);
            CHECK(done == 0);
            device.listen();
            CHECK(done == (stop ? 0 : 1));
            CHECK(device.wire->fate() == Fate::aborted);
            CHECK(device.wire->sent().empty());
            // The end of the handshake, and all deadlines, find nobody.
            device.wire->finish_handshake(true);
            port.world.reactor.advance(1h);
            CHECK(done == (stop ? 0 : 1));
            CHECK(port.left(0) == "");
        }
    }
}

TEST_CASE("drain with arrivals beside a transaction is done when that is") {
    for (const Phase& phase : phases) {
        CAPTURE(phase.name);
        Port port(phase.tls);
        const Device& waiting = bring_to(port, phase);
        port.settings.tls = TlsMode::none;
        Device& busy = port.arrive("192.0.2.2");
        busy.say("EHLO x\r\n");
        busy.say("MAIL FROM:<a@example.com>\r\n");
        int done = 0;
        port.world.proxy->drain([&] { ++done; });
        busy.listen();
        CHECK(waiting.closed());
        CHECK_FALSE(busy.closed());
        CHECK(done == 0);
        busy.say("RSET\r\n");
        CHECK(busy.closed());
        CHECK(done == 1);
        CHECK(port.left(1) == "");
    }
}

TEST_CASE("the end of the client in every phase leaves nothing behind") {
    for (const Phase& phase : phases) {
        for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
            CAPTURE(phase.name);
            Port port(phase.tls);
            Device& device = bring_to(port, phase);
            device.hang_up(how);
            CHECK(device.closed());
            CHECK(port.left(port.sessions_begun()) == "");
        }
    }
}

TEST_CASE("a proxy may be destroyed with arrivals in every phase") {
    for (const Phase& phase : phases) {
        CAPTURE(phase.name);
        Port port(phase.tls);
        const Device& device = bring_to(port, phase);
        port.world.proxy.reset();
        CHECK(device.wire->fate() == Fate::aborted);
        port.world.reactor.advance(24h);
        CHECK(port.world.reactor.armed() == 0);
    }
}
