// What we offer and accept: the one place where the TLS policy is written down.
//
// TLS 1.2 and 1.3 only (RFC 9325 3.1.1), ECDHE only but for legacy_tls, no renegotiation, no early
// data, no tickets from our servers and no resumption there; in the client role verification is
// required and there is no way to turn it off.
#include <mbedtls/gcm.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "tls/engine.hpp"
#include "tls/mbedtls.hpp"
#include "tls/sni.hpp"

namespace waxseal::tls {

namespace {

// Where AES-GCM is not fast (see preferred()) ChaCha20-Poly1305 first: plain mbedTLS encrypts
// it 1.5 times as fast, and the many servers that honour the client's order then choose it. CBC
// last, and with SHA-2 only: a Windows Server 2012 with an RSA certificate speaks nothing better
// (RFC 9325 4.2 allows, mbedTLS's encrypt-then-MAC and constant-time padding check make it
// harmless).
constexpr int client_suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
                                 0};

// RFC 9325 4.2: ECDHE and AEAD.
constexpr int server_suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                 0};

// With legacy_tls also what a device of 2010 has, behind what is better: CBC with SHA-1 as MAC
// (which nothing has been found against, unlike SHA-1 in a signature), and RSA key exchange, which
// has no forward secrecy and has to hide its padding errors (mbedTLS does).
constexpr int legacy_suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
                                 MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
                                 MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_RSA_WITH_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256,
                                 MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA256,
                                 MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA,
                                 MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA,
                                 0};

// MBEDTLS_GCM_ALT as scripts/mbedtls.sh builds it, on a processor that it is fast on.
bool aes_gcm_is_fast() {
#if defined(WAXSEAL_MBEDTLS_GCM_ALT_H)
    return waxseal_gcm_level() != WAXSEAL_GCM_OWN;
#else
    return false;
#endif
}

bool is_named(int suite, std::string_view part) {
    return std::string_view(mbedtls_ssl_get_ciphersuite_name(suite)).find(part) !=
           std::string_view::npos;
}

// The same, with AES-GCM before ChaCha20-Poly1305 among the AEAD suites that a list begins with.
template <std::size_t N>
std::array<int, N> aes_first(const int (&suites)[N]) {
    std::array<int, N> turned{};
    std::ranges::copy(suites, turned.begin());
    const auto is_gcm = [](int suite) { return is_named(suite, "-GCM-"); };
    const auto end = std::ranges::find_if(turned, [&](int suite) {
        return suite == 0 || (!is_gcm(suite) && !is_named(suite, "CHACHA20"));
    });
    std::stable_partition(turned.begin(), end, is_gcm);
    return turned;
}

// Of one list for the whole process: mbedTLS keeps the pointer.
template <const auto& Suites>
const int* preferred() {
    static const auto turned = aes_first(Suites);
    return aes_gcm_is_fast() ? turned.data() : Suites;
}

// The one protocol behind our listeners (RFC 7301; the name that nginx and Postfix use): a client
// that offers others only was meant for another server (ALPACA). A client that offers none is fine.
constexpr const char* alpn[] = {"smtp", nullptr};

// PKCS#1 before PSS: a TLS 1.2 server that signs its key exchange in the client's order then takes
// PKCS#1, which every mbedTLS verifies (PSS there: from 3.6.7). TLS 1.3 ignores the PKCS#1 entries
// except for signatures inside certificates.
constexpr uint16_t signature_schemes[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE};

// X25519 is the one share in a ClientHello; the others cost a HelloRetryRequest. In TLS 1.2 the
// list also says which curves a certificate's key may be on.
constexpr uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

std::expected<void, Error> common_policy(mbedtls_ssl_config* config, int role, const int* suites) {
    const int code = mbedtls_ssl_config_defaults(config, role, MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT);
    if (code != 0) return std::unexpected(Error{"TLS cannot start: " + error_text(code)});
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_rng(config, random_octets, nullptr);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_sig_algs(config, signature_schemes);
    mbedtls_ssl_conf_groups(config, groups);
    // Without PSK modes a TLS 1.3 peer has no use for tickets and need not send any.
    mbedtls_ssl_conf_tls13_key_exchange_modes(config,
                                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    // SHA-1 and RSA below 2048 bits refused.
    mbedtls_ssl_conf_cert_profile(config, &mbedtls_x509_crt_profile_default);
#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_CLI_C)
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
    // The library of a distribution may be built with what ours is built without.
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_EARLY_DATA)
    mbedtls_ssl_conf_early_data(config, MBEDTLS_SSL_EARLY_DATA_DISABLED);
#endif
    mbedtls_ssl_conf_legacy_renegotiation(config, MBEDTLS_SSL_LEGACY_NO_RENEGOTIATION);
    return {};
}

// Of sessions with our upstreams: tickets are asked for, shown to the engine, and used with a fresh
// key exchange only, so that what is kept tells nothing of later connections (RFC 9325 7.4).
void resume_sessions(mbedtls_ssl_config* config) {
#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_CLI_C)
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                    MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
#endif
}

std::expected<void, Error> load_trust(const ClientOptions& options, mbedtls_x509_crt& trust) {
    if (!options.ca_pem.empty()) return load_trust_pem(options.ca_pem, "CA certificate", trust);
    if (!options.ca_file.empty()) return load_trust_file(options.ca_file, trust);
    return load_system_trust(trust);
}

// Which certificate is bad: by its name, else by its place among several.
Error named(const CertifiedKey& source, std::size_t index, std::size_t count, const Error& error) {
    if (!source.name.empty()) return {source.name + ": " + error.text};
    if (count > 1) return {"certificate " + std::to_string(index + 1) + ": " + error.text};
    return error;
}

