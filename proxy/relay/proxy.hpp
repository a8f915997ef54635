// All sessions of a worker: admits clients, starts sessions, ends them on drain. Knows channels,
// not sockets.
//
// A connection that has to begin with a PROXY header or may begin with TLS waits as an arrival
// (preamble.hpp) until it becomes a session; it counts as one from its first moment. Who is not
// admitted gets no handshake. A listener's load balancers hold a place among all sessions until the
// header has told whose connection it is; that client is then admitted, or not, like any other. A
// peer that is no balancer is a client, and a header of its own making a syntax error.
// Flow: accept() for each new channel; drain() once, then it says when the last session has gone;
// stop_all() ends what is left. A listener's settings come with each accept(), so a reload is
// simply other settings from then on. Of TLS the channel has its settings before accept().
// Threads: all of it on its worker's; what it shares with those of other workers is the Door.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/channel.hpp"
#include "base/network.hpp"
#include "base/reactor.hpp"
#include "base/spill.hpp"
#include "base/worker.hpp"
#include "relay/admission.hpp"
#include "relay/door.hpp"
#include "relay/preamble.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

struct ListenerSettings {
    std::shared_ptr<const SessionSettings> session;
    std::vector<Network> allow;
    AdmissionLimits limits;
    TlsMode tls = TlsMode::none;
    std::vector<Network> proxy_protocol{};  // load balancers: theirs begin with a PROXY header
};

class Proxy {
  public:
    // `worker` must outlive the sessions. `door`: one for all workers.
    Proxy(Reactor& reactor, Worker& worker, SpillFactory spill,
          std::shared_ptr<Door> door = std::make_shared<Door>());
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    void accept(std::unique_ptr<Channel> channel, const IpAddress& client,
                const ListenerSettings& settings);
    // Arrivals are cut off and idle sessions get 421 now, the others after their transaction.
    // `done` is called through the reactor when none is left.
    void drain(std::function<void()> done);
    void stop_all();
    // Called through the reactor whenever the last session of all workers has gone and was ours,
    // with how many there were at once since the time before.
    void on_empty(std::function<void(std::size_t most)> told) { on_empty_ = std::move(told); }
    // Arrivals among them.
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }

  private:
    enum class Awaits : std::uint8_t { header, tls };
    struct Arrival {
        Awaits what;
        ListenerSettings settings;  // those of its beginning
        Session::Client client;     // the load balancer, until its header has come
        std::unique_ptr<Preamble> preamble{};
    };
    // One of the two, once it is complete.
    struct Entry {
        std::optional<IpAddress> client{};  // as admitted; none: not known yet
        std::unique_ptr<Arrival> arrival{};
        std::unique_ptr<Session> session{};
    };
    void start(std::uint64_t key, std::unique_ptr<Channel> channel, Session::Client client,
               std::shared_ptr<const SessionSettings> settings);
    void await(std::uint64_t key, std::unique_ptr<Channel> channel, Arrival arrival);
    void poll(std::uint64_t key);
    void identify(std::uint64_t key, Preamble::Ready ready, Arrival arrival);
    void failed(const Arrival& arrival, const Preamble::Refused& why);
    [[nodiscard]] std::unique_ptr<Arrival> take_arrival(Entry& entry);
    void cut_arrivals();
    [[nodiscard]] bool crowded(const ListenerSettings& settings) const;
    void refuse(std::unique_ptr<Channel> channel, const Session::Client& client, Verdict verdict,
                TlsMode tls);
    void ended(std::uint64_t key);
    void gone(std::uint64_t key);
    [[nodiscard]] std::vector<Session*> all_sessions() const;

    Reactor& reactor_;
    Worker& worker_;
    SpillFactory spill_;
    std::shared_ptr<Door> door_;
    std::unordered_map<std::uint64_t, Entry> sessions_;
    std::uint64_t next_key_ = 0;
    std::function<void()> drained_;
    std::function<void(std::size_t)> on_empty_;
};

}  // namespace waxseal::relay
