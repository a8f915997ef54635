// Flags and environment variables as entries of the configuration, each with the source to name in
// a message.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"

namespace waxseal::config {

// Flag before variable; an empty variable is none, as deployments that leave one blank mean it.
struct Overrides {
    std::vector<Entry> listen;      // key "address", one each
    std::optional<Entry> allow;     // key "allow", a list
    std::optional<Entry> upstream;  // a URL
    std::optional<Entry> username, password_file, ca_file;
    std::optional<Entry> sender;  // key "sender", a table: envelope and header
    std::optional<Entry> level, format, hostname, workers;
    std::optional<Entry> config;  // the file to read
};

[[nodiscard]] Overrides read_overrides(const Flags& flags, const Environment& environment,
                                       Problems& problems);

// How to write `key` where `beside` was written: `password_file = "/run/secrets/smtp-password"`,
// --password-file FILE or WAXSEAL_PASSWORD_FILE.
[[nodiscard]] std::string spelling(const Place& beside, std::string_view key);

}  // namespace waxseal::config
