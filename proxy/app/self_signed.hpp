// The certificate of listeners with TLS that have none configured: made once, kept in state_dir
// (self-signed.crt, 0644; self-signed.key, 0600), used from then on, since devices are told to
// trust it.
//
// Nothing half-made is ever found there: each file is written beside its place and renamed, the
// key first. Two processes that start at once make one.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "tls/issue.hpp"

namespace waxseal::app {

enum class Missing {
    make,
    leave,  // only find out whether it could be made
};
enum class Kept { found, made, absent };

struct SelfSigned {
    config::Certificate files;
    Kept state = Kept::absent;
};

// The error names state_dir and says what to do.
[[nodiscard]] std::expected<SelfSigned, Error> self_signed(const std::string& state_dir,
                                                           const tls::SelfSignedRequest& names,
                                                           Missing missing);

// Whether a listener has to have one.
[[nodiscard]] bool wants_self_signed(const config::Listen& listen) noexcept;
// As devices may call those listeners: by the host's name, or by the address where they listen, of
// a wildcard by any of `interfaces`.
[[nodiscard]] tls::SelfSignedRequest names_for(const config::Config& config,
                                               const std::vector<std::string>& interfaces);
// The addresses of this host that others can use without a zone, loopback among them.
[[nodiscard]] std::vector<std::string> interface_addresses();

}  // namespace waxseal::app
