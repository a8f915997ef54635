#include "tls/certificate.hpp"

#include <mbedtls/base64.h>
#include <psa/crypto.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/text.hpp"
#include "tls/mbedtls.hpp"
#include "tls/x509.hpp"

namespace waxseal::tls {

namespace {

constexpr std::size_t text_limit = 256;
constexpr std::size_t hash_size = 32;

std::string sha256(std::string_view data) {
    std::array<unsigned char, hash_size> hash{};
    std::size_t length = 0;
    const psa_status_t status =
        psa_hash_compute(PSA_ALG_SHA_256, reinterpret_cast<const unsigned char*>(data.data()),
                         data.size(), hash.data(), hash.size(), &length);
    assert(status == PSA_SUCCESS);
    // An empty hash equals no pin.
    if (status != PSA_SUCCESS) return {};
    return {reinterpret_cast<const char*>(hash.data()), length};
}

std::string base64(std::string_view octets) {
    std::array<unsigned char, 64> text{};
    std::size_t length = 0;
    const int code =
        mbedtls_base64_encode(text.data(), text.size(), &length,
                              reinterpret_cast<const unsigned char*>(octets.data()), octets.size());
    assert(code == 0);
    return code == 0 ? std::string(reinterpret_cast<const char*>(text.data()), length) : "";
}

std::string colon_hex(std::string_view octets) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        if (!text.empty()) text += ':';
        text += digits[octet >> 4U];
        text += digits[octet & 15U];
    }
    return text;
}

std::string key_kind(const mbedtls_pk_context& key) {
    const std::string bits = std::to_string(mbedtls_pk_get_bitlen(&key));
    switch (mbedtls_pk_get_type(&key)) {
        case MBEDTLS_PK_RSA:
        case MBEDTLS_PK_RSASSA_PSS:
            return "RSA " + bits;
        case MBEDTLS_PK_ECKEY:
        case MBEDTLS_PK_ECKEY_DH:
        case MBEDTLS_PK_ECDSA:
            return (bits == "256" || bits == "384" || bits == "521" ? "ECDSA P-" : "ECDSA ") + bits;
        default:
            return "unknown";
    }
}

int hex_digit(char c) {
    if (text::digit(c)) return c - '0';
    const char low = text::lower(c);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::string from_hex(std::string_view text) {
    std::string octets;
    int high = -1;
    for (const char c : text) {
        if (c == ':' && high < 0 && !octets.empty()) continue;
        const int digit = hex_digit(c);
        if (digit < 0) return {};
        if (high >= 0) octets += static_cast<char>(high * 16 + digit);
        high = high >= 0 ? -1 : digit;
    }
    return high < 0 ? octets : "";
}

}  // namespace

Time time_of(const mbedtls_x509_time& t) {
    using namespace std::chrono;
    return sys_days(year(t.year) / t.mon / t.day) + hours(t.hour) + minutes(t.min) + seconds(t.sec);
}

std::string distinguished_name(const mbedtls_x509_name& name) {
    std::array<char, 512> text{};
    if (mbedtls_x509_dn_gets(text.data(), text.size(), &name) < 0) return "an unreadable name";
    return text.data();
}

std::string_view octets_of(const mbedtls_x509_buf& buffer) {
    return {reinterpret_cast<const char*>(buffer.p), buffer.len};
}

Presented presented_by(const mbedtls_x509_crt& certificate) {
    Presented presented;
    for (const auto* entry = &certificate.subject_alt_names; entry != nullptr;
         entry = entry->next) {
        if (entry->buf.p == nullptr) continue;
        const int kind = entry->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (kind == MBEDTLS_X509_SAN_DNS_NAME) presented.dns.emplace_back(octets_of(entry->buf));
        if (kind == MBEDTLS_X509_SAN_IP_ADDRESS)
            presented.addresses.emplace_back(octets_of(entry->buf));
    }
    return presented;
}

bool self_issued(const mbedtls_x509_crt& certificate) {
    return octets_of(certificate.subject_raw) == octets_of(certificate.issuer_raw);
}

std::string key_hash(const mbedtls_x509_crt& certificate) {
    return sha256(octets_of(certificate.pk_raw));
}

CertificateFacts facts_of(const mbedtls_x509_crt& certificate) {
    CertificateFacts facts;
    facts.subject = text::escape(distinguished_name(certificate.subject), text_limit);
    facts.issuer = text::escape(distinguished_name(certificate.issuer), text_limit);
    const Presented presented = presented_by(certificate);
    for (const std::string& name : presented.dns)
        facts.names.push_back(text::escape(name, text_limit));
    for (const std::string& address : presented.addresses)
        facts.names.push_back(address_text(address));
    facts.not_before = time_of(certificate.valid_from);
    facts.not_after = time_of(certificate.valid_to);
    facts.key = key_kind(certificate.pk);
    facts.fingerprint = colon_hex(sha256(octets_of(certificate.raw)));
    facts.pin = base64(key_hash(certificate));
    facts.self_issued = self_issued(certificate);
    return facts;
}

std::expected<std::vector<CertificateFacts>, Error> certificate_facts(std::string_view pem) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    Certificates chain;
    if (auto loaded = load_chain(pem, *chain.get()); !loaded)
        return std::unexpected(loaded.error());
    std::vector<CertificateFacts> facts;
    for (const mbedtls_x509_crt* one = chain.get(); one != nullptr; one = one->next)
        facts.push_back(facts_of(*one));
    return facts;
}

std::optional<std::string> parse_pin(std::string_view text) {
    constexpr std::string_view prefix = "sha256/";
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
    std::string octets = from_hex(text);
    if (octets.size() == hash_size) return octets;
    std::array<unsigned char, 64> decoded{};
    std::size_t length = 0;
    const int code =
        mbedtls_base64_decode(decoded.data(), decoded.size(), &length,
                              reinterpret_cast<const unsigned char*>(text.data()), text.size());
    if (code != 0 || length != hash_size) return std::nullopt;
    octets.assign(reinterpret_cast<const char*>(decoded.data()), length);
    // mbedTLS passes over spaces and line breaks; a pin has none.
    if (base64(octets) != text) return std::nullopt;
    return octets;
}

std::string pin_text(std::string_view octets) { return "sha256/" + base64(octets); }

}  // namespace waxseal::tls
