// The credentials policy of one listener: which mechanisms it offers, and what becomes of what a
// downstream says in them. Immutable; belongs to a configuration snapshot.
//
// Flow: mechanisms() into the EHLO reply (AUTH is not offered when there are none); begin() for
// each AUTH command, then see Exchange. After Granted with a user the caller asks
// user->allowed_from() and treats a no as Refused; may_send() is asked at each MAIL.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sasl_server.hpp"

namespace waxseal::auth {

struct AuthenticatorOptions {
    Mode mode = Mode::any;
    std::shared_ptr<const Users> users;  // for Mode::local
    std::string hostname;                // in CRAM-MD5's challenge
    Secret seed;                         // see Checks; for Mode::local
    // 18 random octets in base64 when empty.
    std::function<std::string()> nonce;
};

class Authenticator {
  public:
    explicit Authenticator(AuthenticatorOptions options);

    [[nodiscard]] Mode mode() const noexcept { return policy_->mode; }
    // Those that can succeed, PLAIN and LOGIN first: devices take the first they know.
    [[nodiscard]] const std::vector<std::string_view>& mechanisms() const noexcept {
        return mechanisms_;
    }
    // Null when the mechanism is not one of mechanisms(): 504. Any case.
    [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism) const;

  private:
    std::shared_ptr<const Policy> policy_;
    std::vector<std::string_view> mechanisms_;
};

}  // namespace waxseal::auth
