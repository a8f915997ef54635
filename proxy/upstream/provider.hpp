// One configured upstream, as the sessions of one worker share it: how to reach it, who we are
// there, how many at once, what it offered last time, whether it works. Immutable but for the slots
// and those memories, which are views on what all workers have in common and go on in the next
// after a reload. Kept alive by whoever uses it, so that a reload harms no running session.
//
// Attempts at it are judged through succeeded(), failed() and lost(), which tell its breaker and
// log upstream_down and upstream_up once for each change.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "auth/sender_rule.hpp"
#include "base/channel.hpp"
#include "base/error.hpp"
#include "base/reactor.hpp"
#include "smtp/client.hpp"
#include "upstream/breaker.hpp"
#include "upstream/memory.hpp"
#include "upstream/pool.hpp"
#include "upstream/slots.hpp"

namespace waxseal::upstream {

struct Timeouts {
    Duration tls_handshake{};
    Duration reply{};
    Duration data_reply{};
    Duration queue{};
};

// Asked before each login, so that a token or password that has changed meanwhile is the one that
// is used. Must not block for long.
using CredentialSource = std::function<std::expected<smtp::Credentials, Error>()>;

struct Provider {
    std::string name;
    std::unique_ptr<Dialer> dialer;
    smtp::ClientSettings client;
    std::optional<smtp::Credentials> credentials;  // each connection logs in with a copy
    Timeouts timeouts;
    Slots slots;
    Duration idle_timeout{};  // how long a connection is kept between two transactions
    std::uint64_t max_transactions = 1000;  // on one connection
    // After login; what the next EHLO of a downstream is answered from.
    Memory<smtp::Capabilities> last_offer;
    CredentialSource credential_source{};   // with none: the credentials above
    Memory<smtp::Credentials> last_used{};  // of those that the source gave
    Breaker breaker{};
    std::optional<auth::SenderRule> sender{};  // after the user's and the listener's
    std::function<void()> on_failure{};        // the breaker has heard of one
    bool xclient = false;                      // it is told for whom we speak, if it offers to be
    // Whether the dialer has a certificate for the handshake.
    smtp::ClientCertificate certificate = smtp::ClientCertificate::none;

    void succeeded(std::unique_ptr<Breaker::Attempt> attempt, TimePoint now);
    void failed(std::unique_ptr<Breaker::Attempt> attempt, const Failure& failure,
                Breaker::Caution caution, TimePoint now);
    // A connection to it, inside a transaction.
    void lost(const Failure& failure, TimePoint now);

    // Connections that are ready, for whoever comes next; none: each transaction has its own. For
    // `slots`, so it is made when this has its place.
    std::unique_ptr<Pool> pool{};
    // What waxseal logs in with is the same for all, so that they may share.
    [[nodiscard]] bool shares() const noexcept { return pool != nullptr; }

    // For one login; nothing where the upstream wants none.
    [[nodiscard]] std::expected<std::optional<smtp::Credentials>, Error> login_credentials();
    // A refused login need not wait any longer when the source has other credentials by now.
    void look_for_other_credentials(TimePoint now);
};

}  // namespace waxseal::upstream
