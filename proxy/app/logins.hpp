// From [[user]] and [[route]] to what sessions ask: who may log in, and where a transaction goes.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "auth/authenticator.hpp"
#include "auth/users.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "config/config.hpp"
#include "relay/routes.hpp"

namespace waxseal::app {

using Providers = upstream::Connector::Providers;

// Of all providers those with these names, in the order of the names.
[[nodiscard]] Providers named(const Providers& all, const std::vector<std::string>& names);

// Reads the password files. An error names the user and the key.
[[nodiscard]] std::shared_ptr<const auth::Users> make_users(const config::Config& config,
                                                            std::vector<Error>& errors);

// Null where AUTH is not offered. `seed` has to outlast reloads: an unknown name has to look the
// same before and after.
[[nodiscard]] std::shared_ptr<const auth::Authenticator> make_authenticator(
    const config::Listen& listen, std::string hostname, std::shared_ptr<const auth::Users> users,
    const Secret& seed);

[[nodiscard]] std::shared_ptr<const relay::RouteTable> make_routes(const config::Config& config,
                                                                   const Providers& all,
                                                                   std::vector<Error>& errors);

}  // namespace waxseal::app
