// What a configuration would do, for `waxseal check`: one line for each listener and upstream.
#pragma once

#include <string>
#include <vector>

#include "app/snapshot.hpp"

namespace waxseal::app {

// "listener [::]:465: implicit TLS with /etc/waxseal/tls.crt, from 192.168.1.0/24, login as a user,
// to main, reserve"; "upstream main: smtp.example.com:465, implicit TLS, …".
[[nodiscard]] std::vector<std::string> summary(const Snapshot& snapshot);

}  // namespace waxseal::app
