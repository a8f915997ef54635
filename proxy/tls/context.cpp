// What we offer and accept: the one place where the TLS policy is written down.
//
// TLS 1.2 and 1.3 only (RFC 9325 3.1.1), ECDHE only, no renegotiation, no resumption, no early
// data, no tickets from our servers; in the client role verification is required and there is no
// way to turn it off.
#include "tls/engine.hpp"
#include "tls/mbedtls.hpp"

namespace waxseal::tls {

namespace {

// ChaCha20-Poly1305 first: plain mbedTLS encrypts it 1.5 times as fast as AES-GCM, and the many
// servers that honour the client's order then choose it. CBC last, and with SHA-2 only: a Windows
// Server 2012 with an RSA certificate speaks nothing better (RFC 9325 4.2 allows, mbedTLS's
// encrypt-then-MAC and constant-time padding check make it harmless).
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

// A downstream that cannot do AEAD in TLS 1.2 is none that we have heard of.
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

std::expected<void, Error> load_trust(const ClientOptions& options, mbedtls_x509_crt& trust) {
    if (!options.ca_pem.empty()) return load_trust_pem(options.ca_pem, "CA certificate", trust);
    if (!options.ca_file.empty()) return load_trust_file(options.ca_file, trust);
    return load_system_trust(trust);
}

// mbedTLS recognises PEM by the NUL that must be counted in its length.
int parse_key(mbedtls_pk_context* key, const Secret& pem) {
    std::string text(pem.reveal());
    const int code = mbedtls_pk_parse_key(key, reinterpret_cast<const unsigned char*>(text.c_str()),
                                          text.size() + 1, nullptr, 0, random_octets, nullptr);
    wipe(text);
    return code;
}

std::expected<void, Error> load_identity(const ServerOptions& options, ServerContext& context) {
    const std::string& pem = options.certificate_pem;
    int code = mbedtls_x509_crt_parse(
        context.chain.get(), reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1);
    // A positive number counts certificates that could not be read: our own chain must be whole.
    if (code > 0) return std::unexpected(Error{"a certificate of the chain cannot be read"});
    if (code < 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    code = parse_key(context.key.get(), options.key_pem);
    if (code != 0) return std::unexpected(Error{"private key: " + error_text(code)});
    code = mbedtls_pk_check_pair(&context.chain->pk, context.key.get(), random_octets, nullptr);
    if (code != 0) return std::unexpected(Error{"the private key is not that of the certificate"});
    return {};
}

}  // namespace

std::expected<std::shared_ptr<const ClientContext>, Error> client_context(
    const ClientOptions& options) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    auto context = std::make_shared<ClientContext>();
    if (auto loaded = load_trust(options, *context->trust.get()); !loaded) {
        return std::unexpected(loaded.error());
    }
    mbedtls_ssl_config* config = context->config.get();
    if (auto set = common_policy(config, MBEDTLS_SSL_IS_CLIENT, client_suites); !set) {
        return std::unexpected(set.error());
    }
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, context->trust.get(), nullptr);
    return context;
}

std::expected<std::shared_ptr<const ServerContext>, Error> server_context(
    const ServerOptions& options) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    auto context = std::make_shared<ServerContext>();
    if (auto loaded = load_identity(options, *context); !loaded) {
        return std::unexpected(loaded.error());
    }
    mbedtls_ssl_config* config = context->config.get();
    if (auto set = common_policy(config, MBEDTLS_SSL_IS_SERVER, server_suites); !set) {
        return std::unexpected(set.error());
    }
    const int code = mbedtls_ssl_conf_own_cert(config, context->chain.get(), context->key.get());
    if (code != 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    return context;
}

}  // namespace waxseal::tls
