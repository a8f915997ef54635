// What fails here is the library, never the input: an assert, and in a release build an empty
// string, which equals no digest.
#include "tls/crypto.hpp"

#include <mbedtls/pkcs5.h>
#include <psa/crypto.h>

#include <array>
#include <cassert>
#include <cstdint>
#include <cstdlib>

#include "tls/mbedtls.hpp"

extern "C" {
#include <mbedtls/constant_time.h>  // the one header of mbedTLS 3.6 that forgets it
}

namespace waxseal::tls {

namespace {

constexpr std::size_t hash_block = 64;  // of MD5 and of SHA-256
using Digest = std::array<unsigned char, 32>;

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string text(const unsigned char* octets, std::size_t length) {
    return {reinterpret_cast<const char*>(octets), length};
}

std::string hash(psa_algorithm_t algorithm, std::string_view data) {
    if (!start_crypto()) return {};
    Digest digest{};
    std::size_t length = 0;
    const psa_status_t status = psa_hash_compute(algorithm, octets(data), data.size(),
                                                 digest.data(), digest.size(), &length);
    assert(status == PSA_SUCCESS);
    return status == PSA_SUCCESS ? text(digest.data(), length) : std::string();
}

psa_status_t compute(psa_algorithm_t algorithm, std::string_view key, std::string_view data,
                     Digest& mac, std::size_t& length) {
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_SIGN_MESSAGE);
    psa_set_key_algorithm(&attributes, algorithm);
    psa_set_key_type(&attributes, PSA_KEY_TYPE_HMAC);
    psa_key_id_t id = 0;
    psa_status_t status = psa_import_key(&attributes, octets(key), key.size(), &id);
    if (status != PSA_SUCCESS) return status;
    status =
        psa_mac_compute(id, algorithm, octets(data), data.size(), mac.data(), mac.size(), &length);
    psa_destroy_key(id);
    return status;
}

std::string hmac(psa_algorithm_t algorithm, std::string_view key, std::string_view data) {
    if (!start_crypto()) return {};
    // PSA knows no empty key; RFC 2104 pads with zeros, so one zero is the same key.
    if (key.empty()) key = std::string_view("\0", 1);
    std::string hashed;
    if (key.size() > hash_block) {  // RFC 2104 2: hashed first; PSA limits the size of a key
        hashed = hash(algorithm, key);
        key = hashed;
    }
    Digest mac{};
    std::size_t length = 0;
    const psa_status_t status = compute(PSA_ALG_HMAC(algorithm), key, data, mac, length);
    assert(status == PSA_SUCCESS);
    return status == PSA_SUCCESS ? text(mac.data(), length) : std::string();
}

}  // namespace

std::string hmac_md5(std::string_view key, std::string_view data) {
    return hmac(PSA_ALG_MD5, key, data);
}

std::string sha256(std::string_view data) { return hash(PSA_ALG_SHA_256, data); }

std::string hmac_sha256(std::string_view key, std::string_view data) {
    return hmac(PSA_ALG_SHA_256, key, data);
}

// PSA has PBKDF2 only in builds of mbedTLS 3.6 that are configured by PSA alone; this one is not.
std::string pbkdf2_hmac_sha256(std::string_view password, std::string_view salt,
                               unsigned iterations) {
    assert(iterations > 0);
    Digest key{};
    const int status = mbedtls_pkcs5_pbkdf2_hmac_ext(
        MBEDTLS_MD_SHA256, octets(password), password.size(), octets(salt), salt.size(), iterations,
        static_cast<std::uint32_t>(key.size()), key.data());
    assert(status == 0);
    return status == 0 ? text(key.data(), key.size()) : std::string();
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (!start_crypto() ||
        random_octets(nullptr, reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()) != 0)
        std::abort();  // a key or a nonce that is known is worse than no service
    return bytes;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && mbedtls_ct_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace waxseal::tls
