// The life of a TcpChannel: destroyed in any notification, closing in the background, many at once.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support.hpp"

namespace waxseal::net::testing {

TEST_CASE("a channel may be destroyed in any notification") {
    // An echo over both sides until one of them destroys its channel, or both, at its k-th call.
    for (int side = 0; side < 3; ++side) {
        for (int at = 1; at < 40; ++at) {
            Loop loop;
            Pair pair(loop);
            int calls = 0;
            bool over = false;
            std::string sink;
            const auto act = [&](Channel& channel) {
                if (++calls == at) {
                    if (side != 1) pair.client.reset();
                    if (side != 0) pair.server.reset();
                    over = true;
                    return;
                }
                drain(channel, sink);
                channel.write(std::string(20'000, 'x'));
                if (channel.end() != EndOfInput::none) over = true;
            };
            pair.client->set_notify([&] { act(*pair.client); });
            pair.server->set_notify([&] { act(*pair.server); });
            REQUIRE(run_until(loop, [&] { return over; }));
            settle(loop);
        }
    }
}

TEST_CASE("the notify function may be replaced while it runs") {
    Loop loop;
    Half half(loop);
    std::string order;
    const std::string kept(100, 'k');
    half.channel->set_notify([&, kept] {
        half.channel->set_notify([&] { order += 'b'; });
        order += kept[99];
    });
    REQUIRE(run_until(loop, [&] { return order.size() >= 2; }));
    CHECK(order.starts_with("kb"));
    half.channel->set_notify({});
    half.peer.send("x");
    settle(loop);
    CHECK(half.channel->readable() == "x");
}

TEST_CASE("a loop may end while connections are still closing in the background") {
    auto loop = std::make_unique<Loop>();
    warm_up(*loop);
    const std::size_t before = open_files();
    {
        Half half(*loop);
        half.channel->set_notify([] {});
        while (half.channel->write(std::string(16'384, 'x')) != 0) {
        }
        half.channel->close();
        half.channel.reset();
        half.server.listener.reset();
        CHECK(open_files() == before + 2);
        half.peer.close();
    }
    loop.reset();
    CHECK(open_files() < before);
}

TEST_CASE("peers that never close hold only few descriptors, for a bounded time") {
    Loop loop;
    warm_up(loop);
    std::vector<std::unique_ptr<RawSocket>> peers;
    const std::size_t before = open_files();
    {
        Server server(loop);
        constexpr int number = 200;
        for (int i = 0; i < number; ++i) {
            peers.push_back(std::make_unique<RawSocket>(server.address()));
            REQUIRE(run_until(loop, [&] { return server.accepted == i + 1; }));
            server.last->set_notify([] {});
            CHECK(server.last->write("554 no\r\n") == 8);
            server.last->close();
            server.last.reset();
        }
        settle(loop);
        CHECK(open_files() <= before + number + 64);
        for (const auto& peer : peers) CHECK(peer->receive() == "554 no\r\n");
    }
    // Nobody closes on the other side; the time limit does.
    REQUIRE(run_until(loop, [&] { return open_files() == before + peers.size(); }));
}

TEST_CASE("two thousand connections at once leave no descriptor behind") {
    static_cast<void>(max_sessions_for_rlimit());
    Loop loop;
    warm_up(loop);
    const std::size_t before = open_files();
    {
        constexpr std::size_t number = 2000;
        Resolver resolver;
        std::vector<std::unique_ptr<TcpChannel>> accepted;
        auto listener =
            Listener::open(loop, {.address = loopback(), .backlog = 4096},
                           [&](std::unique_ptr<TcpChannel> channel, const SocketAddress&) {
                               channel->set_notify([] {});
                               accepted.push_back(std::move(channel));
                           });
        REQUIRE(listener.has_value());
        TcpDialer dialer(loop, resolver,
                         {.host = "127.0.0.1",
                          .port = (*listener)->address().tcp().port,
                          .tls_start = TlsStart::by_user,
                          .tls = {}});
        std::vector<std::unique_ptr<Dial>> dials;
        std::vector<std::unique_ptr<Channel>> dialled;
        for (std::size_t i = 0; i < number; ++i) {
            dials.push_back(dialer.dial([&](DialResult result) {
                REQUIRE(result.has_value());
                dialled.push_back(std::move(*result));
            }));
        }
        REQUIRE(
            run_until(loop, [&] { return accepted.size() == number && dialled.size() == number; }));
        CHECK(open_files() >= before + 2 * number);
        for (std::size_t i = 0; i < number; i += 2) {
            dialled[i]->write("QUIT\r\n");
            dialled[i]->close();
            accepted[i]->close();
        }
        dialled.clear();
        accepted.clear();
    }
    REQUIRE(run_until(loop, [&] { return open_files() == before; }));
}

}  // namespace waxseal::net::testing
