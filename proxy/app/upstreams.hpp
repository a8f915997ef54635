// From [[upstream]] to what sessions use: TLS context, dialer, credentials, provider.
//
// A password is read once, at the build. A token is, too, so that a bad file is found then, and
// again for each login: whoever refreshes it writes the file. Upstreams whose TLS is the same
// share one context: parsing the system's trust store is the most expensive thing at start.
// What is built is for all workers; each makes its own provider of it, on its thread.
// Flow: one UpstreamBuilder for a build; build() for each; errors are collected.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/certificates.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "config/config.hpp"
#include "net/dialer.hpp"
#include "net/loop.hpp"
#include "net/resolver.hpp"
#include "tls/engine.hpp"
#include "upstream/provider.hpp"

namespace waxseal::app {

// What the process has for all the configurations of its life.
struct Runtime {
    net::Loop& loop;     // that of the thread that builds; outlives all the others
    const Secret& seed;  // random, never shown
    std::size_t workers = 1;
};

[[nodiscard]] Secret new_seed();

// What a caller has in memory instead of a file: the demo's CA.
struct Overrides {
    std::map<std::string, std::string> ca_pem;  // by the upstream's name
};

struct BuiltUpstream {
    std::string name;
    net::DialerOptions dial;
    smtp::ClientSettings client;
    std::optional<smtp::Credentials> credentials;
    upstream::CredentialSource credential_source;
    upstream::Timeouts timeouts;
    std::size_t idle_connections = 0;
    Duration idle_timeout{};
    std::uint64_t max_transactions = 0;
    std::optional<auth::SenderRule> sender{};
    bool xclient = false;
    smtp::ClientCertificate certificate = smtp::ClientCertificate::none;
    // What the providers of all workers share.
    upstream::Slots slots;
    upstream::Memory<smtp::Capabilities> last_offer{};
    upstream::Memory<smtp::Credentials> last_used{};
    upstream::Breaker breaker{};
    // The same for the same credentials and files of certificates, and only within this process;
    // says nothing about them.
    std::string account{};
};

// For the worker of this loop, on its thread.
[[nodiscard]] std::shared_ptr<upstream::Provider> make_provider(const BuiltUpstream& built,
                                                                net::Loop& loop,
                                                                net::Resolver& resolver);

class UpstreamBuilder {
  public:
    UpstreamBuilder(const Runtime& runtime, const config::Config& config,
                    const Overrides& overrides)
        : runtime_(runtime), config_(config), overrides_(overrides) {}

    [[nodiscard]] BuiltUpstream build(const config::Upstream& upstream);
    [[nodiscard]] std::vector<Error>& errors() noexcept { return errors_; }
    [[nodiscard]] std::vector<CertificateNote>& notes() noexcept { return notes_; }

  private:
    struct Login;
    using Context = std::shared_ptr<const tls::ClientContext>;

    [[nodiscard]] Context context(const config::Upstream& upstream);
    [[nodiscard]] Login login(const config::Upstream& upstream);

    const Runtime& runtime_;
    const config::Config& config_;
    const Overrides& overrides_;
    std::map<std::vector<std::string>, Context> contexts_;
    std::vector<Error> errors_;
    std::vector<CertificateNote> notes_;
};

// Reads the token anew.
[[nodiscard]] upstream::CredentialSource token_source(std::string username, std::string file);

// Whether a server at the same address would offer the same to both.
[[nodiscard]] bool same_offer(const config::Upstream& one, const config::Upstream& other);

}  // namespace waxseal::app
