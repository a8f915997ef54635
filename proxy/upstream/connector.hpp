// Gets one session a connection that is logged in: upstreams are tried in order; for each one that
// is ready (upstream/pool.hpp), or a slot, its credentials or those that the session brings along,
// a dial, TLS, the login.
//
// Which is next: the first whose breaker is closed; with none, the first that may be probed; with
// none, the first that is a last resort (upstream/breaker.hpp); each once. So an upstream that is
// down is passed over at no cost while another one works, and finding out whether it works again is
// the Prober's task.
// An upstream that breaks off over the TLS session of an earlier connection is dialled once more at
// once, without one.
//
// Flow: construct (it starts at once); whenever notified, poll(): nothing while it is under way,
// then once the outcome. A failure is that of the upstream that the administrator put first: of
// this attempt, or the one its breaker remembers; else of the first that was tried. Each attempt
// that fails is logged. Destroying it cancels. Single-threaded.
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

// For whom a connection is.
struct Borrower {
    std::string label;  // names the session in the log
    // The downstream's own, to be tried instead of ours, at the first upstream and at no other:
    // nobody has told that one the password. What becomes of them says nothing about our account
    // there, so the breaker is neither asked nor told.
    std::optional<smtp::Credentials> credentials = std::nullopt;
    std::optional<smtp::Xclient> client = std::nullopt;  // told to an upstream that has `xclient`
    // Not one that was used before.
    bool fresh = false;
    // Of the connection that is to be replaced: need not be waited for at the same upstream.
    std::unique_ptr<Slots::Request> slot{};
    const Provider* slot_of = nullptr;
};

class Connector {
  public:
    using Providers = std::vector<std::shared_ptr<Provider>>;
    using Outcome = std::expected<std::unique_ptr<Connection>, Failure>;

    Connector(Reactor& reactor, Providers providers, Borrower borrower,
              std::function<void()> notify);
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    [[nodiscard]] std::optional<Outcome> poll();
    // After a failure: the upstream's own reply to the borrower's credentials, if that was it.
    [[nodiscard]] const std::optional<smtp::Reply>& refusal() const noexcept { return refusal_; }

  private:
    [[nodiscard]] bool borrowed() const noexcept { return borrower_.credentials.has_value(); }
    [[nodiscard]] std::shared_ptr<Provider> choose() const;
    void begin();
    void queue();
    [[nodiscard]] std::unique_ptr<Connection> take_ready();
    [[nodiscard]] bool may_dial();
    void dial();
    void call();
    void dialled(DialResult result);
    void connect();
    [[nodiscard]] std::optional<Outcome> log_in();
    void login_failed(const smtp::ClientEvent& told);
    [[nodiscard]] std::expected<std::optional<smtp::Credentials>, Error> credentials() const;
    void tell(const Failure& failure) const;
    void failed(const Failure& failure, Breaker::Caution caution);

    Reactor& reactor_;
    Providers providers_;
    Providers left_;  // not tried yet
    Borrower borrower_;
    std::optional<smtp::Reply> refusal_;
    std::function<void()> notify_;
    std::shared_ptr<Provider> provider_;  // being tried; nobody when all have failed
    std::optional<Failure> failure_;      // what to tell when all have
    std::unique_ptr<Alarm> alarm_;  // the time in the queue is over, or something is to be polled
    std::unique_ptr<Pool::Claim> claim_;
    std::unique_ptr<Slots::Request> slot_;
    std::unique_ptr<Breaker::Attempt> attempt_;
    std::optional<smtp::Credentials> credentials_;
    std::unique_ptr<Dial> dial_;
    std::optional<DialResult> dialled_;
    std::unique_ptr<Connection> connection_;
    TimePoint since_{};
    Timings timings_;
    bool queue_expired_ = false;
    bool called_again_ = false;  // since an earlier TLS session was not welcome
};

}  // namespace waxseal::upstream
