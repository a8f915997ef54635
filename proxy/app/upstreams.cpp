#include "app/upstreams.hpp"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "app/messages.hpp"
#include "app/password_file.hpp"
#include "tls/crypto.hpp"

namespace waxseal::app {

namespace {

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
            return smtp::SaslChoice::scram_sha_256;
        case config::Auth::xoauth2:
            return smtp::SaslChoice::xoauth2;
        case config::Auth::oauthbearer:
            return smtp::SaslChoice::oauthbearer;
        case config::Auth::external:
            return smtp::SaslChoice::external;
    }
    return smtp::SaslChoice::none;
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

tls::ProtocolVersion version(config::TlsVersion version) {
    return version == config::TlsVersion::tls12 ? tls::ProtocolVersion::tls12
                                                : tls::ProtocolVersion::tls13;
}

std::vector<std::string> pins(const config::Upstream& upstream) {
    std::vector<std::string> pins;
    for (const config::Sha256& pin : upstream.pin_sha256) pins.emplace_back(pin.begin(), pin.end());
    return pins;
}

// What decides a context: two upstreams with the same of it share one.
std::vector<std::string> key_of(const config::Upstream& upstream, const std::string& ca_pem) {
    std::vector<std::string> key = pins(upstream);
    key.insert(key.end(), {upstream.ca_file, ca_pem, upstream.certificate.certificate_file,
                           upstream.certificate.key_file, upstream.pin_only ? "only" : "beside",
                           std::to_string(static_cast<int>(upstream.min_tls)),
                           std::to_string(static_cast<int>(upstream.max_tls))});
    return key;
}

smtp::ClientSettings client_settings(const config::Config& config,
                                     const config::Upstream& upstream) {
    smtp::ClientSettings client;
    client.hostname = config.hostname;
    client.security = security(upstream.tls);
    client.auth = choice(upstream.auth);
    client.crypto = {.hmac_md5 = tls::hmac_md5,
                     .sha256 = tls::sha256,
                     .hmac_sha256 = tls::hmac_sha256,
                     .pbkdf2_hmac_sha256 = tls::pbkdf2_hmac_sha256,
                     .random = tls::random_bytes};
    client.server_host = upstream.address.host;
    client.server_port = upstream.address.port;
    return client;
}

// Other for another file, and for one that was written since; without reading it.
std::string state_of(const std::string& file) {
    std::error_code error;
    const auto written = std::filesystem::last_write_time(file, error).time_since_epoch().count();
    if (error) return {};
    return std::to_string(written) + ' ' + std::to_string(std::filesystem::file_size(file, error));
}

// What a login there goes by, in a form that tells nothing of it.
std::string account_of(const Secret& seed, const std::optional<smtp::Credentials>& credentials,
                       const config::Upstream& upstream) {
    std::string all = state_of(upstream.certificate.certificate_file) + ' ' +
                      state_of(upstream.certificate.key_file) + ' ' + state_of(upstream.ca_file);
    if (credentials) {
        all += tls::hmac_sha256(seed.reveal(), credentials->username);
        all += tls::hmac_sha256(seed.reveal(), credentials->password.reveal());
        all += tls::hmac_sha256(seed.reveal(), credentials->token.reveal());
    }
    return tls::hmac_sha256(seed.reveal(), all);
}

}  // namespace

Secret new_seed() { return Secret::adopt(tls::random_bytes(32)); }

struct UpstreamBuilder::Login {
    std::optional<smtp::Credentials> credentials;  // as they are now
    upstream::CredentialSource source;
};

upstream::CredentialSource token_source(std::string username, std::string file) {
    return [username = std::move(username),
            file = std::move(file)]() -> std::expected<smtp::Credentials, Error> {
        auto token = read_secret(file, "token");
        if (!token) return std::unexpected(std::move(token).error());
        return smtp::Credentials{username, {}, *std::move(token)};
    };
}

UpstreamBuilder::Login UpstreamBuilder::login(const config::Upstream& upstream) {
    // The certificate is the credential; the name only says whom to act for.
    if (upstream.auth == config::Auth::external)
        return {smtp::Credentials{.username = upstream.username}, {}};
    if (upstream.username.empty()) return {};
    Login login;
    if (!upstream.token_file.empty()) {
        login.source = token_source(upstream.username, upstream.token_file);
        auto now = login.source();
        if (now) {
            login.credentials = *std::move(now);
        } else {
            errors_.push_back(now.error());
        }
        return login;
    }
    auto password = read_password(upstream.password_file);
    if (password) {
        login.credentials = smtp::Credentials{upstream.username, *std::move(password)};
    } else {
        errors_.push_back(password.error());
    }
    return login;
}

