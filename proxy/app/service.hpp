// waxseal while it runs: its workers (lane.hpp), signals, reload and drain.
//
// Flow: construct; start() with a snapshot; run() until the end; its value is the exit code.
// Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP calls the reload function.
// Threads: all of it on the main thread, which is the first worker's too. With several workers the
// others have theirs from start() to the end of run(); what is for them is posted to them, and they
// post back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/lane.hpp"
#include "app/snapshot.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "net/thread_pool.hpp"
#include "relay/door.hpp"

namespace waxseal::app {

class Service {
  public:
    using Source = std::function<std::shared_ptr<Snapshot>()>;
    using Applied = std::function<void(const Snapshot&)>;

    // `passed`: sockets that were opened for us.
    explicit Service(std::vector<net::InheritedSocket> passed = {}, std::size_t workers = 1);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // The first worker's.
    [[nodiscard]] net::Loop& loop() noexcept { return lanes_.front()->loop(); }
    [[nodiscard]] Runtime runtime() noexcept { return {loop(), seed_, lanes_.size()}; }

    // Opens all listeners, or none and says why.
    [[nodiscard]] std::expected<void, Error> start(std::shared_ptr<Snapshot> snapshot);
    // `reload` makes the next snapshot, or nothing when the new configuration is bad (it has then
    // logged why). It changes nothing yet: `applied` hears when the new one is in force.
    void on_reload(Source reload, Applied applied);
    // Returns when the drain is complete or was cut short.
    void run();
    // The addresses really bound, in the order of the configuration.
    [[nodiscard]] std::vector<net::SocketAddress> addresses() const;

  private:
    struct Listening {
        std::uint64_t id = 0;  // the lanes know it by
        config::ListenAddress address;
        unsigned mode = 0;
    };
    enum class Phase { running, draining, ending };

    void make_lane();
    void hand_over(std::uint64_t listener, int socket, const net::SocketAddress& peer);
    void for_each_lane(const std::function<void(Lane&)>& function);
    [[nodiscard]] std::expected<void, Error> open(const Snapshot& next, const BuiltListener& wanted,
                                                  std::vector<Orders>& orders) const;
    [[nodiscard]] std::vector<net::Listener*> leaving(const Snapshot& next) const;
    [[nodiscard]] std::expected<void, Error> adopt(std::shared_ptr<Snapshot> snapshot,
                                                   std::function<void()> done);
    void give(std::vector<Orders> orders, std::function<void()> done);
    void say_certificates();
    void terminate();
    void drained();
    void end();
    void reload();
    void reloaded() const;

    net::Resolver resolver_;
    Secret seed_;
    std::vector<net::InheritedSocket> passed_;
    net::ThreadPool pool_;
    std::shared_ptr<relay::Door> door_ = std::make_shared<relay::Door>();
    // The first is this thread's.
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::shared_ptr<const Snapshot> snapshot_;
    std::vector<Listening> listening_;
    std::unique_ptr<Alarm> drain_alarm_;
    std::unique_ptr<Alarm> end_alarm_;
    std::unique_ptr<Alarm> trim_alarm_;
    std::unique_ptr<Alarm> expiry_alarm_;
    Source reload_;
    Applied applied_;
    Phase phase_ = Phase::running;
    std::uint64_t ids_ = 0;     // of listeners
    std::size_t turn_ = 0;      // whose the next connection is that is handed over
    std::size_t draining_ = 0;  // lanes with sessions still
};

}  // namespace waxseal::app
