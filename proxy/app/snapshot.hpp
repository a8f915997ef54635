// A configuration brought to life: upstreams with their TLS contexts and passwords, listeners with
// their settings. Immutable once built; a reload builds another one and swaps. Everything that can
// be wrong is found here, before anything is started or replaced.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "relay/proxy.hpp"
#include "upstream/provider.hpp"

namespace waxseal::app {

struct Snapshot {
    struct Listener {
        config::Endpoint address;
        relay::ListenerSettings settings;
    };
    config::Config config;
    std::vector<std::shared_ptr<upstream::Provider>> providers;
    std::vector<Listener> listeners;
    std::uint64_t room = 0;  // sessions that the limit of open files allows
};

// What a caller has in memory instead of a file: the demo's CA.
struct Overrides {
    std::map<std::string, std::string> ca_pem;  // by the upstream's name
};

// Reads the files that the configuration names. Errors: all of them, each one line naming the file.
[[nodiscard]] std::expected<std::shared_ptr<const Snapshot>, std::vector<Error>> build(
    net::Loop& loop, net::Resolver& resolver, const config::Config& config,
    const Overrides& overrides = {});

// What outlives a reload, from the upstreams of the same name and address: the connections that
// exist, and the last offer where nothing that decides it has changed. At the moment of the swap.
void carry_over(const Snapshot& previous, const Snapshot& next);

}  // namespace waxseal::app
