// One AUTH exchange of a downstream, from the command to its verdict: the mechanism, the check of a
// password in a thread, the lock-out of an address that guesses, and the penalty of a failure.
//
// Decides nothing about the session: what is granted or collected is its matter. Flow: construct,
// receive() what came with the command, or nothing; poll() at once and whenever notified. After Ask
// receive() the downstream's response; all results but Waiting and Ask are the end. Destroying it
// gives everything up. Sources: RFC 4954 4; threats of guessing: auth/lockout.hpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/authenticator.hpp"
#include "auth/lockout.hpp"
#include "base/reactor.hpp"
#include "base/spill.hpp"
#include "base/worker.hpp"
#include "relay/lost_replies.hpp"
#include "relay/refusals.hpp"
#include "relay/slow_clients.hpp"
#include "smtp/reply.hpp"

namespace waxseal::relay {

// What all sessions of a worker share.
struct SessionServices {
    Worker& worker;  // checks passwords
    auth::Lockout& lockout;
    Refusals& refusals;
    LostReplies& lost_replies;
    SlowClients& slow;
    const SpillFactory& spill;  // where messages that are collected have their files
};

class Login {
  public:
    struct Waiting {};  // for the downstream, a thread, or the end of a penalty
    struct Ask {
        std::string challenge;
    };
    struct Accepted {
        std::shared_ptr<const auth::User> user;  // null: anybody is let in
        std::string name;
    };
    struct Collected {
        smtp::Credentials credentials;  // for the upstream to judge
    };
    struct Rejected {
        smtp::Reply reply;
        std::string_view why;  // for the log
        std::string user{};    // ours that was claimed
        bool judged = false;   // the credentials were, by us or by the upstream
    };
    using Result = std::variant<Waiting, Ask, Accepted, Collected, Rejected>;

    // `mechanism` is one that the authenticator offers.
    Login(Reactor& reactor, SessionServices services, const auth::Authenticator& authenticator,
          const IpAddress& client, std::string_view mechanism, std::function<void()> notify);
    Login(const Login&) = delete;
    Login& operator=(const Login&) = delete;

    void receive(std::optional<Secret> message);
    [[nodiscard]] Result poll();
    [[nodiscard]] const std::string& mechanism() const noexcept { return mechanism_; }
    // The upstream has refused what was collected: the same penalty, then `reply`.
    void refused_elsewhere(const smtp::Reply& reply);

  private:
    [[nodiscard]] bool locked();
    void take(auth::Step step);
    void check(auth::Work work);
    void wake();
    void accept(auth::Granted granted);
    void penalize(smtp::Reply reply, std::string_view why);

    Reactor& reactor_;
    SessionServices services_;
    IpAddress client_;
    std::string mechanism_;
    std::unique_ptr<auth::Exchange> exchange_;
    std::function<void()> notify_;
    std::unique_ptr<Job> job_;
    std::unique_ptr<Alarm> penalty_;
    std::optional<Rejected> held_;  // until the penalty is over
    Result result_;
};

}  // namespace waxseal::relay
