// The comparisons behind auth = "local", as work for another thread.
//
// Each kind of check costs the same for every name, known or not: what a user's own verifier does
// not need is spent all the same. The salt of somebody unknown is the same at each attempt, and
// looks like that of one of the users.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "auth/users.hpp"
#include "base/secret.hpp"

namespace waxseal::auth {

// Pure and thread-safe: owns or shares all it looks at.
using Work = std::function<bool()>;

// What SCRAM tells a client before it proves anything (RFC 5802 5.1: s= and i=).
struct ScramOffer {
    std::string salt;
    unsigned iterations = 0;
};

// Copies share the users.
class Checks {
  public:
    // `seed`: random, at least 32 octets, kept for the life of the process so that the salts that
    // are made from it outlive a reload.
    Checks(std::shared_ptr<const Users> users, const Secret& seed);

    [[nodiscard]] const Users& users() const noexcept { return *users_; }
    // A null `user` is somebody unknown.
    [[nodiscard]] Work password(std::shared_ptr<const User> user, Secret password) const;
    // CRAM-MD5. A user whose password is not known in the clear is as good as unknown.
    [[nodiscard]] Work digest(std::shared_ptr<const User> user, std::string challenge,
                              std::string digest) const;

    [[nodiscard]] ScramOffer offer(const User* user, std::string_view name) const;
    // When it returns true it has left the server's signature in `signature`; whoever carries the
    // result to the loop orders that write before the reading.
    [[nodiscard]] Work proof(std::shared_ptr<const User> user, ScramOffer offer,
                             std::string auth_message, std::string proof,
                             std::shared_ptr<std::string> signature) const;

  private:
    [[nodiscard]] std::string made_salt(std::string_view name, std::size_t size) const;

    std::shared_ptr<const Users> users_;
    std::shared_ptr<const Secret> seed_;
    unsigned password_iterations_ = 0;  // of the slowest user, and so of all
    unsigned proof_iterations_ = 0;
};

}  // namespace waxseal::auth
