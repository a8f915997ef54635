// What comes before SMTP: PROXY headers and handshakes, in every order, under every split, late,
// broken and cut off.
#include "relay/preamble.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "unit/support/sim.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

using Cause = Preamble::Refused::Cause;

const std::string line = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 25\r\n";
const std::string local = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s;
const std::string block =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc6\x33\x64\x01\xdc\x04\x00\x19"s;
const ProxySource client{*parse_ip("203.0.113.9"), 56324};

// Stands for a ClientHello: what matters is that each of its octets reaches the handshake once.
const std::string hello = "\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03zz"s;

constexpr TlsMode every_mode[] = {TlsMode::none, TlsMode::starttls, TlsMode::implicit,
                                  TlsMode::automatic};

// One connection, polled as its owner does.
class Door {
  public:
    explicit Door(const PreambleSettings& settings, Wire::Options options = {})
        : wire(Wire::make(reactor, std::move(options))),
          preamble(
              std::make_unique<Preamble>(reactor, wire->channel(), settings, [this] { poll(); })) {
        poll();
        reactor.run_until_idle();
    }
    void say(std::string_view octets) {
        wire->feed(octets);
        reactor.run_until_idle();
    }
    void say(const Chunks& chunks) {
        for (const std::string_view piece : chunks) say(piece);
    }
    void end(EndOfInput how) {
        wire->end(how);
        reactor.run_until_idle();
    }
    void poll() {
        if (!preamble) return;
        auto result = preamble->poll();
        if (std::holds_alternative<Preamble::Waiting>(result)) return;
        ++results;
        if (auto* done = std::get_if<Preamble::Ready>(&result)) {
            ready = std::move(*done);
        } else {
            refused = std::get<Preamble::Refused>(std::move(result));
        }
        CHECK(std::holds_alternative<Preamble::Waiting>(preamble->poll()));
        retire(reactor, std::move(preamble));
    }
    [[nodiscard]] bool waiting() const { return results == 0; }
    // What SMTP would read first.
    [[nodiscard]] std::string unread() {
        std::string all;
        for (auto bytes = ready->channel->readable(); !bytes.empty();
             bytes = ready->channel->readable()) {
            all += bytes;
            ready->channel->consume(bytes.size());
        }
        return all;
    }

    FakeReactor reactor;
    std::shared_ptr<Wire> wire;
    std::unique_ptr<Preamble> preamble;
    std::optional<Preamble::Ready> ready;
    std::optional<Preamble::Refused> refused;
    int results = 0;
};

PreambleSettings settings(bool proxy_protocol, TlsMode tls) {
    return {.proxy_protocol = proxy_protocol, .tls = tls};
}

Wire::Options speaks_tls(TlsPlan plan = TlsPlan::succeeds) {
    return {.tls = plan, .client_hello = hello};
}

void check_ready(Door& door, TlsPhase tls, const std::optional<ProxySource>& source) {
    REQUIRE(door.ready.has_value());
    CHECK(door.results == 1);
    CHECK(door.ready->channel->tls() == tls);
    CHECK((door.ready->source == source));
    CHECK(door.wire->fate() == Fate::open);
    CHECK(door.wire->sent().empty());
    CHECK(door.reactor.armed() == 0);
}

void check_refused(Door& door, Cause cause, const std::string& reason, Fate fate) {
    REQUIRE(door.refused.has_value());
    CHECK(door.results == 1);
    CHECK(door.refused->cause == cause);
    CHECK(door.refused->reason == reason);
    CHECK(door.wire->fate() == fate);
    CHECK(door.wire->sent().empty());
    CHECK(door.reactor.armed() == 0);
}

}  // namespace

TEST_CASE("none and starttls: ready at once, and what the client has said is left to be read") {
    for (const TlsMode mode : {TlsMode::none, TlsMode::starttls}) {
        Door door(settings(false, mode));
        check_ready(door, TlsPhase::none, std::nullopt);
        door.say("EHLO x\r\n");
        CHECK(door.unread() == "EHLO x\r\n");
    }
}

TEST_CASE("implicit: ready when the handshake is done") {
    for_each_split(hello, [](const Chunks& chunks) {
        Door door(settings(false, TlsMode::implicit), speaks_tls());
        CHECK(door.waiting());
        CHECK(door.wire->tls() == TlsPhase::handshaking);
        door.say(chunks);
        check_ready(door, TlsPhase::established, std::nullopt);
    });
}

TEST_CASE("automatic: a ClientHello, cut anywhere, becomes TLS with all of its octets") {
    for_each_split(hello, [](const Chunks& chunks) {
        Door door(settings(false, TlsMode::automatic), speaks_tls());
        CHECK(door.waiting());
        door.say(chunks);
        check_ready(door, TlsPhase::established, std::nullopt);
        CHECK_FALSE(door.ready->spoke_first);
        CHECK(door.unread().empty());
        door.say("EHLO inside\r\n");
        CHECK(door.unread() == "EHLO inside\r\n");
    });
}

