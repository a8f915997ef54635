// waxseal while it runs: one loop, its listeners and sessions, signals, reload and drain.
//
// Flow: construct; start() with a snapshot; run() until the end; its value is the exit code.
// Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP calls the reload function.
// Single-threaded.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "app/snapshot.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "net/thread_pool.hpp"
#include "relay/proxy.hpp"
#include "upstream/prober.hpp"

namespace waxseal::app {

class Service {
  public:
    using Source = std::function<std::shared_ptr<const Snapshot>()>;
    using Applied = std::function<void(const Snapshot&)>;

    // `passed`: sockets that were opened for us.
    explicit Service(std::vector<net::InheritedSocket> passed = {});
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    [[nodiscard]] net::Loop& loop() noexcept { return loop_; }
    [[nodiscard]] Runtime runtime() noexcept { return {loop_, resolver_, seed_}; }

    // Opens all listeners, or none and says why.
    [[nodiscard]] std::expected<void, Error> start(std::shared_ptr<const Snapshot> snapshot);
    // `reload` makes the next snapshot, or nothing when the new configuration is bad (it has then
    // logged why). It changes nothing yet: `applied` hears when the new one is in force.
    void on_reload(Source reload, Applied applied);
    // Returns when the drain is complete or was cut short.
    void run();
    // The addresses really bound, in the order of the configuration.
    [[nodiscard]] std::vector<net::SocketAddress> addresses() const;

  private:
    struct Listening {
        std::vector<std::unique_ptr<net::Listener>> sockets;
        std::shared_ptr<BuiltListener> plan;  // replaced in place by a reload
    };
    enum class Phase { running, draining, ending };

    [[nodiscard]] std::expected<Listening, Error> open(const Snapshot& next,
                                                       const BuiltListener& wanted,
                                                       const std::vector<net::Listener*>& leaving);
    [[nodiscard]] std::vector<net::Listener*> leaving(const Snapshot& next) const;
    [[nodiscard]] std::expected<void, Error> adopt(std::shared_ptr<const Snapshot> snapshot);
    void say_certificates();
    void terminate();
    void end();
    void reload();

    net::Loop loop_;
    net::Resolver resolver_;
    Secret seed_;
    std::vector<net::InheritedSocket> passed_;
    net::ThreadPool pool_;
    net::PoolWorker worker_;
    relay::Proxy proxy_;
    std::shared_ptr<const Snapshot> snapshot_;
    std::vector<Listening> listening_;
    std::unique_ptr<upstream::Prober> prober_;
    std::unique_ptr<Alarm> drain_alarm_;
    std::unique_ptr<Alarm> end_alarm_;
    std::unique_ptr<Alarm> trim_alarm_;
    std::unique_ptr<Alarm> expiry_alarm_;
    Source reload_;
    Applied applied_;
    Phase phase_ = Phase::running;
};

}  // namespace waxseal::app
