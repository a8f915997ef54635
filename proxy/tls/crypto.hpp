// The few cryptographic primitives that other layers need, through PSA where mbedTLS 3.6 has them
// there. All of them may be called from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace waxseal::tls {

// HMAC-MD5 (RFC 2104), 16 octets: for CRAM-MD5 only.
[[nodiscard]] std::string hmac_md5(std::string_view key, std::string_view data);

// SHA-256 (FIPS 180-4), 32 octets.
[[nodiscard]] std::string sha256(std::string_view data);
// HMAC-SHA-256 (RFC 2104, RFC 4231), 32 octets; a key of any length.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view data);
// PBKDF2 with HMAC-SHA-256 (RFC 8018 5.2), 32 octets: the Hi() of RFC 5802 2.2. Slow on purpose:
// never on an event loop. At least one iteration.
[[nodiscard]] std::string pbkdf2_hmac_sha256(std::string_view password, std::string_view salt,
                                             unsigned iterations);

// From the system's generator, fit for keys, salts and nonces.
[[nodiscard]] std::string random_bytes(std::size_t count);

// Takes as long for octets that differ early as for octets that differ late. The lengths are not
// hidden: where they are a secret, compare digests.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace waxseal::tls
