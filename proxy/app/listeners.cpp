#include "app/listeners.hpp"

#include <algorithm>
#include <utility>

#include "app/messages.hpp"

namespace waxseal::app {

namespace {

relay::TlsMode tls_mode(config::ListenTls tls) {
    switch (tls) {
        case config::ListenTls::none:
            return relay::TlsMode::none;
        case config::ListenTls::starttls:
            return relay::TlsMode::starttls;
        case config::ListenTls::implicit:
            return relay::TlsMode::implicit;
        case config::ListenTls::automatic:
            return relay::TlsMode::automatic;
    }
    return relay::TlsMode::none;
}

smtp::Starttls starttls(const config::Listen& listen) {
    if (listen.tls == config::ListenTls::none || listen.tls == config::ListenTls::implicit)
        return smtp::Starttls::absent;
    return listen.require_tls ? smtp::Starttls::required : smtp::Starttls::offered;
}

tls::ClientCertificates client_certificates(config::ClientCertificate wanted) {
    switch (wanted) {
        case config::ClientCertificate::none:
            return tls::ClientCertificates::none;
        case config::ClientCertificate::optional:
            return tls::ClientCertificates::optional;
        case config::ClientCertificate::required:
            return tls::ClientCertificates::required;
    }
    return tls::ClientCertificates::required;
}

smtp::ServerSettings server_settings(const config::Config& config, const config::Listen& listen,
                                     const auth::Authenticator* authenticator) {
    smtp::ServerSettings server;
    server.hostname = config.hostname;
    server.line_endings = listen.line_endings == config::LineEndings::reject
                              ? smtp::LineEndings::reject
                              : smtp::LineEndings::repair;
    server.max_message_size = config.limits.max_message_size;
    server.max_recipients = config.limits.max_recipients;
    server.max_errors = config.limits.max_errors;
    if (config.limits.error_delay.count() != 0) server.prompt_errors = config.limits.max_errors / 2;
    server.starttls = starttls(listen);
    if (authenticator != nullptr) {
        for (const std::string_view mechanism : authenticator->mechanisms())
            server.auth_mechanisms.emplace_back(mechanism);
    }
    server.require_auth = config::requires_login(listen);
    server.max_auth_failures = config.limits.max_auth_failures;
    server.reading =
        listen.kind == config::ListenKind::strict ? smtp::Reading::strict : smtp::Reading::tolerant;
    server.legacy_auth = listen.legacy_auth;
    server.long_lines = listen.long_lines == config::LongLines::reject ? smtp::LongLines::reject
                                                                       : smtp::LongLines::accept;
    return server;
}

bool names(const BuiltListener& listener, const std::string& name) {
    const auto* inherited = std::get_if<config::Inherited>(&listener.address);
    return inherited != nullptr && inherited->name == name;
}

Error not_passed(const config::Inherited& wanted, const std::vector<net::InheritedSocket>& passed) {
    std::string all;
    for (const net::InheritedSocket& socket : passed)
        all += (all.empty() ? "" : ", ") + socket.name;
    const std::string where = "cannot listen on " + config::to_string(wanted) + ": ";
    if (passed.empty())
        return {where +
                "systemd has passed no socket; start waxseal by its .socket unit, or write an "
                "address instead"};
    if (wanted.name.empty())
        return {where + "all that systemd has passed (" + all + ") are other listeners' already"};
    return {where + "systemd has passed none of that name, only " + all +
            "; write FileDescriptorName=" + wanted.name + " in its .socket unit"};
}

}  // namespace

ListenerBuilder::ListenerBuilder(const config::Config& config, const Secret& seed, Missing missing,
                                 std::uint64_t room)
    : config_(config),
      seed_(seed),
      missing_(missing),
      room_(room),
      users_(make_users(config, errors_)) {
    (void)make_routes(config, {}, errors_);  // for what is wrong with them
}

std::shared_ptr<const relay::SessionSettings> ListenerBuilder::session(
    const config::Listen& listen) {
    auto session = std::make_shared<relay::SessionSettings>();
    session->listener = config::to_string(listen.address);
    session->authenticator = make_authenticator(listen, config_.hostname, users_, seed_);
    session->server = server_settings(config_, listen, session->authenticator.get());
    session->downstream_idle = config_.timeouts.downstream_idle;
    session->tls_handshake = config_.timeouts.tls_handshake;
    session->min_data_rate = config_.limits.min_data_rate;
    session->error_delay = config_.limits.error_delay;
    session->messages = make_policy(config_, listen, errors_);
    return session;
}

std::vector<config::Certificate> ListenerBuilder::certificates(const config::Listen& listen) {
    if (!wants_self_signed(listen)) return listen.certificates;
    if (!self_signed_) {
        auto kept =
            self_signed(config_.state_dir, names_for(config_, interface_addresses()), missing_);
        if (kept) {
            self_signed_ = *std::move(kept);
        } else {
            errors_.push_back(kept.error());
            self_signed_.emplace();  // said once
        }
    }
    if (self_signed_->state == Kept::absent) return {};
    return {self_signed_->files};
}

std::shared_ptr<const tls::ServerContext> ListenerBuilder::context(const config::Listen& listen) {
    if (listen.tls == config::ListenTls::none) return nullptr;
    tls::ServerOptions options;
    for (const config::Certificate& files : certificates(listen)) {
        auto identity = read_identity(files, "listener " + config::to_string(listen.address));
        if (!identity) {
            errors_.push_back(identity.error());
            continue;
        }
        options.identities.push_back(std::move(identity->key));
        notes_.push_back(std::move(identity->note));
    }
    if (options.identities.empty()) return nullptr;  // an error, or it is yet to be made
    options.legacy_tls = listen.legacy_tls;
    options.client_certificates = client_certificates(listen.client_certificate);
    options.client_ca_file = listen.client_ca_file;
    auto made = tls::server_context(options);
    if (made) return *std::move(made);
    errors_.push_back(made.error());
    return nullptr;
}

BuiltListener ListenerBuilder::build(const config::Listen& listen) {
    BuiltListener built;
    built.address = listen.address;
    built.mode = listen.mode;
    built.tls = context(listen);
    built.settings.session = session(listen);
    built.settings.allow = listen.allow;
    built.settings.limits = {std::min(config_.limits.max_sessions, room_),
                             config_.limits.max_sessions_per_client,
                             config_.limits.max_connections_per_minute};
    built.settings.tls = tls_mode(listen.tls);
    built.settings.proxy_protocol = listen.proxy_protocol;
    return built;
}

std::expected<std::vector<net::ListenOptions>, Error> sockets_for(
    const BuiltListener& listener, const std::vector<BuiltListener>& all,
    const std::vector<net::InheritedSocket>& passed) {
    std::vector<net::ListenOptions> sockets;
    if (const auto* endpoint = std::get_if<config::Endpoint>(&listener.address)) {
        const auto address = net::Address::parse(endpoint->host, endpoint->port);
        if (!address)
            return std::unexpected(
                Error{"cannot listen on " + config::to_string(*endpoint) + ": not an IP address"});
        sockets.push_back({.address = *address});
    } else if (const auto* unix_path = std::get_if<config::UnixPath>(&listener.address)) {
        sockets.push_back({.address = net::UnixPath{unix_path->path}, .unix_mode = listener.mode});
    } else {
        const auto& wanted = std::get<config::Inherited>(listener.address);
        for (const net::InheritedSocket& socket : passed) {
            const bool named = std::ranges::any_of(
                all, [&](const BuiltListener& one) { return names(one, socket.name); });
            if (wanted.name.empty() ? !named : wanted.name == socket.name)
                sockets.push_back({.inherited = socket});
        }
        if (sockets.empty()) return std::unexpected(not_passed(wanted, passed));
    }
    return sockets;
}

}  // namespace waxseal::app
