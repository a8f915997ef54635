// One address for several loops: a socket for each, or one whose connections are handed over.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/listen_socket.hpp"
#include "net/listener.hpp"
#include "support.hpp"

namespace waxseal::net::testing {

namespace {

// A loop on a thread of its own that counts what it accepts.
struct Counter {
    explicit Counter(ListenSocket socket) {
        auto started = Listener::start(loop, std::move(socket), [this](int fd, const auto&) {
            ++accepted;
            ::close(fd);
        });
        REQUIRE(started.has_value());
        listener = *std::move(started);
        thread = std::thread([this] { loop.run(); });
    }
    ~Counter() {
        loop.post([this] {
            listener.reset();
            loop.stop();
        });
        thread.join();
    }
    Counter(const Counter&) = delete;
    Counter& operator=(const Counter&) = delete;

    Loop loop;
    std::unique_ptr<Listener> listener;
    std::atomic<int> accepted = 0;
    std::thread thread;
};

std::string file_of(const char* name) {
    return (std::filesystem::temp_directory_path() /
            (std::string("waxseal-") + name + "-" + std::to_string(getpid())))
        .string();
}

}  // namespace

TEST_CASE("each loop has a socket at the same port, and each gets connections") {
    auto sockets = Listener::sockets({.address = loopback()}, 3);
    REQUIRE(sockets.has_value());
    REQUIRE(sockets->size() == 3);
    const std::uint16_t port = sockets->front().address().tcp().port;
    REQUIRE(port != 0);
    std::vector<std::unique_ptr<Counter>> counters;
    for (ListenSocket& socket : *sockets) {
        CHECK(socket.address().tcp().port == port);
        counters.push_back(std::make_unique<Counter>(std::move(socket)));
    }
    const auto total = [&] {
        int all = 0;
        for (const auto& counter : counters) all += counter->accepted;
        return all;
    };
    for (int i = 0; i < 96; ++i) RawSocket(loopback(port)).close();
    while (total() < 96) std::this_thread::yield();
    for (const auto& counter : counters) CHECK(counter->accepted > 0);
}

TEST_CASE("whoever has the port already is found out, though he would share it") {
    SUBCASE("another waxseal") {
        const auto first = Listener::sockets({.address = loopback()}, 2);
        REQUIRE(first.has_value());
        const auto second = Listener::sockets({.address = first->front().address()}, 2);
        REQUIRE_FALSE(second.has_value());
        CHECK(second.error().text.find("address already in use") != std::string::npos);
    }
    SUBCASE("anybody") {
        const auto other = ListenSocket::open({.address = loopback(), .reuse_port = true});
        REQUIRE(other.has_value());
        CHECK_FALSE(Listener::sockets({.address = other->address()}, 2).has_value());
    }
}

TEST_CASE("one loop shares with nobody") {
    const auto sockets = Listener::sockets({.address = loopback()}, 1);
    REQUIRE(sockets.has_value());
    REQUIRE(sockets->size() == 1);
    CHECK_FALSE(ListenSocket::open({.address = sockets->front().address(), .reuse_port = true})
                    .has_value());
}

TEST_CASE("[::] is everything for each loop") {
    auto sockets = Listener::sockets({.address = *Address::parse("::", 0)}, 2);
    if (!sockets) return;  // no IPv6 and no IPv4 either
    REQUIRE(sockets->size() == 2);
    const std::uint16_t port = sockets->front().address().tcp().port;
    CHECK_FALSE(Listener::sockets({.address = *Address::parse("0.0.0.0", port)}, 2).has_value());
    std::vector<std::unique_ptr<Counter>> counters;
    for (ListenSocket& socket : *sockets)
        counters.push_back(std::make_unique<Counter>(std::move(socket)));
    for (int i = 0; i < 32; ++i) RawSocket(loopback(port)).close();
    while (counters[0]->accepted + counters[1]->accepted < 32) std::this_thread::yield();
    CHECK(counters[0]->accepted > 0);
    CHECK(counters[1]->accepted > 0);
}

TEST_CASE("an address that overlaps one that is about to go can be had, for all loops") {
    Loop loop;
    auto before = Listener::sockets({.address = loopback()}, 2);
    REQUIRE(before.has_value());
    const std::uint16_t port = before->front().address().tcp().port;
    auto leaving =
        Listener::start(loop, std::move(before->front()), [](int fd, const auto&) { ::close(fd); });
    REQUIRE(leaving.has_value());
    const ListenOptions wide{.address = *Address::parse("0.0.0.0", port)};
    CHECK_FALSE(Listener::sockets(wide, 2).has_value());
    ListenOptions beside = wide;
    beside.beside = {leaving->get()};
    const auto next = Listener::sockets(beside, 2);
    REQUIRE(next.has_value());
    CHECK(next->size() == 2);
}

TEST_CASE("a unix socket is one, and its connections can go to another loop") {
    const std::string file = file_of("hand-over");
    auto sockets = Listener::sockets({.address = UnixPath{file}}, 3);
    REQUIRE(sockets.has_value());
    REQUIRE(sockets->size() == 1);
    Loop first;
    Loop second;
    std::unique_ptr<TcpChannel> channel;
    auto listener =
        Listener::start(first, std::move(sockets->front()), [&](int fd, const SocketAddress& peer) {
            second.post([&, fd, peer] {
                auto adopted = TcpChannel::adopt(second, fd, peer);
                REQUIRE(adopted.has_value());
                channel = *std::move(adopted);
                channel->set_notify([] {});
            });
        });
    REQUIRE(listener.has_value());
    const RawSocket raw(file);
    raw.send("EHLO x\r\n");
    while (!channel || channel->readable().empty()) {
        settle(first);
        settle(second);
    }
    CHECK(channel->readable() == "EHLO x\r\n");
    CHECK(channel->peer_address() == "unix:" + file);
    channel.reset();
}

TEST_CASE("what waits in the queue is not lost with the listener") {
    Loop loop;
    int accepted = 0;
    auto sockets = Listener::sockets({.address = loopback()}, 1);
    REQUIRE(sockets.has_value());
    const Address address = sockets->front().address().tcp();
    auto listener = Listener::start(loop, std::move(sockets->front()), [&](int fd, const auto&) {
        ++accepted;
        ::close(fd);
    });
    REQUIRE(listener.has_value());
    std::vector<std::unique_ptr<RawSocket>> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<RawSocket>(address));
    (*listener)->accept_waiting();
    CHECK(accepted == 100);
}

}  // namespace waxseal::net::testing
