// Records of any size under the keys of an established connection: mbedTLS itself makes none that
// is too large. ChaCha20-Poly1305 with SHA-256 only: see only_chacha.
#pragma once

#include <doctest/doctest.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/hkdf.h>

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "raw_server.hpp"

namespace waxseal::tls::test {

inline const unsigned char* octets_in(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// For the peer's configuration, before its handshake.
inline void only_chacha(const mbedtls_ssl_config* config) {
    static constexpr int suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                     MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 0};
    mbedtls_ssl_conf_ciphersuites(const_cast<mbedtls_ssl_config*>(config), suites);
}

// Of the peer's own direction; one for each connection, made before its handshake.
class Sealer {
  public:
    Sealer(RawPeer& peer, bool client) : client_(client) {
        mbedtls_ssl_set_export_keys_cb(peer.ssl(), on_key, this);
    }
    Sealer(const Sealer&) = delete;
    Sealer& operator=(const Sealer&) = delete;

    // The first record behind the handshake, of application data. In TLS 1.3 `padding` zeros follow
    // the content.
    std::string seal(Version version, std::string_view content, std::size_t padding = 0) {
        if (version == Version::tls12) return seal12(content);
        const std::string secret =
            secrets_.at(client_ ? MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET
                                : MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET);
        const std::string inner = std::string(content) + '\x17' + std::string(padding, '\0');
        const std::string header = header_of(inner.size() + 16);
        return header + sealed(expand(secret, "key", 32), expand(secret, "iv", 12), header, inner);
    }

  private:
    static void on_key(void* self, mbedtls_ssl_key_export_type type, const unsigned char* secret,
                       std::size_t size, const unsigned char client_random[32],
                       const unsigned char server_random[32], mbedtls_tls_prf_types /*unused*/) {
        auto& sealer = *static_cast<Sealer*>(self);
        sealer.secrets_[type] = std::string(reinterpret_cast<const char*>(secret), size);
        sealer.randoms_ = std::string(reinterpret_cast<const char*>(server_random), 32) +
                          std::string(reinterpret_cast<const char*>(client_random), 32);
    }

    static std::string header_of(std::size_t size) {
        return {'\x17', '\x03', '\x03', static_cast<char>(size >> 8U), static_cast<char>(size)};
    }

    // RFC 7905. The Finished was record 0.
    std::string seal12(std::string_view content) {
        std::array<unsigned char, 88> block{};
        REQUIRE(
            mbedtls_ssl_tls_prf(MBEDTLS_SSL_TLS_PRF_SHA256,
                                octets_in(secrets_.at(MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET)),
                                48, "key expansion", octets_in(randoms_), randoms_.size(),
                                block.data(), block.size()) == 0);
        const std::string keys(reinterpret_cast<const char*>(block.data()), block.size());
        std::string nonce = keys.substr(client_ ? 64 : 76, 12);
        nonce.back() = static_cast<char>(nonce.back() ^ 1);
        const std::string sequence("\0\0\0\0\0\0\0\1", 8);
        return header_of(content.size() + 16) + sealed(keys.substr(client_ ? 0 : 32, 32), nonce,
                                                       sequence + header_of(content.size()),
                                                       content);
    }

    // RFC 8446 7.1.
    static std::string expand(std::string_view secret, std::string_view label, std::size_t size) {
        std::string info{'\0', static_cast<char>(size), static_cast<char>(6 + label.size())};
        info += "tls13 " + std::string(label) + '\0';
        std::string key(size, '\0');
        REQUIRE(mbedtls_hkdf_expand(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), octets_in(secret),
                                    secret.size(), octets_in(info), info.size(),
                                    reinterpret_cast<unsigned char*>(key.data()), size) == 0);
        return key;
    }

    static std::string sealed(std::string_view key, std::string_view nonce, std::string_view beside,
                              std::string_view content) {
        Owned<mbedtls_chachapoly_context, mbedtls_chachapoly_init, mbedtls_chachapoly_free> cipher;
        REQUIRE(mbedtls_chachapoly_setkey(cipher.get(), octets_in(key)) == 0);
        std::string out(content.size() + 16, '\0');
        auto* to = reinterpret_cast<unsigned char*>(out.data());
        REQUIRE(mbedtls_chachapoly_encrypt_and_tag(
                    cipher.get(), content.size(), octets_in(nonce), octets_in(beside),
                    beside.size(), octets_in(content), to, to + content.size()) == 0);
        return out;
    }

    bool client_;
    std::map<mbedtls_ssl_key_export_type, std::string> secrets_;
    std::string randoms_;  // the server's, then the client's
};

}  // namespace waxseal::tls::test
