// The sections of a configuration file, as tables of keys, and reading a document through them.
#pragma once

#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/keys.hpp"
#include "config/problems.hpp"

namespace waxseal::config {

struct Server {
    std::string hostname;
    std::string state_dir;
    std::vector<std::string> own_domains;
    unsigned workers = 0;  // auto
};
struct Admin {};

struct Drafts {
    std::vector<Draft<Listen>> listen;
    std::vector<Draft<Upstream>> upstream;
    std::vector<Draft<User>> user;
    std::vector<Draft<Route>> route;
    Draft<Server> server;
    Draft<Limits> limits;
    Draft<Timeouts> timeouts;
    Draft<Log> log;
    Draft<Admin> admin;
};

extern const std::span<const Key<Listen>> listen_keys;      // section_listen.cpp
extern const std::span<const Key<Upstream>> upstream_keys;  // section_upstream.cpp
extern const std::span<const Key<User>> user_keys;          // section_user.cpp
extern const std::span<const Key<Route>> route_keys;
extern const std::span<const Key<Server>> server_keys;  // sections.cpp
extern const std::span<const Key<Limits>> limits_keys;
extern const std::span<const Key<Timeouts>> timeouts_keys;
extern const std::span<const Key<Log>> log_keys;
extern const std::span<const Key<Admin>> admin_keys;

// Everything that can be judged key by key.
[[nodiscard]] Drafts read_document(const Document& document, Problems& problems);

}  // namespace waxseal::config
