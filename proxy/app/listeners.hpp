// From [[listen]] to what sessions use, and to the sockets that are opened for it.
//
// Flow: one ListenerBuilder for a build; build() for each; errors are collected. sockets_for() when
// it is to be opened: which sockets systemd has passed on is not known to `check`.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/certificates.hpp"
#include "app/logins.hpp"
#include "app/self_signed.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "config/config.hpp"
#include "net/activation.hpp"
#include "net/listener.hpp"
#include "relay/proxy.hpp"
#include "tls/engine.hpp"

namespace waxseal::app {

struct BuiltListener {
    config::ListenAddress address;
    unsigned mode = 0;  // of a unix socket
    // Of a session all but where its mail goes: that is each worker's own (share.hpp).
    relay::ListenerSettings settings;
    std::shared_ptr<const tls::ServerContext> tls;  // null: none
};

class ListenerBuilder {
  public:
    // `room`: how many sessions the limit of open files allows.
    ListenerBuilder(const config::Config& config, const Secret& seed, Missing missing,
                    std::uint64_t room);

    [[nodiscard]] BuiltListener build(const config::Listen& listen);
    [[nodiscard]] std::vector<Error>& errors() noexcept { return errors_; }
    [[nodiscard]] std::vector<CertificateNote>& notes() noexcept { return notes_; }
    // Nothing where no listener has to have one.
    [[nodiscard]] const std::optional<SelfSigned>& kept() const noexcept { return self_signed_; }

  private:
    [[nodiscard]] std::shared_ptr<const relay::SessionSettings> session(
        const config::Listen& listen);
    [[nodiscard]] std::shared_ptr<const tls::ServerContext> context(const config::Listen& listen);
    [[nodiscard]] std::vector<config::Certificate> certificates(const config::Listen& listen);

    const config::Config& config_;
    const Secret& seed_;
    Missing missing_;
    std::uint64_t room_;
    std::vector<Error> errors_;
    std::vector<CertificateNote> notes_;
    std::shared_ptr<const auth::Users> users_;
    std::optional<SelfSigned> self_signed_;
};

// One; of those that were passed on as many as go by its name. `all`: the listeners beside it, for
// one without a name takes what none of them names.
[[nodiscard]] std::expected<std::vector<net::ListenOptions>, Error> sockets_for(
    const BuiltListener& listener, const std::vector<BuiltListener>& all,
    const std::vector<net::InheritedSocket>& passed);

}  // namespace waxseal::app
