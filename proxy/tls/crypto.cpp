#include "tls/crypto.hpp"

#include <psa/crypto.h>

#include <array>
#include <cassert>

#include "tls/mbedtls.hpp"

namespace waxseal::tls {

namespace {

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

constexpr psa_algorithm_t algorithm = PSA_ALG_HMAC(PSA_ALG_MD5);

psa_status_t compute(std::string_view key, std::string_view data,
                     std::array<unsigned char, 16>& mac) {
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_SIGN_MESSAGE);
    psa_set_key_algorithm(&attributes, algorithm);
    psa_set_key_type(&attributes, PSA_KEY_TYPE_HMAC);
    psa_key_id_t id = 0;
    psa_status_t status = psa_import_key(&attributes, octets(key), key.size(), &id);
    if (status != PSA_SUCCESS) return status;
    std::size_t length = 0;
    status =
        psa_mac_compute(id, algorithm, octets(data), data.size(), mac.data(), mac.size(), &length);
    psa_destroy_key(id);
    return status;
}

}  // namespace

std::string hmac_md5(std::string_view key, std::string_view data) {
    if (!start_crypto()) return {};
    // PSA knows no empty key; RFC 2104 pads with zeros, so one zero is the same key.
    if (key.empty()) key = std::string_view("\0", 1);
    std::array<unsigned char, 16> hashed{};
    psa_status_t status = PSA_SUCCESS;
    if (key.size() > 64) {  // RFC 2104 2: hashed first; PSA limits the size of a key
        std::size_t length = 0;
        status = psa_hash_compute(PSA_ALG_MD5, octets(key), key.size(), hashed.data(),
                                  hashed.size(), &length);
        key = {reinterpret_cast<const char*>(hashed.data()), hashed.size()};
    }
    std::array<unsigned char, 16> mac{};
    if (status == PSA_SUCCESS) status = compute(key, data, mac);
    assert(status == PSA_SUCCESS);
    if (status != PSA_SUCCESS) return {};
    return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

}  // namespace waxseal::tls
