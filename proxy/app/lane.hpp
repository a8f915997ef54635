// One worker: an event loop with its listening sockets, its sessions, and its connections to
// upstreams, on a thread of its own; the first one's is the main thread.
//
// Threads: everything but post(), start() and join() on the lane's own thread, or while it does not
// run. Lanes share what is thread-safe by itself (a snapshot, the Door, the Resolver, the
// ThreadPool) and know nothing of each other; whoever has them all posts.
// One lane probes upstreams for all (upstream/prober.hpp); the others tell it of failures.
// Flow: construct; adopt() orders, at each reload again; start(), or run its loop oneself; drain();
// join(); destroy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/share.hpp"
#include "base/error.hpp"
#include "net/listen_socket.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "net/thread_pool.hpp"
#include "relay/proxy.hpp"
#include "upstream/keeper.hpp"
#include "upstream/prober.hpp"

namespace waxseal::app {

// What a lane is to do from now on.
struct Orders {
    struct Listening {
        std::uint64_t id = 0;                      // the same as long as the address stays
        std::vector<net::ListenSocket> own{};      // new ones
        std::vector<net::ListenSocket> for_all{};  // new ones, of which the others have none
    };
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<Listening> listening;  // beside the snapshot's listeners
};

class Lane {
  public:
    // Of a socket that is for all lanes: which one takes this connection, and how it gets there.
    using HandOver =
        std::function<void(std::uint64_t listener, int socket, const net::SocketAddress& peer)>;

    Lane(net::Resolver& resolver, const net::ThreadPool& pool, std::shared_ptr<relay::Door> door);
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    [[nodiscard]] net::Loop& loop() noexcept { return loop_; }
    [[nodiscard]] relay::Proxy& proxy() noexcept { return proxy_; }
    [[nodiscard]] std::vector<net::Listener*> listeners(std::uint64_t id) const;

    void on_hand_over(HandOver hand_over) { hand_over_ = std::move(hand_over); }
    // Another lane probes: calls the function, on this thread, when an attempt at the upstream of
    // that name has failed. Before adopt().
    void on_failure(std::function<void(const std::string&)> told) { failed_ = std::move(told); }
    // To the lane that probes: such an attempt was another lane's.
    void note_failure(const std::string& upstream);

    void adopt(Orders orders);
    // A connection to that listener; the socket is ours.
    void take(std::uint64_t listener, int socket, const net::SocketAddress& peer);
    void drain(std::function<void()> done);

    void post(std::function<void()> function) { loop_.post(std::move(function)); }
    // On a thread of its own, "waxseal-NUMBER", without signals.
    [[nodiscard]] std::expected<void, Error> start(std::size_t number);
    // Ends the loop and the thread, whatever is under way. May be called again.
    void join();

  private:
    struct Open {
        std::vector<std::unique_ptr<net::Listener>> sockets;
        std::size_t index = 0;  // in the snapshot
    };
    void open(std::uint64_t id, Open& into, std::vector<net::ListenSocket> sockets, bool for_all);

    net::Loop loop_;
    net::Resolver& resolver_;
    net::PoolWorker worker_;
    relay::Proxy proxy_;
    Share share_;
    std::unique_ptr<upstream::Keeper> keeper_;
    std::unique_ptr<upstream::Prober> prober_;
    std::map<std::uint64_t, Open> open_;
    HandOver hand_over_;
    std::function<void(const std::string&)> failed_;
    std::thread thread_;
};

}  // namespace waxseal::app
