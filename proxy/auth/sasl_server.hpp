// SASL, server side: one exchange with a downstream. PLAIN (RFC 4616), LOGIN
// (draft-murchison-sasl-login), CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 5802, RFC 7677) without
// channel binding.
//
// Messages are raw octets; base64, "=", "*" and the limits of a line are the server machine's.
//
// Flow: step() with the initial response, or with nothing; then with each message of the client for
// as long as the result is a Challenge. On a Check: run its work, on any thread, then conclude()
// with what it returned. All other results are the end. An exchange is used once, on one thread,
// and may outlive the Authenticator that began it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/checks.hpp"
#include "auth/sasl_message.hpp"
#include "auth/users.hpp"
#include "base/secret.hpp"
#include "smtp/sasl.hpp"

namespace waxseal::auth {

struct Challenge {
    std::string text;  // 334, in base64; may be empty
};
struct Check {
    Work work;  // slow: not for the loop
};
struct Granted {
    std::shared_ptr<const User> user;  // null: anybody is let in
    std::string name;
};
struct Collected {
    smtp::Credentials credentials;  // to be tried at the upstream
};
struct Refused {};  // 535: a failed login
using Step = std::variant<Challenge, Check, Granted, Collected, Refused, Malformed>;

enum class Mode : std::uint8_t {
    any,          // whatever is said is accepted
    local,        // checked against the users
    passthrough,  // collected for the upstream, which decides
};

// What an Authenticator and its exchanges share; never changes.
struct Policy {
    Mode mode = Mode::any;
    Checks checks;
    std::string hostname;
    std::function<std::string()> nonce;  // printable, without comma and space, unpredictable
};

class Exchange {
  public:
    virtual ~Exchange() = default;
    Exchange() = default;
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    [[nodiscard]] virtual std::string_view mechanism() const noexcept = 0;
    // The user that the client says it is, for the log: empty when there is none of that name,
    // since what is typed there may be a password.
    [[nodiscard]] virtual std::string_view claimed() const noexcept { return {}; }
    // No message is AUTH without an initial response; later there always is one.
    [[nodiscard]] Step step(std::optional<Secret> message);
    // Only after a Check.
    [[nodiscard]] Step conclude(bool matched);

  private:
    enum class Phase : std::uint8_t {
        beginning,  // the client's message is due, or that there is none
        talking,    // the client's message is due
        checking,   // conclude() is due
        ended,
    };
    virtual Step advance(std::optional<Secret> message) = 0;
    virtual Step matched() = 0;
    Step follow(Step step);

    Phase phase_ = Phase::beginning;
};

using Begin = std::unique_ptr<Exchange> (*)(std::shared_ptr<const Policy>);
[[nodiscard]] std::unique_ptr<Exchange> begin_plain(std::shared_ptr<const Policy> policy);
[[nodiscard]] std::unique_ptr<Exchange> begin_login(std::shared_ptr<const Policy> policy);
// These two need users: Mode::local.
[[nodiscard]] std::unique_ptr<Exchange> begin_cram_md5(std::shared_ptr<const Policy> policy);
[[nodiscard]] std::unique_ptr<Exchange> begin_scram_sha_256(std::shared_ptr<const Policy> policy);

}  // namespace waxseal::auth
