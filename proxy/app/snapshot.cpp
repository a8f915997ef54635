#include "app/snapshot.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "app/password_file.hpp"
#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "tls/crypto.hpp"
#include "tls/engine.hpp"

namespace waxseal::app {

namespace {

using Contexts = std::map<std::string, std::shared_ptr<const tls::ClientContext>>;

smtp::SaslChoice choice(config::Auth auth) {
    switch (auth) {
        case config::Auth::automatic:
            return smtp::SaslChoice::automatic;
        case config::Auth::none:
            return smtp::SaslChoice::none;
        case config::Auth::plain:
            return smtp::SaslChoice::plain;
        case config::Auth::login:
            return smtp::SaslChoice::login;
        case config::Auth::cram_md5:
            return smtp::SaslChoice::cram_md5;
        case config::Auth::scram_sha_256:
        case config::Auth::xoauth2:
        case config::Auth::oauthbearer:
        case config::Auth::external:
            break;
    }
    return smtp::SaslChoice::automatic;
}

smtp::Security security(config::UpstreamTls tls) {
    switch (tls) {
        case config::UpstreamTls::implicit:
            return smtp::Security::implicit;
        case config::UpstreamTls::starttls:
            return smtp::Security::starttls;
        case config::UpstreamTls::none:
            return smtp::Security::cleartext;
    }
    return smtp::Security::implicit;
}

// Upstreams with the same CA share one trust store: parsing the system's is the most expensive
// thing at start.
std::expected<std::shared_ptr<const tls::ClientContext>, Error> trust(
    const config::Upstream& upstream, const Overrides& overrides, Contexts& contexts) {
    tls::ClientOptions options;
    options.ca_file = upstream.ca_file;
    if (const auto pem = overrides.ca_pem.find(upstream.name); pem != overrides.ca_pem.end())
        options.ca_pem = pem->second;
    const std::string key = options.ca_file + '\0' + options.ca_pem;
    if (const auto known = contexts.find(key); known != contexts.end()) return known->second;
    auto context = tls::client_context(options);
    if (context) contexts.emplace(key, *context);
    return context;
}

smtp::ClientSettings client_settings(const config::Config& config,
                                     const config::Upstream& upstream) {
    smtp::ClientSettings client;
    client.hostname = config.hostname;
    client.security = security(upstream.tls);
    client.auth = choice(upstream.auth);
    client.crypto.hmac_md5 = tls::hmac_md5;
    client.server_host = upstream.address.host;
    client.server_port = upstream.address.port;
    return client;
}

struct Builder {
    net::Loop& loop;
    net::Resolver& resolver;
    const config::Config& config;
    const Overrides& overrides;
    std::uint64_t room;
    Contexts contexts{};
    std::vector<Error> errors{};

    std::shared_ptr<upstream::Provider> provider(const config::Upstream& upstream);
    relay::ListenerSettings listener(
        const config::Listen& listen,
        const std::vector<std::shared_ptr<upstream::Provider>>& providers) const;
};

std::shared_ptr<upstream::Provider> Builder::provider(const config::Upstream& upstream) {
    net::DialerOptions dial;
    dial.host = upstream.address.host;
    dial.port = upstream.address.port;
    dial.connect_timeout = config.timeouts.connect;
    dial.lookup_timeout = config.timeouts.connect;
    dial.tls_start = upstream.tls == config::UpstreamTls::implicit ? net::TlsStart::implicit
                                                                   : net::TlsStart::by_user;
    if (upstream.tls != config::UpstreamTls::none) {
        auto context = trust(upstream, overrides, contexts);
        if (context) {
            dial.tls = net::ClientTls{*context, upstream.server_name};
        } else {
            errors.push_back(context.error());
        }
    }
    std::optional<smtp::Credentials> credentials;
    if (!upstream.username.empty()) {
        auto password = read_password(upstream.password_file);
        if (password) {
            credentials = smtp::Credentials{upstream.username, *std::move(password)};
        } else {
            errors.push_back(password.error());
        }
    }
    const config::Timeouts& t = config.timeouts;
    return std::make_shared<upstream::Provider>(upstream::Provider{
        .name = upstream.name,
        .dialer = std::make_unique<net::TcpDialer>(loop, resolver, std::move(dial)),
        .client = client_settings(config, upstream),
        .credentials = std::move(credentials),
        .timeouts = {t.tls_handshake, t.upstream_reply, t.data_reply, t.queue},
        .slots = upstream::Slots(loop, upstream.max_connections),
        .idle_timeout = upstream.idle_timeout,
        .last_offer = std::nullopt,
    });
}

relay::ListenerSettings Builder::listener(
    const config::Listen& listen,
    const std::vector<std::shared_ptr<upstream::Provider>>& providers) const {
    auto session = std::make_shared<relay::SessionSettings>();
    session->listener = config::to_string(listen.address);
    session->server.hostname = config.hostname;
    session->server.line_endings = listen.line_endings == config::LineEndings::reject
                                       ? smtp::LineEndings::reject
                                       : smtp::LineEndings::repair;
    session->server.max_message_size = config.limits.max_message_size;
    session->server.max_recipients = config.limits.max_recipients;
    session->server.max_errors = config.limits.max_errors;
    session->downstream_idle = config.timeouts.downstream_idle;
    for (const std::string& name : listen.upstream) {
        const auto found =
            std::find_if(providers.begin(), providers.end(),
                         [&](const auto& provider) { return provider->name == name; });
        if (found != providers.end()) session->providers.push_back(*found);
    }
    return {std::move(session),
            listen.allow,
            {std::min(config.limits.max_sessions, room), config.limits.max_sessions_per_client}};
}

// Whether a server at the same address would offer the same to both.
bool same_offer(const config::Upstream& one, const config::Upstream& other) {
    return one.tls == other.tls && one.server_name == other.server_name &&
           one.ca_file == other.ca_file && one.auth == other.auth && one.username == other.username;
}

}  // namespace

std::expected<std::shared_ptr<const Snapshot>, std::vector<Error>> build(
    net::Loop& loop, net::Resolver& resolver, const config::Config& config,
    const Overrides& overrides) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->config = config;
    snapshot->room = net::max_sessions_for_rlimit();
    Builder builder{loop, resolver, config, overrides, snapshot->room};
    for (const config::Upstream& upstream : config.upstream)
        snapshot->providers.push_back(builder.provider(upstream));
    if (!builder.errors.empty()) return std::unexpected(std::move(builder.errors));
    for (const config::Listen& listen : config.listen) {
        const auto* address = std::get_if<config::Endpoint>(&listen.address);
        if (address == nullptr) {
            builder.errors.push_back(Error{"cannot listen on " + config::to_string(listen.address) +
                                           ": not an IP address"});
            continue;
        }
        snapshot->listeners.push_back({*address, builder.listener(listen, snapshot->providers)});
    }
    if (!builder.errors.empty()) return std::unexpected(std::move(builder.errors));
    return snapshot;
}

void carry_over(const Snapshot& previous, const Snapshot& next) {
    for (std::size_t i = 0; i < next.providers.size(); ++i) {
        const config::Upstream& now = next.config.upstream[i];
        for (std::size_t k = 0; k < previous.providers.size(); ++k) {
            const config::Upstream& before = previous.config.upstream[k];
            if (before.name != now.name || before.address != now.address) continue;
            next.providers[i]->slots.succeed(previous.providers[k]->slots);
            if (same_offer(before, now))
                next.providers[i]->last_offer = previous.providers[k]->last_offer;
        }
    }
}

}  // namespace waxseal::app
