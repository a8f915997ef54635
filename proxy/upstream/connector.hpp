// Gets one session a connection that is logged in: upstreams are tried in order; for each a slot, a
// dial, TLS, the login.
//
// Flow: construct (it starts at once); whenever notified, poll(): nothing while it is under way,
// then once the outcome. A failure is that of the first upstream that was tried, which is the one
// the administrator put first; each is logged. Destroying it cancels. Single-threaded.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "upstream/connection.hpp"
#include "upstream/provider.hpp"

namespace waxseal::upstream {

class Connector {
  public:
    using Providers = std::vector<std::shared_ptr<Provider>>;
    using Outcome = std::expected<std::unique_ptr<Connection>, Failure>;

    // `label` names the session in the log.
    Connector(Reactor& reactor, Providers providers, std::string label,
              std::function<void()> notify);
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    [[nodiscard]] std::optional<Outcome> poll();

  private:
    void begin();
    void dial();
    void dialled(DialResult result);
    [[nodiscard]] std::optional<Outcome> failed(const Failure& failure);
    [[nodiscard]] std::optional<Outcome> log_in();

    Reactor& reactor_;
    Providers providers_;
    std::string label_;
    std::function<void()> notify_;
    std::size_t current_ = 0;
    std::optional<Failure> first_failure_;
    std::unique_ptr<Alarm> queue_alarm_;
    std::unique_ptr<Slots::Request> slot_;
    std::unique_ptr<Dial> dial_;
    std::optional<DialResult> dialled_;
    std::unique_ptr<Connection> connection_;
    TimePoint since_{};
    Timings timings_;
    bool queue_expired_ = false;
};

}  // namespace waxseal::upstream