TEST_CASE("automatic: anything else is cleartext at once, and unread") {
    for (const std::string& first : {"EHLO x\r\n"s, "E"s, "\r\n"s, "\x80\x2e\x01\x03\x01"s,
                                     "\x15\x03\x01\x00\x02"s, "\0"s, "GET / HTTP/1.1\r\n"s, line}) {
        Door door(settings(false, TlsMode::automatic), speaks_tls());
        door.say(first);
        check_ready(door, TlsPhase::none, std::nullopt);
        CHECK(door.ready->spoke_first);
        CHECK(door.unread() == first);
        // What would be a ClientHello is not one any more.
        door.say(hello);
        CHECK(door.ready->channel->tls() == TlsPhase::none);
        CHECK(door.unread() == hello);
    }
}

TEST_CASE("automatic: a client that waits gets its greeting after 150 ms") {
    Door door(settings(false, TlsMode::automatic), speaks_tls());
    door.reactor.advance(149ms);
    CHECK(door.waiting());
    door.reactor.advance(1ms);
    check_ready(door, TlsPhase::none, std::nullopt);
    CHECK_FALSE(door.ready->spoke_first);
}

TEST_CASE("automatic: the ClientHello may come until the last moment") {
    Door door(settings(false, TlsMode::automatic), speaks_tls());
    door.reactor.advance(149ms);
    door.say(hello.substr(0, 1));
    CHECK(door.waiting());
    door.reactor.advance(1s);
    door.say(hello.substr(1));
    check_ready(door, TlsPhase::established, std::nullopt);
}

TEST_CASE("a header gives the client's address, in every version, cut anywhere") {
    for (const std::string& header : {line, block}) {
        for (const TlsMode mode : {TlsMode::none, TlsMode::starttls}) {
            for_each_split(header, [&](const Chunks& chunks) {
                Door door(settings(true, mode));
                CHECK(door.waiting());
                door.say(chunks);
                check_ready(door, TlsPhase::none, client);
                CHECK(door.unread().empty());
            });
        }
    }
}

TEST_CASE("a header without an address leaves the balancer's") {
    for (const std::string& header : {local, "PROXY UNKNOWN\r\n"s}) {
        Door door(settings(true, TlsMode::none));
        door.say(header);
        check_ready(door, TlsPhase::none, std::nullopt);
    }
}

TEST_CASE("a header followed at once by a ClientHello: not one octet of it is lost") {
    for (const std::string& header : {line, block, local}) {
        const auto source = header == local ? std::nullopt : std::optional(client);
        for (const TlsMode mode : {TlsMode::implicit, TlsMode::automatic}) {
            for_each_split(header + hello, [&](const Chunks& chunks) {
                Door door(settings(true, mode), speaks_tls());
                door.say(chunks);
                check_ready(door, TlsPhase::established, source);
            });
        }
    }
}

TEST_CASE("a header followed at once by EHLO: not one octet of it is lost") {
    for (const std::string& header : {line, block}) {
        for (const TlsMode mode : {TlsMode::none, TlsMode::starttls, TlsMode::automatic}) {
            for_each_split(header + "EHLO x\r\n", [&](const Chunks& chunks) {
                Door door(settings(true, mode));
                door.say(chunks);
                check_ready(door, TlsPhase::none, client);
                CHECK(door.unread() == "EHLO x\r\n");
            });
        }
    }
}

TEST_CASE("a second header is not a header") {
    Door door(settings(true, TlsMode::automatic));
    door.say(line + "PROXY TCP4 192.0.2.66 198.51.100.1 1 25\r\n");
    check_ready(door, TlsPhase::none, client);
    CHECK(door.unread() == "PROXY TCP4 192.0.2.66 198.51.100.1 1 25\r\n");
}

TEST_CASE("where no header is due, one is not taken") {
    for (const std::string& header : {line, block}) {
        Door door(settings(false, TlsMode::automatic));
        door.say(header);
        check_ready(door, TlsPhase::none, std::nullopt);
        CHECK(door.unread() == header);
    }
}

TEST_CASE("a missing or malformed header closes at once without a word") {
    for (const TlsMode mode : every_mode) {
        Door missing(settings(true, mode), speaks_tls());
        missing.say("EHLO x\r\n");
        check_refused(missing, Cause::no_header, "it does not begin with a PROXY header",
                      Fate::aborted);
        Door tls(settings(true, mode), speaks_tls());
        tls.say(hello);
        check_refused(tls, Cause::no_header, "it does not begin with a PROXY header",
                      Fate::aborted);
        Door bad(settings(true, mode), speaks_tls());
        bad.say("PROXY TCP4 203.0.113.999 198.51.100.1 1 25\r\n");
        check_refused(bad, Cause::no_header, "its PROXY line is not understood", Fate::aborted);
    }
}

