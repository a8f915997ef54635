#include "maker.hpp"

#include <doctest/doctest.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/rsa.h>

#include <array>
#include <ctime>
#include <list>
#include <map>

namespace waxseal::tls::test {

namespace {

std::string time_text(std::chrono::hours offset) {
    const std::time_t seconds =
        std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + offset);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 16> text{};
    REQUIRE(std::strftime(text.data(), text.size(), "%Y%m%d%H%M%S", &parts) == 14);
    return text.data();
}

std::shared_ptr<Key> generate(KeyKind kind) {
    auto key = std::make_shared<Key>();
    const bool rsa = kind == KeyKind::rsa1024 || kind == KeyKind::rsa2048;
    const auto type = rsa ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY;
    REQUIRE(mbedtls_pk_setup(key->get(), mbedtls_pk_info_from_type(type)) == 0);
    if (rsa) {
        const unsigned bits = kind == KeyKind::rsa1024 ? 1024 : 2048;
        REQUIRE(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key->get()), random_octets, nullptr, bits,
                                    65537) == 0);
        return key;
    }
    const auto curve = kind == KeyKind::p384   ? MBEDTLS_ECP_DP_SECP384R1
                       : kind == KeyKind::p521 ? MBEDTLS_ECP_DP_SECP521R1
                                               : MBEDTLS_ECP_DP_SECP256R1;
    REQUIRE(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(*key->get()), random_octets, nullptr) == 0);
    return key;
}

// Making RSA keys is slow: one of each kind serves for issuers and leaves alike, EC keys are always
// fresh.
std::shared_ptr<Key> key_of(KeyKind kind) {
    static std::map<KeyKind, std::shared_ptr<Key>> kept;
    if (kind == KeyKind::p256 || kind == KeyKind::p384 || kind == KeyKind::p521)
        return generate(kind);
    auto& key = kept[kind];
    if (!key) key = generate(kind);
    return key;
}

using Writer =
    Owned<mbedtls_x509write_cert, mbedtls_x509write_crt_init, mbedtls_x509write_crt_free>;

void set_names(mbedtls_x509write_cert* writer, const Recipe& recipe) {
    std::list<std::string> octets;
    std::list<mbedtls_x509_san_list> nodes;
    const auto add = [&](int type, const std::string& value) {
        mbedtls_x509_san_list node{};
        node.node.type = type;
        node.node.san.unstructured_name.p =
            reinterpret_cast<unsigned char*>(octets.emplace_back(value).data());
        node.node.san.unstructured_name.len = value.size();
        // mbedTLS writes backwards, so the last of its list comes first in the certificate.
        node.next = nodes.empty() ? nullptr : &nodes.front();
        nodes.push_front(node);
    };
    for (const auto& name : recipe.dns) add(MBEDTLS_X509_SAN_DNS_NAME, name);
    for (const auto& address : recipe.addresses) add(MBEDTLS_X509_SAN_IP_ADDRESS, address);
    if (!nodes.empty())
        REQUIRE(mbedtls_x509write_crt_set_subject_alternative_name(writer, &nodes.front()) == 0);
}

void set_use(mbedtls_x509write_cert* writer, Use use) {
    if (use == Use::none) return;
    const char* oid = use == Use::server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
    mbedtls_asn1_sequence sequence{};
    sequence.buf.tag = MBEDTLS_ASN1_OID;
    sequence.buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid));
    sequence.buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH);
    REQUIRE(mbedtls_x509write_crt_set_ext_key_usage(writer, &sequence) == 0);
}

}  // namespace

Maker::Maker(const Recipe& recipe) : subject(recipe.subject) {
    REQUIRE(start_crypto().has_value());
    key = key_of(recipe.key);
    const Maker& issuer = recipe.issuer != nullptr ? *recipe.issuer : *this;
    Writer writer;
    mbedtls_x509write_crt_set_version(writer.get(), MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(writer.get(), recipe.hash);
    mbedtls_x509write_crt_set_subject_key(writer.get(), key->get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), issuer.key->get());
    REQUIRE(mbedtls_x509write_crt_set_subject_name(writer.get(), subject.c_str()) == 0);
    REQUIRE(mbedtls_x509write_crt_set_issuer_name(writer.get(), issuer.subject.c_str()) == 0);
    std::array<unsigned char, 8> serial{1};
    REQUIRE(random_octets(nullptr, serial.data() + 1, serial.size() - 1) == 0);
    REQUIRE(mbedtls_x509write_crt_set_serial_raw(writer.get(), serial.data(), serial.size()) == 0);
    REQUIRE(mbedtls_x509write_crt_set_validity(writer.get(), time_text(recipe.from).c_str(),
                                               time_text(recipe.until).c_str()) == 0);
    REQUIRE(mbedtls_x509write_crt_set_basic_constraints(writer.get(), recipe.authority ? 1 : 0,
                                                        -1) == 0);
    if (!recipe.authority) set_use(writer.get(), recipe.use);
    set_names(writer.get(), recipe);
    std::array<unsigned char, 16384> text{};
    REQUIRE(mbedtls_x509write_crt_pem(writer.get(), text.data(), text.size(), random_octets,
                                      nullptr) == 0);
    pem = reinterpret_cast<const char*>(text.data());
    REQUIRE(mbedtls_pk_write_key_pem(key->get(), text.data(), text.size()) == 0);
    key_pem = reinterpret_cast<const char*>(text.data());
}

}  // namespace waxseal::tls::test
