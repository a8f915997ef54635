// A configuration brought to life: upstreams with their TLS contexts and passwords, listeners with
// their settings. Immutable once built; a reload builds another one and swaps. Everything that can
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
    std::vector<std::shared_ptr<upstream::Provider>> providers;
    std::vector<std::string> accounts;  // beside each provider: BuiltUpstream::account
    std::vector<BuiltListener> listeners;
    std::vector<CertificateNote> certificates;
    std::optional<SelfSigned> self_signed;
    std::uint64_t room = 0;  // sessions that the limit of open files allows
};

// Reads the files that the configuration names, and makes the self-signed certificate where one is
// missing. Errors: all of them, each one line naming the file.
[[nodiscard]] std::expected<std::shared_ptr<const Snapshot>, std::vector<Error>> build(
    const Runtime& runtime, const config::Config& config, Missing missing,
    const Overrides& overrides = {});

// What outlives a reload, from the upstreams of the same name and address: the connections that
// exist; where nothing that decides it has changed, the last offer, and what is known about whether
// it works. At the moment of the swap.
void carry_over(const Snapshot& previous, const Snapshot& next);

}  // namespace waxseal::app