TEST_CASE("the header has five seconds, however slowly it comes") {
    for (std::size_t known = 0; known < block.size(); ++known) {
        Door door(settings(true, TlsMode::automatic), speaks_tls());
        for (std::size_t i = 0; i < known; ++i) {
            door.say(block.substr(i, 1));
            door.reactor.advance(100ms);
        }
        door.reactor.advance(5s - 1ms - known * 100ms);
        CHECK(door.waiting());
        door.reactor.advance(1ms);
        check_refused(door, Cause::no_header, "no PROXY header within 5000 ms", Fate::aborted);
    }
}

TEST_CASE("each wait has a deadline of its own") {
    Door door(settings(true, TlsMode::automatic), speaks_tls(TlsPlan::hangs));
    door.reactor.advance(4999ms);
    door.say(line);
    CHECK(door.waiting());
    door.reactor.advance(149ms);
    CHECK(door.waiting());
    door.say(hello);
    door.reactor.advance(15s - 1ms);
    CHECK(door.waiting());
    door.reactor.advance(1ms);
    check_refused(door, Cause::tls, "TLS handshake not finished within 15000 ms", Fate::closed);
    CHECK((door.refused->source == client));
}

TEST_CASE("a handshake that dribbles does not get more time") {
    for (const TlsMode mode : {TlsMode::implicit, TlsMode::automatic}) {
        Door door(settings(false, mode), speaks_tls());
        door.say(hello.substr(0, 1));
        for (std::size_t i = 1; i < hello.size() - 1; ++i) {
            door.reactor.advance(1s);
            door.say(hello.substr(i, 1));
        }
        CHECK(door.waiting());
        door.reactor.advance(5s);
        check_refused(door, Cause::tls, "TLS handshake not finished within 15000 ms", Fate::closed);
    }
}

TEST_CASE("a failed handshake gives its reason") {
    for (const bool proxied : {false, true}) {
        for (const TlsMode mode : {TlsMode::implicit, TlsMode::automatic}) {
            Door door(settings(proxied, mode), speaks_tls(TlsPlan::fails));
            door.say((proxied ? line : ""s) + hello);
            check_refused(door, Cause::tls,
                          "certificate is for mail.example.org, not smtp.example.com",
                          Fate::closed);
            CHECK(door.refused->source.has_value() == proxied);
        }
    }
}

TEST_CASE("cleartext where TLS is due is a failed handshake, and is never shown") {
    Door door(settings(true, TlsMode::implicit), speaks_tls());
    door.say(line + "EHLO x\r\n");
    check_refused(door, Cause::tls, "unexpected data in handshake", Fate::closed);
}

TEST_CASE("the end at each octet of a header") {
    for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
        for (const std::string& header : {line, block}) {
            for (std::size_t n = 0; n < header.size(); ++n) {
                Door door(settings(true, TlsMode::automatic), speaks_tls());
                door.say(header.substr(0, n));
                door.end(how);
                check_refused(door, Cause::lost,
                              "connection closed before its PROXY header was whole", Fate::aborted);
            }
        }
    }
}

TEST_CASE("the end at each octet of a handshake") {
    for (const TlsMode mode : {TlsMode::implicit, TlsMode::automatic}) {
        for (std::size_t n = 1; n < hello.size(); ++n) {
            for (const bool together : {true, false}) {
                Door door(settings(false, mode), speaks_tls());
                door.wire->feed(hello.substr(0, n));
                if (!together) door.reactor.run_until_idle();
                door.end(EndOfInput::clean);
                check_refused(door, Cause::tls, "connection closed during the TLS handshake",
                              Fate::closed);
            }
        }
    }
}

TEST_CASE("the end while the greeting is held: the session sees it, at once") {
    for (const bool proxied : {false, true}) {
        for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
            Door door(settings(proxied, TlsMode::automatic), speaks_tls());
            if (proxied) door.say(line);
            CHECK(door.waiting());
            door.end(how);
            check_ready(door, TlsPhase::none, proxied ? std::optional(client) : std::nullopt);
            CHECK(door.ready->channel->end() == how);
        }
    }
}

TEST_CASE("a preamble may be destroyed in any state: the connection goes, nothing is left") {
    for (const TlsMode mode : every_mode) {
        for (const std::string& said : {""s, line.substr(0, 9), line, line + hello.substr(0, 4)}) {
            Door door(settings(true, mode), speaks_tls(TlsPlan::hangs));
            door.say(said);
            if (!door.waiting()) continue;
            door.preamble.reset();
            CHECK(door.wire->fate() == Fate::aborted);
            CHECK(door.reactor.alarms() == 0);
            door.reactor.advance(1h);
            CHECK(door.results == 0);
        }
    }
}

TEST_CASE("the channel is handed on with everything of the preamble gone from it") {
    Door door(settings(false, TlsMode::automatic), speaks_tls());
    door.say("EHLO x\r\n");
    REQUIRE(door.ready.has_value());
    CHECK(door.preamble == nullptr);
    int told = 0;
    door.ready->channel->set_notify([&] { ++told; });
    door.say("NOOP\r\n");
    CHECK(told > 0);
    CHECK(door.reactor.alarms() == 0);
}