UpstreamBuilder::Context UpstreamBuilder::context(const config::Upstream& upstream) {
    tls::ClientOptions options;
    options.ca_file = upstream.ca_file;
    if (const auto pem = overrides_.ca_pem.find(upstream.name); pem != overrides_.ca_pem.end())
        options.ca_pem = pem->second;
    const auto key = key_of(upstream, options.ca_pem);
    if (const auto known = contexts_.find(key); known != contexts_.end()) return known->second;
    options.min_version = version(upstream.min_tls);
    options.max_version = version(upstream.max_tls);
    options.pins = pins(upstream);
    options.pin_mode = upstream.pin_only ? tls::PinMode::instead : tls::PinMode::beside;
    if (!upstream.certificate.certificate_file.empty()) {
        auto identity = read_identity(upstream.certificate, "upstream " + upstream.name);
        if (!identity) {
            errors_.push_back(identity.error());
            return nullptr;
        }
        options.identity = std::move(identity->key);
        notes_.push_back(std::move(identity->note));
    }
    auto context = tls::client_context(options);
    if (!context) {
        errors_.push_back(context.error());
        return nullptr;
    }
    contexts_.emplace(key, *context);
    return *std::move(context);
}

BuiltUpstream UpstreamBuilder::build(const config::Upstream& upstream) {
    net::DialerOptions dial;
    dial.host = upstream.address.host;
    dial.port = upstream.address.port;
    dial.connect_timeout = config_.timeouts.connect;
    dial.lookup_timeout = config_.timeouts.connect;
    dial.tls_start = upstream.tls == config::UpstreamTls::implicit ? net::TlsStart::implicit
                                                                   : net::TlsStart::by_user;
    if (upstream.tls != config::UpstreamTls::none)
        dial.tls = net::ClientTls{context(upstream), upstream.server_name, upstream.name};
    Login login = this->login(upstream);
    std::string account = account_of(runtime_.seed, login.credentials, upstream);
    if (login.source) login.credentials.reset();
    const config::Timeouts& t = config_.timeouts;
    return {
        .name = upstream.name,
        .dial = std::move(dial),
        .client = client_settings(config_, upstream),
        .credentials = std::move(login.credentials),
        .credential_source = std::move(login.source),
        .timeouts = {t.tls_handshake, t.upstream_reply, t.data_reply, t.queue},
        .idle_connections = upstream.idle_connections,
        .idle_timeout = upstream.idle_timeout,
        .max_transactions = upstream.max_transactions_per_connection,
        .sender = make_sender_rule(upstream.sender, config_.own_domains,
                                   "[[upstream]] " + upstream.name, errors_),
        .xclient = upstream.xclient,
        .certificate = upstream.certificate.certificate_file.empty()
                           ? smtp::ClientCertificate::none
                           : smtp::ClientCertificate::presented,
        .slots = upstream::Slots(runtime_.loop, upstream.max_connections),
        .account = std::move(account),
    };
}

std::shared_ptr<upstream::Provider> make_provider(const BuiltUpstream& built, net::Loop& loop,
                                                  net::Resolver& resolver) {
    std::optional<smtp::Credentials> credentials;
    if (built.credentials) credentials = built.credentials->clone();
    auto provider = std::make_shared<upstream::Provider>(upstream::Provider{
        .name = built.name,
        .dialer = std::make_unique<net::TcpDialer>(loop, resolver, built.dial),
        .client = built.client,
        .credentials = std::move(credentials),
        .timeouts = built.timeouts,
        .slots = built.slots.beside(loop),
        .idle_timeout = built.idle_timeout,
        .max_transactions = built.max_transactions,
        .last_offer = built.last_offer,
        .credential_source = built.credential_source,
        .last_used = built.last_used,
        .breaker = built.breaker,
        .sender = built.sender,
        .xclient = built.xclient,
        .certificate = built.certificate,
    });
    // With XCLIENT a connection speaks for one client and for no other.
    if (built.idle_connections != 0 && !built.xclient)
        provider->pool = std::make_unique<upstream::Pool>(
            loop, provider->slots,
            upstream::PoolSettings{built.idle_connections, built.idle_timeout});
    return provider;
}

bool same_offer(const config::Upstream& one, const config::Upstream& other) {
    return one.tls == other.tls && one.server_name == other.server_name && one.auth == other.auth &&
           one.username == other.username && key_of(one, {}) == key_of(other, {});
}

}  // namespace waxseal::app
