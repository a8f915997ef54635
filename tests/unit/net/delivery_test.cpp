// Channel::delivery(): what is known of octets that were written, against real sockets.
#include <doctest/doctest.h>

#include <string>

#include "tls_support.hpp"

namespace waxseal::net::testing {

namespace {

// Writes until neither the channel nor the kernel takes any more.
std::size_t fill(Loop& loop, Channel& channel) {
    std::size_t total = 0;
    const std::string block(16'384, 'x');
    for (int quiet = 0; quiet < 20; ++quiet) {
        while (const std::size_t taken = channel.write(block)) {
            total += taken;
            quiet = 0;
        }
        settle(loop);
    }
    return total;
}

}  // namespace

TEST_CASE("nothing written is nothing lost") {
    Loop loop;
    const Half half(loop);
    CHECK(half.channel->delivery() == Delivery::arrived);
}

TEST_CASE("what a peer has got has arrived, whether it reads it or not") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() == Delivery::arrived; }));
    CHECK(half.peer.receive() == "250 ok\r\n");
    CHECK(half.channel->delivery() == Delivery::arrived);
}

TEST_CASE("what a peer that has hung up is sent fails, though the channel hears nothing of it") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.close();
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::clean; }));
    CHECK(half.channel->delivery() == Delivery::arrived);
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    CHECK(half.channel->flushed());
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() != Delivery::pending; }));
    CHECK(half.channel->delivery() == Delivery::failed);
    CHECK(half.channel->end() == EndOfInput::clean);
    CHECK_FALSE(half.channel->broken());
    CHECK(half.channel->delivery() == Delivery::failed);
}

TEST_CASE("a write that fails is known to have failed, before and after it was settled") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.close();
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::clean; }));
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() == Delivery::failed; }));
    REQUIRE(half.channel->write("221 bye\r\n") == 9);
    CHECK(half.channel->delivery() == Delivery::failed);
    REQUIRE(run_until(loop, [&] { return half.channel->broken(); }));
    CHECK(half.channel->delivery() == Delivery::failed);
}

TEST_CASE("what waits for room at the peer is pending, until it reads or goes") {
    for (const bool reads : {true, false}) {
        Loop loop;
        Half half(loop);
        half.channel->set_notify([] {});
        const std::size_t total = fill(loop, *half.channel);
        CHECK(half.channel->delivery() == Delivery::pending);
        if (reads) {
            std::string got;
            REQUIRE(run_until(loop, [&] {
                got += half.peer.receive();
                return got.size() == total;
            }));
        } else {
            half.peer.close();
        }
        const Delivery wanted = reads ? Delivery::arrived : Delivery::failed;
        REQUIRE(run_until(loop, [&] { return half.channel->delivery() != Delivery::pending; }));
        CHECK(half.channel->delivery() == wanted);
    }
}

TEST_CASE("what the kernel holds back for a peer without room is pending too") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    std::size_t total = 0;
    do {
        total += half.channel->write(std::string(16'384, 'x'));
        settle(loop);
        REQUIRE(half.channel->flushed());
    } while (half.channel->delivery() == Delivery::arrived);
    CHECK(half.channel->delivery() == Delivery::pending);
    std::string got;
    REQUIRE(run_until(loop, [&] {
        got += half.peer.receive();
        return half.channel->delivery() == Delivery::arrived;
    }));
    got += half.peer.receive();
    CHECK(got.size() == total);
}

TEST_CASE("a peer that has said its last word and still reads gets what is written") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.half_close();
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::clean; }));
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() == Delivery::arrived; }));
    CHECK(half.peer.receive() == "250 ok\r\n");
}

TEST_CASE("what has arrived stays so when the connection is reset") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() == Delivery::arrived; }));
    REQUIRE(half.peer.receive() == "250 ok\r\n");
    half.peer.reset();
    REQUIRE(run_until(loop, [&] { return half.channel->broken(); }));
    CHECK(half.channel->delivery() == Delivery::arrived);
    half.channel->abort();
    CHECK(half.channel->delivery() == Delivery::failed);
}

TEST_CASE("what a peer got that has gone without close_notify has arrived, and nothing more goes") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() == Delivery::arrived; }));
    half.serve();
    REQUIRE(half.received == "250 ok\r\n");
    half.peer.close();
    REQUIRE(run_until(loop, [&] {
        (void)half.channel->readable();
        return half.channel->end() == EndOfInput::truncated;
    }));
    CHECK(half.channel->broken());
    CHECK(half.channel->delivery() == Delivery::arrived);
    CHECK(half.channel->write("250 ok\r\n") == 0);
}

TEST_CASE("inside TLS too, what is sent to a peer that has hung up fails") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    half.peer.close();
    settle(loop);
    REQUIRE(half.channel->write("250 ok\r\n") == 8);
    REQUIRE(run_until(loop, [&] { return half.channel->delivery() != Delivery::pending; }));
    CHECK(half.channel->delivery() == Delivery::failed);
}

TEST_CASE("a unix socket acknowledges nothing: with the kernel is with the peer") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    Loop loop;
    auto channel = TcpChannel::adopt(loop, ends[0], SocketAddress{});
    REQUIRE(channel.has_value());
    (*channel)->set_notify([] {});
    REQUIRE((*channel)->write("250 ok\r\n") == 8);
    CHECK((*channel)->delivery() == Delivery::arrived);
    fill(loop, **channel);
    CHECK((*channel)->delivery() == Delivery::pending);
    ::close(ends[1]);
    REQUIRE(run_until(loop, [&] { return (*channel)->delivery() == Delivery::failed; }));
}

}  // namespace waxseal::net::testing