mbedtls_ssl_protocol_version number_of(ProtocolVersion version) {
    return version == ProtocolVersion::tls12 ? MBEDTLS_SSL_VERSION_TLS1_2
                                             : MBEDTLS_SSL_VERSION_TLS1_3;
}

std::expected<void, Error> set_pins(const ClientOptions& options, ClientContext& context) {
    if (std::ranges::any_of(options.pins, [](const auto& pin) { return pin.size() != 32; }))
        return std::unexpected(Error{"a pin is the SHA-256 of a public key, 32 octets"});
    if (options.pins.empty() && options.pin_mode == PinMode::instead)
        return std::unexpected(Error{"pins instead of a CA, but no pin"});
    context.pins = {options.pins, options.pin_mode};
    return {};
}

std::expected<void, Error> set_identity(const ClientOptions& options, ClientContext& context) {
    if (!options.identity) return {};
    auto own = load_own(*options.identity);
    if (!own) return std::unexpected(named(*options.identity, 0, 1, own.error()));
    context.own = std::move(*own);
    const int code = mbedtls_ssl_conf_own_cert(context.config.get(), context.own->chain.get(),
                                               context.own->key.get());
    if (code != 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    return {};
}

std::expected<void, Error> set_identities(const ServerOptions& options, ServerContext& context) {
    const auto& sources = options.identities;
    if (sources.empty()) return std::unexpected(Error{"a TLS listener needs a certificate"});
    for (std::size_t i = 0; i < sources.size(); ++i) {
        auto own = load_own(sources[i]);
        if (!own) return std::unexpected(named(sources[i], i, sources.size(), own.error()));
        context.own.push_back(std::move(*own));
    }
    return serve_by_name(context);
}

std::expected<void, Error> set_client_certificates(const ServerOptions& options,
                                                   ServerContext& context) {
    context.client_certificates = options.client_certificates;
    if (options.client_certificates == ClientCertificates::none) return {};
    mbedtls_x509_crt& trust = *context.client_trust.get();
    auto loaded = !options.client_ca_pem.empty()
                      ? load_trust_pem(options.client_ca_pem, "client CA certificate", trust)
                  : !options.client_ca_file.empty()
                      ? load_trust_file(options.client_ca_file, trust)
                      : std::unexpected(Error{"client certificates need a client_ca_file"});
    if (!loaded) return loaded;
    mbedtls_ssl_config* config = context.config.get();
    mbedtls_ssl_conf_ca_chain(config, &trust, nullptr);
    // OPTIONAL alone would let a bad certificate pass: verify.cpp does not.
    mbedtls_ssl_conf_authmode(config, options.client_certificates == ClientCertificates::required
                                          ? MBEDTLS_SSL_VERIFY_REQUIRED
                                          : MBEDTLS_SSL_VERIFY_OPTIONAL);
    return {};
}

bool contains(const int* suites, int suite) {
    for (; *suites != 0; ++suites) {
        if (*suites == suite) return true;
    }
    return false;
}

}  // namespace

bool only_old_suites(const std::vector<int>& offered) {
    const auto some_of = [&](const int* suites) {
        return std::ranges::any_of(offered, [&](int suite) { return contains(suites, suite); });
    };
    return some_of(legacy_suites) && !some_of(server_suites);
}

std::expected<std::shared_ptr<const ClientContext>, Error> client_context(
    const ClientOptions& options) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    if (options.min_version > options.max_version)
        return std::unexpected(Error{"the lowest TLS version is above the highest"});
    auto context = std::make_shared<ClientContext>();
    if (auto set = set_pins(options, *context); !set) return std::unexpected(set.error());
    // Without a CA the empty store stays: mbedTLS wants one, and the pins decide.
    if (options.pin_mode != PinMode::instead) {
        if (auto loaded = load_trust(options, *context->trust.get()); !loaded)
            return std::unexpected(loaded.error());
    }
    mbedtls_ssl_config* config = context->config.get();
    if (auto set = common_policy(config, MBEDTLS_SSL_IS_CLIENT, preferred<client_suites>()); !set)
        return std::unexpected(set.error());
    resume_sessions(config);
    mbedtls_ssl_conf_min_tls_version(config, number_of(options.min_version));
    mbedtls_ssl_conf_max_tls_version(config, number_of(options.max_version));
    context->min_version = options.min_version;
    context->max_version = options.max_version;
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, context->trust.get(), nullptr);
    if (auto set = set_identity(options, *context); !set) return std::unexpected(set.error());
    return context;
}

std::expected<std::shared_ptr<const ServerContext>, Error> server_context(
    const ServerOptions& options) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    auto context = std::make_shared<ServerContext>();
    context->legacy = options.legacy_tls;
    mbedtls_ssl_config* config = context->config.get();
    const int* suites =
        options.legacy_tls ? preferred<legacy_suites>() : preferred<server_suites>();
    if (auto set = common_policy(config, MBEDTLS_SSL_IS_SERVER, suites); !set)
        return std::unexpected(set.error());
    const int code = mbedtls_ssl_conf_alpn_protocols(config, const_cast<const char**>(alpn));
    if (code != 0) return std::unexpected(Error{"TLS cannot start: " + error_text(code)});
    if (auto set = set_identities(options, *context); !set) return std::unexpected(set.error());
    if (auto set = set_client_certificates(options, *context); !set)
        return std::unexpected(set.error());
    return context;
}

std::expected<std::shared_ptr<const ServerContext>, Error> server_context(CertifiedKey identity) {
    ServerOptions options;
    options.identities.push_back(std::move(identity));
    return server_context(options);
}

}  // namespace waxseal::tls
