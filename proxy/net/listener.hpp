// A listening socket: accepts connections on a Loop and hands them out as channels. TCP, unix, or
// inherited from whoever started us (net/activation.hpp).
//
// Accepts by itself instead of through uv_listen(), because libuv answers a full descriptor table
// by accepting and silently dropping connections, and spins when it cannot. Here they wait in the
// kernel's queue: accepting stops, one accept_failed is logged for the burst, and it is tried again
// after 100 ms, doubling up to 1 s.
// Several loops, each on its thread, share an address through sockets(): one socket for each, among
// which the kernel spreads the connections, where it does. Where it does not (a unix or an
// inherited socket, a system other than Linux) there is one, and whoever accepts from it hands the
// connections over, as bare sockets.
// "[::]" takes IPv4 too, unless v6_only: then 0.0.0.0 can be bound beside it.
// A unix socket's file has its mode from its first moment and goes when the listener closes. One
// that a dead program left behind is replaced; a live one is an error.
// Flow: open(); connections come from the loop from then on; pause()/resume(); destroying it closes
// the socket at once.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "net/activation.hpp"
#include "net/handle.hpp"
#include "net/loop.hpp"
#include "net/socket_address.hpp"
#include "net/tcp_channel.hpp"

namespace waxseal::net {

class Listener;
class ListenSocket;

struct ListenOptions {
    SocketAddress address = {};                     // port 0: any free one
    std::optional<InheritedSocket> inherited = {};  // instead of an address
    int backlog = 1024;
    unsigned unix_mode = 0660;  // who may connect, of a unix socket
    bool v6_only = false;
    bool reuse_port = false;  // others may be bound to the same port (SO_REUSEPORT)
    // Ours, about to be closed: when one of them is what has the port (127.0.0.1:25 and
    // 0.0.0.0:25), both listen for that while.
    std::vector<Listener*> beside{};
};

class Listener {
  public:
    // May destroy the listener. Of a unix connection `peer` is the listener's own path. TLS
    // settings are the channel's (set_tls()).
    using OnAccept =
        std::function<void(std::unique_ptr<TcpChannel> channel, const SocketAddress& peer)>;

    // The function gets the connected socket itself, non-blocking, and owns it. It may destroy the
    // listener.
    using OnSocket = std::function<void(int socket, const SocketAddress& peer)>;

    [[nodiscard]] static std::expected<std::unique_ptr<Listener>, Error> open(
        Loop& loop, const ListenOptions& options, OnAccept on_accept);
    // The two steps of it, for several loops: sockets that listen, as many as `count` or one; then,
    // on each loop's own thread, a listener. That an address is free is found out without sharing
    // it, so that no other program's sockets, and no other waxseal's, are joined.
    [[nodiscard]] static std::expected<std::vector<ListenSocket>, Error> sockets(
        const ListenOptions& options, std::size_t count);
    [[nodiscard]] static std::expected<std::unique_ptr<Listener>, Error> start(Loop& loop,
                                                                               ListenSocket socket,
                                                                               OnSocket on_socket);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // With the port that was really bound.
    [[nodiscard]] const SocketAddress& address() const noexcept;
    // For the log; of an inherited socket with its name.
    [[nodiscard]] std::string text() const;
    void pause();
    void resume();
    // Takes what waits in the kernel's queue: before the listener is destroyed, which would reset
    // it.
    void accept_waiting();
    // How often accept was tried: what a test of "does not spin" counts.
    [[nodiscard]] std::uint64_t attempts() const noexcept;

  private:
    class Acceptor;
    explicit Listener(Held<Acceptor> acceptor);
    [[nodiscard]] static std::expected<ListenSocket, Error> open_beside(
        const ListenOptions& options);
    Held<Acceptor> acceptor_;
};

// "cannot listen on 0.0.0.0:25: permission denied; …": what to tell the user about a failed bind or
// listen.
[[nodiscard]] Error listen_error(const SocketAddress& address, int error);

// How many sessions, with `each` descriptors (a downstream and an upstream connection, perhaps a
// temporary file), the process may hold: raises the soft limit of open files to the hard one and
// leaves 64 for everything else with one loop, and 40 more for each further one.
[[nodiscard]] std::size_t max_sessions_for_rlimit(std::size_t loops = 1,
                                                  std::size_t each = 2) noexcept;

}  // namespace waxseal::net
