// The users of auth = "local": who they are, where they may come from, which reverse-paths they may
// use. Immutable once made; sessions keep theirs across a reload.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/verifier.hpp"
#include "base/error.hpp"
#include "base/network.hpp"
#include "smtp/path.hpp"

namespace waxseal::auth {

// "user@domain", "@domain" or "*@domain" (everybody of it), "<>" (the null reverse-path, which
// nothing else but "*" means), "*" (anything). The domain is compared without regard to ASCII case,
// the local part exactly (RFC 5321 2.4). A subdomain is another domain.
class SenderPattern {
  public:
    [[nodiscard]] static std::expected<SenderPattern, Error> parse(std::string_view text);
    // An addr-spec without angle brackets; empty: the null reverse-path.
    [[nodiscard]] bool matches(std::string_view address) const noexcept;

  private:
    SenderPattern(std::string local_part, std::string domain)
        : local_part_(std::move(local_part)), domain_(std::move(domain)) {}
    std::string local_part_;  // empty: any
    std::string domain_;      // empty: any
};

struct User {
    std::string name;
    Verifier verifier;
    std::vector<Network> allow;          // empty: from anywhere
    std::vector<SenderPattern> senders;  // empty: any
    std::string upstream;                // empty: the listener's

    [[nodiscard]] bool may_send(std::string_view address) const noexcept;
    [[nodiscard]] bool may_send(const smtp::Path& path) const noexcept {
        return may_send(path.address());
    }
    [[nodiscard]] bool allowed_from(const IpAddress& client) const noexcept;
};

class Users {
  public:
    Users() = default;
    // Of two with the same name the first stands; the configuration refuses such.
    explicit Users(std::vector<User> users);
    // Names are compared exactly.
    [[nodiscard]] std::shared_ptr<const User> find(std::string_view name) const;
    [[nodiscard]] const std::vector<std::shared_ptr<const User>>& all() const noexcept {
        return all_;
    }

  private:
    std::vector<std::shared_ptr<const User>> all_;
    std::map<std::string, std::shared_ptr<const User>, std::less<>> by_name_;
};

}  // namespace waxseal::auth
