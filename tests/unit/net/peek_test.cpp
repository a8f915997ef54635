// A port that speaks both: the ClientHello is looked at, and then belongs to the handshake.
#include <doctest/doctest.h>

#include <string>

#include "tls_support.hpp"

namespace waxseal::net::testing {

namespace {

// A channel in the server role whose client is an engine on a raw socket.
struct Visitor {
    explicit Visitor(Loop& on) : loop(on), half(on) {
        auto made = tls::Engine::client(identity().client, "mail.example.org");
        REQUIRE(made.has_value());
        engine = std::move(*made);
        half.channel->set_tls(as_server());
        half.channel->set_notify([] {});
    }
    std::string output() {
        std::string octets(engine->output());
        engine->sent(octets.size());
        return octets;
    }
    // Moves octets between the engine and the wire.
    void turn() {
        engine->receive(half.peer.receive());
        while (true) {
            const tls::Event event = engine->next();
            if (const auto* data = std::get_if<tls::Data>(&event)) {
                received += data->plaintext;
            } else if (!std::holds_alternative<tls::Established>(event)) {
                break;
            }
        }
        if (const std::string octets = output(); !octets.empty()) half.peer.send(octets);
    }
    void peek(std::size_t n) {
        REQUIRE(await([&] { return half.channel->readable().size() == n; }));
    }
    // Without sleeping: hundreds of handshakes are to take a moment only.
    bool await(const std::function<bool()>& predicate) {
        bool expired = false;
        const auto guard = loop.alarm([&] { expired = true; });
        guard->arm(Duration(30'000));
        while (!predicate() && !expired) uv_run(loop.handle(), UV_RUN_NOWAIT);
        return !expired;
    }
    void finish() {
        REQUIRE(await([&] {
            turn();
            return half.channel->tls() == TlsPhase::established;
        }));
        REQUIRE(half.channel->write("220 hello\r\n") == 11);
        REQUIRE(await([&] {
            turn();
            return received == "220 hello\r\n";
        }));
        CHECK(half.channel->readable().empty());
        CHECK(half.channel->end() == EndOfInput::none);
    }

    Loop& loop;
    Half half;
    std::unique_ptr<tls::Engine> engine;
    std::string received;
};

}  // namespace

TEST_CASE("start_tls() after a look at the ClientHello, at every split of it") {
    Loop loop;
    std::size_t size = 1;
    for (std::size_t n = 1; n <= size; ++n) {
        CAPTURE(n);
        Visitor visitor(loop);
        const std::string hello = visitor.output();
        size = hello.size();
        visitor.half.peer.send(std::string_view(hello).substr(0, n));
        visitor.peek(n);
        CHECK(visitor.half.channel->readable().front() == '\x16');
        visitor.half.channel->start_tls(Unread::is_handshake);
        CHECK(visitor.half.channel->tls() == TlsPhase::handshaking);
        CHECK(visitor.half.channel->readable().empty());
        if (n < size) visitor.half.peer.send(std::string_view(hello).substr(n));
        visitor.finish();
    }
    CHECK(size > 100);
}

TEST_CASE("the ClientHello octet by octet, partly consumed views and all") {
    Loop loop;
    Visitor visitor(loop);
    const std::string hello = visitor.output();
    // Something that is not the handshake's comes first, and is consumed.
    visitor.half.peer.send("PROXY UNKNOWN\r\n");
    for (std::size_t i = 0; i < hello.size(); ++i) {
        visitor.half.peer.send(std::string_view(hello).substr(i, 1));
        if (i % 50 == 0) settle(loop);
    }
    visitor.peek(15 + hello.size());
    visitor.half.channel->consume(15);
    visitor.half.channel->start_tls(Unread::is_handshake);
    visitor.finish();
}

TEST_CASE("with nothing unread it is an ordinary start") {
    Loop loop;
    Visitor visitor(loop);
    visitor.half.channel->start_tls(Unread::is_handshake);
    visitor.finish();
}

TEST_CASE("what was looked at and is no handshake is a failed handshake, and not shown again") {
    Loop loop;
    Visitor visitor(loop);
    visitor.half.peer.send("EHLO x\r\n");
    visitor.peek(8);
    visitor.half.channel->start_tls(Unread::is_handshake);
    CHECK(visitor.half.channel->readable().empty());
    CHECK(visitor.half.channel->end() == EndOfInput::failed);
    CHECK(visitor.half.channel->failure().kind == FailureKind::tls);
    CHECK(visitor.half.channel->write("220 hello\r\n") == 0);
}

TEST_CASE("the connection ends behind the ClientHello: before the start, and after it") {
    Loop loop;
    for (const bool whole : {true, false}) {
        for (const bool before : {true, false}) {
            CAPTURE(whole);
            CAPTURE(before);
            Visitor visitor(loop);
            const std::string hello = visitor.output();
            visitor.half.peer.send(std::string_view(hello).substr(0, whole ? hello.size() : 7));
            if (before) visitor.half.peer.half_close();
            visitor.peek(whole ? hello.size() : 7);
            if (before) settle(loop);
            visitor.half.channel->start_tls(Unread::is_handshake);
            if (!before) visitor.half.peer.half_close();
            REQUIRE(
                visitor.await([&] { return visitor.half.channel->end() == EndOfInput::failed; }));
            CHECK(visitor.half.channel->failure().kind == FailureKind::tls);
            CHECK(visitor.half.channel->readable().empty());
        }
    }
}

TEST_CASE("the connection was reset behind the ClientHello: told, not waited for") {
    Loop loop;
    Visitor visitor(loop);
    visitor.half.peer.send("\x16\x03\x01");
    visitor.peek(3);
    visitor.half.peer.reset();
    settle(loop);
    visitor.half.channel->start_tls(Unread::is_handshake);
    REQUIRE(visitor.await([&] { return visitor.half.channel->end() == EndOfInput::failed; }));
    CHECK(visitor.half.channel->readable().empty());
}

}  // namespace waxseal::net::testing
