// Private to proxy/tls: mbedTLS's structures with owners, and the two contexts that engine.hpp only
// names.
//
// Nothing outside of proxy/tls/*.cpp includes this file, so an mbedTLS header is seen nowhere else
// (scripts/layers). Fields that mbedTLS calls private are named through MBEDTLS_PRIVATE, in
// failing.cpp and resuming.cpp only, with the reason.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "tls/engine.hpp"
#include "tls/names.hpp"
#include "tls/sessions.hpp"

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

struct Pins {
    std::vector<std::string> hashes;  // none: no pins
    PinMode mode = PinMode::beside;
};

// A certificate of our own with its key, in the order to be sent.
struct OwnCertificate {
    Certificates chain;
    Key key;
    Presented names;
};

// Read-only once made, but for the sessions, which have a lock of their own; so engines of several
// threads share one; members die in reverse order, so the configuration before the certificates it
// points to.
class ClientContext {
  public:
    Certificates trust;
    std::unique_ptr<OwnCertificate> own;  // null: none
    Pins pins;
    ProtocolVersion min_version = ProtocolVersion::tls12;
    ProtocolVersion max_version = ProtocolVersion::tls13;
    // Here, so that none outlives the policy that its server was verified by.
    mutable Sessions sessions;
    Config config;
};

class ServerContext {
  public:
    std::vector<std::unique_ptr<OwnCertificate>> own;  // at least one; the first is the default
    Certificates client_trust;
    ClientCertificates client_certificates = ClientCertificates::none;
    bool legacy = false;
    Config config;
};

// None of these is in the usual policy of our servers, and some are in that of legacy_tls.
[[nodiscard]] bool only_old_suites(const std::vector<int>& offered);

// psa_crypto_init, once a process; every factory of this layer calls it first. Call it (through
// one of them) before threads start and after any fork.
[[nodiscard]] std::expected<void, Error> start_crypto();
// The generator in the form mbedTLS 3.6 asks for: PSA's own.
int random_octets(void* unused, unsigned char* out, std::size_t size) noexcept;

// mbedTLS's text for an error code, with the code.
[[nodiscard]] std::string error_text(int code);

// identity.cpp. Errors are predicates to the name of the source.
[[nodiscard]] std::expected<void, Error> load_chain(std::string_view pem, mbedtls_x509_crt& chain);
[[nodiscard]] std::expected<std::unique_ptr<OwnCertificate>, Error> load_own(
    const CertifiedKey& source);

// The trust anchors into `trust`: trust.cpp.
[[nodiscard]] std::expected<void, Error> load_trust_pem(std::string_view pem, std::string_view what,
                                                        mbedtls_x509_crt& trust);
[[nodiscard]] std::expected<void, Error> load_trust_file(const std::string& path,
                                                         mbedtls_x509_crt& trust);
[[nodiscard]] std::expected<void, Error> load_system_trust(mbedtls_x509_crt& trust);

}  // namespace waxseal::tls
