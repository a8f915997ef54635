// A server of ours that gives tickets, as providers do and our own never, and a client's engine
// that keeps them.
#pragma once

#include <mbedtls/ssl_ticket.h>

#include "raw_server.hpp"

namespace waxseal::tls::test {

// Its keys: what it has given out is good until it is destroyed.
class Tickets {
  public:
    Tickets() {
        mbedtls_ssl_ticket_init(&context_);
        REQUIRE(mbedtls_ssl_ticket_setup(&context_, random_octets, nullptr,
                                         MBEDTLS_CIPHER_AES_256_GCM, 3600) == 0);
    }
    ~Tickets() { mbedtls_ssl_ticket_free(&context_); }
    Tickets(const Tickets&) = delete;
    Tickets& operator=(const Tickets&) = delete;

    // A context that gives and takes them; this object outlives its engines.
    std::shared_ptr<const ServerContext> serving(Version version,
                                                 bool extended_master_secret = true) {
        auto context = serving_only(version, usual().identity.leaf.certificate_pem,
                                    usual().identity.leaf.key_pem.reveal());
        auto* config = const_cast<mbedtls_ssl_config*>(context->config.get());
        mbedtls_ssl_conf_session_tickets_cb(config, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &context_);
        mbedtls_ssl_conf_tls13_key_exchange_modes(
            config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                        MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
        mbedtls_ssl_conf_extended_master_secret(config, extended_master_secret
                                                            ? MBEDTLS_SSL_EXTENDED_MS_ENABLED
                                                            : MBEDTLS_SSL_EXTENDED_MS_DISABLED);
        return context;
    }

  private:
    mbedtls_ssl_ticket_context context_{};
};

// A pair whose client is an upstream's.
inline Pair keeping_pair(const std::shared_ptr<const ClientContext>& client,
                         const std::shared_ptr<const ServerContext>& server) {
    Pair pair(client, server);
    auto made = Engine::client(client, "mail.example.org", "main");
    REQUIRE(made.has_value());
    pair.client = std::move(*made);
    return pair;
}

// Handshake, a line each way, an orderly end; whether it was resumed.
inline bool visit(const std::shared_ptr<const ClientContext>& client,
                  const std::shared_ptr<const ServerContext>& server) {
    Pair pair = keeping_pair(client, server);
    pair.settle();
    REQUIRE_MESSAGE(pair.at_client.established == 1, pair.at_client.broken);
    CHECK(pair.client->verified_peer().has_value());
    write_all(*pair.client, "EHLO client\r\n");
    write_all(*pair.server, "250 server\r\n");
    pair.settle();
    CHECK(pair.at_client.data == "250 server\r\n");
    const bool resumed = pair.client->details().resumed;
    pair.client->close();
    pair.server->close();
    pair.settle();
    return resumed;
}

constexpr Version both_versions[] = {Version::tls12, Version::tls13};

}  // namespace waxseal::tls::test
