// What the tests of net/ share: a loop that runs until something holds, raw sockets, and pairs of
// channels.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/tcp_channel.hpp"

namespace waxseal::net::testing {

// Runs the loop until the predicate holds. The bound is there only so that a broken test ends.
inline bool run_until(Loop& loop, const std::function<bool()>& predicate) {
    bool expired = false;
    const auto guard = loop.alarm([&] { expired = true; });
    guard->arm(Duration(30'000));
    // What a raw socket sees does not wake the loop.
    std::unique_ptr<Alarm> tick;
    tick = loop.alarm([&] { tick->arm(Duration(5)); });
    tick->arm(Duration(5));
    // Asked once a round: a predicate may do something.
    bool held = predicate();
    while (!held && !expired) {
        uv_run(loop.handle(), UV_RUN_ONCE);
        held = predicate();
    }
    return held;
}

// A few rounds of the loop, for "and nothing else happens".
inline void settle(Loop& loop) {
    for (int round = 0; round < 10; ++round) uv_run(loop.handle(), UV_RUN_NOWAIT);
}

inline std::size_t open_files() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++count;
    return count;
}

inline Address loopback(std::uint16_t port = 0) { return *Address::parse("127.0.0.1", port); }

// A blocking socket without any of our code: the peer that does what no channel does.
class RawSocket {
  public:
    explicit RawSocket(const Address& to) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage address;
        const auto length = to.to(address);
        REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
    }
    explicit RawSocket(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    ~RawSocket() { close(); }
    RawSocket(const RawSocket&) = delete;
    RawSocket& operator=(const RawSocket&) = delete;

    void send(std::string_view bytes) const {
        REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    // What is there now; empty when nothing is. Notes FIN and errors.
    std::string receive() {
        std::string all;
        if (ended_ || (error_ != 0 && error_ != EAGAIN)) return all;
        char block[65536];
        while (true) {
            const ssize_t n = recv(fd_, block, sizeof block, MSG_DONTWAIT);
            if (n <= 0) {
                if (n == 0) ended_ = true;
                if (n < 0) error_ = errno;
                return all;
            }
            all.append(block, static_cast<std::size_t>(n));
        }
    }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] int error() const { return error_; }
    void half_close() const { ::shutdown(fd_, SHUT_WR); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void reset() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
    int error_ = 0;
    bool ended_ = false;
};

// A listener on a free port that keeps the last channel it accepted.
struct Server {
    explicit Server(Loop& loop) {
        auto opened =
            Listener::open(loop, {.address = loopback()},
                           [this](std::unique_ptr<TcpChannel> channel, const SocketAddress&) {
                               ++accepted;
                               last = std::move(channel);
                           });
        REQUIRE(opened.has_value());
        listener = std::move(*opened);
    }
    [[nodiscard]] const Address& address() const { return listener->address().tcp(); }

    std::unique_ptr<Listener> listener;
    std::unique_ptr<TcpChannel> last;
    int accepted = 0;
};

// A raw peer and the channel that talks to it.
struct Half {
    explicit Half(Loop& loop) : server(loop), peer(server.address()) {
        REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
        channel = std::move(server.last);
    }
    Server server;
    RawSocket peer;
    std::unique_ptr<TcpChannel> channel;
};

// Both ends of one connection. TLS, if any, is not started yet.
struct Pair {
    explicit Pair(Loop& loop, TlsSettings client_tls = {}, TlsSettings server_tls = {}) {
        Resolver resolver;
        Server server_side(loop);
        TcpDialer dialer(loop, resolver,
                         {.host = "127.0.0.1",
                          .port = server_side.address().port,
                          .tls_start = TlsStart::by_user,
                          .tls = std::move(client_tls)});
        const auto dial = dialer.dial([this](DialResult result) {
            REQUIRE(result.has_value());
            client = std::move(*result);
        });
        REQUIRE(run_until(loop, [&] { return client && server_side.last; }));
        server = std::move(server_side.last);
        server->set_tls(std::move(server_tls));
    }
    std::unique_ptr<Channel> client;
    std::unique_ptr<TcpChannel> server;
};

// libuv opens a spare descriptor with a loop's first stream; after this it is there.
inline void warm_up(Loop& loop) {
    const Pair pair(loop);
    settle(loop);
}

// Reads everything there is into `sink`, as the contract of Channel wants it.
inline void drain(Channel& channel, std::string& sink) {
    for (auto bytes = channel.readable(); !bytes.empty(); bytes = channel.readable()) {
        sink += bytes;
        channel.consume(bytes.size());
    }
}

// Keeps reading a channel, and sends what it is given.
class Pump {
  public:
    explicit Pump(Channel& channel) : channel_(channel) {
        channel.set_notify([this] { turn(); });
    }
    void send(std::string_view bytes) {
        unsent_ += bytes;
        turn();
    }
    [[nodiscard]] const std::string& received() const { return received_; }
    [[nodiscard]] bool sent() const { return unsent_.empty() && channel_.flushed(); }

  private:
    void turn() {
        drain(channel_, received_);
        while (!unsent_.empty()) {
            const std::size_t n = channel_.write(unsent_);
            if (n == 0) break;
            unsent_.erase(0, n);
        }
    }
    Channel& channel_;
    std::string received_;
    std::string unsent_;
};

// Not compressible, not periodic, and the same every time.
inline std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 12345;
    for (char& c : text) {
        state = state * 1664525U + 1013904223U;
        c = static_cast<char>(state >> 24);
    }
    return text;
}

}  // namespace waxseal::net::testing
