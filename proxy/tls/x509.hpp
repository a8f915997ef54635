// Private to proxy/tls: what is read off a certificate that mbedTLS has parsed.
#pragma once

#include <mbedtls/x509_crt.h>

#include <string>
#include <string_view>

#include "tls/certificate.hpp"
#include "tls/names.hpp"

namespace waxseal::tls {

[[nodiscard]] Time time_of(const mbedtls_x509_time& time);
// As RFC 4514 writes it; unescaped octets of the peer may be in it.
[[nodiscard]] std::string distinguished_name(const mbedtls_x509_name& name);
[[nodiscard]] std::string_view octets_of(const mbedtls_x509_buf& buffer);
[[nodiscard]] Presented presented_by(const mbedtls_x509_crt& certificate);
[[nodiscard]] bool self_issued(const mbedtls_x509_crt& certificate);
// The pin: SHA-256 of the SubjectPublicKeyInfo, 32 octets.
[[nodiscard]] std::string key_hash(const mbedtls_x509_crt& certificate);
[[nodiscard]] CertificateFacts facts_of(const mbedtls_x509_crt& certificate);

}  // namespace waxseal::tls
