// Private to proxy/tls: mbedTLS's structures with owners, and the two contexts that engine.hpp only
// names.
//
// Nothing outside of proxy/tls/*.cpp includes this file, so an mbedTLS header is seen nowhere else
// (scripts/layers). Fields that mbedTLS calls private are named through MBEDTLS_PRIVATE, in
// engine.cpp only, each with its reason.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace waxseal::tls {

// A C structure of mbedTLS that needs its init before and its free after use.
template <typename T, void (*Init)(T*), void (*Free)(T*)>
class Owned {
  public:
    Owned() { Init(&value_); }
    ~Owned() { Free(&value_); }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;

    [[nodiscard]] T* get() noexcept { return &value_; }
    // mbedTLS's getters take non-const pointers to what they only read.
    [[nodiscard]] T* get() const noexcept { return const_cast<T*>(&value_); }
    [[nodiscard]] T* operator->() noexcept { return &value_; }

  private:
    T value_;
};

using Certificates = Owned<mbedtls_x509_crt, mbedtls_x509_crt_init, mbedtls_x509_crt_free>;
using Key = Owned<mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free>;
using Config = Owned<mbedtls_ssl_config, mbedtls_ssl_config_init, mbedtls_ssl_config_free>;
using Ssl = Owned<mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free>;

// Read-only once made, so engines of several threads share one; members die in reverse order, so
// the configuration before the certificates it points to.
class ClientContext {
  public:
    Certificates trust;
    Config config;
};

class ServerContext {
  public:
    Certificates chain;
    Key key;
    Config config;
};

// psa_crypto_init, once a process; every factory of this layer calls it first. Call it (through
// one of them) before threads start and after any fork.
[[nodiscard]] std::expected<void, Error> start_crypto();
// The generator in the form mbedTLS 3.6 asks for: PSA's own.
int random_octets(void* unused, unsigned char* out, std::size_t size) noexcept;

// mbedTLS's text for an error code, with the code.
[[nodiscard]] std::string error_text(int code);

// The trust anchors into `trust`: trust.cpp.
[[nodiscard]] std::expected<void, Error> load_trust_pem(std::string_view pem, std::string_view what,
                                                        mbedtls_x509_crt& trust);
[[nodiscard]] std::expected<void, Error> load_trust_file(const std::string& path,
                                                         mbedtls_x509_crt& trust);
[[nodiscard]] std::expected<void, Error> load_system_trust(mbedtls_x509_crt& trust);

}  // namespace waxseal::tls
