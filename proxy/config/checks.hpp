// What takes more than one key to judge: the second half of validation, on what is left after flags
// and environment have replaced what they replace. Fills in the defaults that depend on other keys.
//
// Flow: listeners, users, routes, upstreams, sender rules, in this order: a route is compared with
// listeners whose paths are whole, and what an upstream needs depends on who leads to it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "config/sections.hpp"

namespace waxseal::config {

struct Directories {
    std::string file;     // what paths in the file are relative to
    std::string working;  // the same for flags and environment
};

void check_listeners(Drafts& drafts, const Directories& directories, Problems& problems);
void check_listener_tls(Draft<Listen>& draft, const Directories& directories, Problems& problems);
void check_users(Drafts& drafts, const Directories& directories, Problems& problems);
void check_routes(Drafts& drafts, const Directories& directories, Problems& problems);
void check_upstreams(Drafts& drafts, const Directories& directories, Problems& problems);
void check_repairs(Draft<Listen>& draft, Problems& problems);
void check_sender_rules(Drafts& drafts, Problems& problems);
void check_timeouts(const Draft<Timeouts>& draft, Problems& problems);

// The upstreams that a device's own credentials may be sent to.
[[nodiscard]] std::set<std::string> passed_through(const Drafts& drafts);
// The same address, written relative to `directory`, spelled as to_string() spells it.
[[nodiscard]] ListenAddress absolute(ListenAddress address, const std::string& directory);

}  // namespace waxseal::config
