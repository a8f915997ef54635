// A configuration brought to life: upstreams with their TLS contexts and passwords, listeners with
// their settings. Immutable once in force, and shared by all workers, each of which makes of it
// what is bound to its loop (share.hpp); a reload builds another one and swaps. Everything that can
// be wrong is found here, before anything is started or replaced.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/certificates.hpp"
#include "app/listeners.hpp"
#include "app/upstreams.hpp"
#include "base/error.hpp"
#include "config/config.hpp"
#include "upstream/provider.hpp"

namespace waxseal::app {

struct Snapshot {
    config::Config config;
    std::vector<BuiltUpstream> upstreams;
    std::vector<BuiltListener> listeners;
    std::vector<CertificateNote> certificates;
    std::optional<SelfSigned> self_signed;
    std::uint64_t room = 0;  // sessions that the limit of open files allows
};

// Reads the files that the configuration names, and makes the self-signed certificate where one is
// missing. Errors: all of them, each one line naming the file.
[[nodiscard]] std::expected<std::shared_ptr<Snapshot>, std::vector<Error>> build(
    const Runtime& runtime, const config::Config& config, Missing missing,
    const Overrides& overrides = {});

// What outlives a reload, from the upstreams of the same name and address: where nothing that
// decides it has changed, the last offer, and what is known about whether it works. At the moment
// of the swap, before any worker has the next.
void carry_over(const Snapshot& previous, Snapshot& next);
// Whether `now` is where `before` was: then the connections that exist count for both.
[[nodiscard]] bool same_place(const config::Upstream& before, const config::Upstream& now);

}  // namespace waxseal::app
