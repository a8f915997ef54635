// PSA's start, once a process, and its random generator as mbedTLS 3.6 wants it.
#include <mbedtls/error.h>
#include <psa/crypto.h>

#include <array>
#include <cstdio>

#include "tls/mbedtls.hpp"

namespace waxseal::tls {

std::expected<void, Error> start_crypto() {
    // Not repeated after a failure: a machine without entropy does not get some by asking again.
    static const psa_status_t status = psa_crypto_init();
    if (status == PSA_SUCCESS) return {};
    return std::unexpected(
        Error{"cryptography cannot start: no entropy from the system (PSA error " +
              std::to_string(status) + ")"});
}

int random_octets(void* /*unused*/, unsigned char* out, std::size_t size) noexcept {
    return psa_generate_random(out, size) == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

std::string error_text(int code) {
    std::array<char, 160> text{};
    mbedtls_strerror(code, text.data(), text.size());
    std::array<char, 16> number{};
    std::snprintf(number.data(), number.size(), "-0x%04x", static_cast<unsigned>(-code));
    return std::string(text.data()) + " (" + number.data() + ")";
}

}  // namespace waxseal::tls
