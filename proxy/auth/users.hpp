// The users of auth = "local": who they are, where they may come from, which reverse-paths they may
// use. Immutable once made; sessions keep theirs across a reload.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/address_pattern.hpp"
#include "auth/sender_rule.hpp"
#include "auth/verifier.hpp"
#include "base/network.hpp"
#include "smtp/path.hpp"

namespace waxseal::auth {

struct User {
    std::string name;
    Verifier verifier;
    std::vector<Network> allow;                // empty: from anywhere
    std::vector<AddressPattern> senders;       // empty: any
    std::string upstream;                      // empty: the listener's
    std::vector<AddressPattern> recipients{};  // empty: any
    std::optional<SenderRule> sender{};        // comes before the listener's

    [[nodiscard]] bool may_send(const smtp::Path& reverse_path) const noexcept;
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
