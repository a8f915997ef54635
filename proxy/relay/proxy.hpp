// All sessions of a worker: admits clients, starts sessions, ends them on drain. Knows channels,
// not sockets.
//
// Flow: accept() for each new channel; drain() once, then it says when the last session has gone;
// stop_all() ends what is left. A listener's settings come with each accept(), so a reload is
// simply other settings from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/channel.hpp"
#include "base/network.hpp"
#include "base/reactor.hpp"
#include "base/worker.hpp"
#include "relay/admission.hpp"
#include "relay/preamble.hpp"
#include "relay/refusals.hpp"
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
    // `worker` must outlive the sessions.
    Proxy(Reactor& reactor, Worker& worker);
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    void accept(std::unique_ptr<Channel> channel, const IpAddress& client,
                const ListenerSettings& settings);
    // Idle sessions get 421 now, the others after their transaction. `done` is called through the
    // reactor when none is left.
    void drain(std::function<void()> done);
    void stop_all();
    // Called through the reactor whenever the last session has gone, with how many there were at
    // once since the time before.
    void on_empty(std::function<void(std::size_t most)> told) { on_empty_ = std::move(told); }
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }

  private:
    struct Entry {
        std::unique_ptr<Session> session;
        IpAddress client;
    };
    void refuse(std::unique_ptr<Channel> channel, const IpAddress& client, Verdict verdict);
    void ended(std::uint64_t key);
    [[nodiscard]] std::string next_id();

    Reactor& reactor_;
    Worker& worker_;
    auth::Lockout lockout_;
    Admission admission_;
    std::unordered_map<std::uint64_t, Entry> sessions_;
    std::uint64_t next_key_ = 0;
    std::uint64_t id_base_;
    std::function<void()> drained_;
    Refusals refusals_;
    std::function<void(std::size_t)> on_empty_;
    std::size_t most_ = 0;
};

}  // namespace waxseal::relay
