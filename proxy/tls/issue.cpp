#include "tls/issue.hpp"

#include <mbedtls/oid.h>
#include <psa/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <list>

#include "tls/mbedtls.hpp"
#include "tls/names.hpp"

namespace waxseal::tls {

namespace {

using Clock = std::chrono::system_clock;
using Writer =
    Owned<mbedtls_x509write_cert, mbedtls_x509write_crt_init, mbedtls_x509write_crt_free>;

constexpr std::chrono::hours an_hour{1};
constexpr std::chrono::hours a_day{24};

std::unexpected<Error> failed(std::string_view what, int code) {
    return std::unexpected(
        Error{"making a certificate: " + std::string(what) + ": " + error_text(code)});
}

std::string time_text(Clock::time_point time) {
    const std::time_t seconds = Clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%Y%m%d%H%M%S", &parts);
    return text.data();
}

psa_key_attributes_t ecdsa_p256() {
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1));
    psa_set_key_bits(&attributes, 256);
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDSA(PSA_ALG_ANY_HASH));
    return attributes;
}

psa_key_attributes_t rsa_2048() {
    psa_key_attributes_t attributes = psa_key_attributes_init();
    psa_set_key_type(&attributes, PSA_KEY_TYPE_RSA_KEY_PAIR);
    psa_set_key_bits(&attributes, 2048);
    psa_set_key_algorithm(&attributes, PSA_ALG_RSA_PKCS1V15_SIGN(PSA_ALG_ANY_HASH));
    return attributes;
}

std::expected<void, Error> make_key(psa_key_attributes_t attributes, mbedtls_pk_context* key) {
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_EXPORT | PSA_KEY_USAGE_SIGN_HASH);
    psa_key_id_t id = 0;
    const psa_status_t status = psa_generate_key(&attributes, &id);
    if (status != PSA_SUCCESS) {
        return std::unexpected(Error{"making a key: PSA error " + std::to_string(status)});
    }
    const int code = mbedtls_pk_copy_from_psa(id, key);
    psa_destroy_key(id);
    if (code != 0) return failed("key", code);
    return {};
}

// What a common name may hold unquoted in mbedTLS's notation.
bool plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 &&
           std::ranges::all_of(name,
                               [](char c) {
                                   return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                          (c >= '0' && c <= '9') || c == ' ' || c == '-' ||
                                          c == '.' || c == '_';
                               }) &&
           name.front() != ' ' && name.back() != ' ';
}

// `tolerance` is for the other side's clock; a negative span makes an expired certificate.
std::expected<void, Error> set_frame(mbedtls_x509write_cert* writer, std::chrono::hours valid_for,
                                     std::chrono::hours tolerance) {
    mbedtls_x509write_crt_set_version(writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(writer, MBEDTLS_MD_SHA256);
    std::array<unsigned char, 16> serial{};
    if (random_octets(nullptr, serial.data(), serial.size()) != 0) {
        return std::unexpected(Error{"making a certificate: no random numbers"});
    }
    serial[0] =
        static_cast<unsigned char>((serial[0] & 0x7FU) | 0x40U);  // positive, and of full length
    int code = mbedtls_x509write_crt_set_serial_raw(writer, serial.data(), serial.size());
    if (code != 0) return failed("serial number", code);
    const auto now = Clock::now();
    const auto until = now + valid_for;
    const auto from = std::min(now, until) - tolerance;
    code = mbedtls_x509write_crt_set_validity(writer, time_text(from).c_str(),
                                              time_text(until).c_str());
    if (code != 0) return failed("validity", code);
    return {};
}

std::expected<Issued, Error> write(mbedtls_x509write_cert* writer, mbedtls_pk_context* key) {
    std::array<unsigned char, 8192> text{};
    int code = mbedtls_x509write_crt_pem(writer, text.data(), text.size(), random_octets, nullptr);
    if (code != 0) return failed("signature", code);
    Issued issued;
    issued.certificate_pem = reinterpret_cast<const char*>(text.data());
    code = mbedtls_pk_write_key_pem(key, text.data(), text.size());
    if (code == 0) issued.key_pem = Secret(reinterpret_cast<const char*>(text.data()));
    explicit_bzero(text.data(), text.size());
    if (code != 0) return failed("key", code);
    return issued;
}

// The names in mbedTLS's own list form; the list owns the octets that its nodes point to.
class AlternativeNames {
  public:
    std::expected<void, Error> add(const std::vector<std::string>& dns_names,
                                   const std::vector<std::string>& ip_addresses) {
        for (const std::string& name : dns_names) add(MBEDTLS_X509_SAN_DNS_NAME, name);
        for (const std::string& address : ip_addresses) {
            std::string octets = address_octets(address);
            if (octets.empty()) {
                return std::unexpected(
                    Error{"making a certificate: \"" + address + "\" is not an IP address"});
            }
            add(MBEDTLS_X509_SAN_IP_ADDRESS, std::move(octets));
        }
        if (nodes_.empty())
            return std::unexpected(Error{"making a certificate: it would name no server"});
        return {};
    }
    [[nodiscard]] const mbedtls_x509_san_list* list() const { return &nodes_.front(); }

  private:
    void add(int type, std::string octets) {
        std::string& held = octets_.emplace_back(std::move(octets));
        mbedtls_x509_san_list node{};
        node.node.type = type;
        node.node.san.unstructured_name.p = reinterpret_cast<unsigned char*>(held.data());
        node.node.san.unstructured_name.len = held.size();
        // mbedTLS writes backwards, so the last of its list comes first in the certificate.
        node.next = nodes_.empty() ? nullptr : &nodes_.front();
        nodes_.push_front(node);
    }

    std::list<std::string> octets_;
    std::list<mbedtls_x509_san_list> nodes_;
};

struct Purpose {
    int is_ca;
    int path_length;  // -1: no limit
    unsigned usage;   // MBEDTLS_X509_KU_*
};
constexpr Purpose server_only{0, -1, MBEDTLS_X509_KU_DIGITAL_SIGNATURE};
constexpr Purpose server_and_anchor{1, 0,
                                    MBEDTLS_X509_KU_DIGITAL_SIGNATURE |
                                        MBEDTLS_X509_KU_KEY_ENCIPHERMENT |
                                        MBEDTLS_X509_KU_KEY_CERT_SIGN};

int set_server_extensions(mbedtls_x509write_cert* writer, const AlternativeNames& names,
                          const Purpose& purpose) {
    int code =
        mbedtls_x509write_crt_set_basic_constraints(writer, purpose.is_ca, purpose.path_length);
    if (code == 0) code = mbedtls_x509write_crt_set_subject_alternative_name(writer, names.list());
    if (code == 0) code = mbedtls_x509write_crt_set_key_usage(writer, purpose.usage);
    mbedtls_asn1_sequence usage{};
    usage.buf.tag = MBEDTLS_ASN1_OID;
    usage.buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(MBEDTLS_OID_SERVER_AUTH));
    usage.buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH);
    if (code == 0) code = mbedtls_x509write_crt_set_ext_key_usage(writer, &usage);
    return code;
}

struct Authority {
    Certificates certificate;
    Key key;
};

std::expected<void, Error> read_authority(const Issued& issued, Authority& ca) {
    const std::string& pem = issued.certificate_pem;
    int code = mbedtls_x509_crt_parse(
        ca.certificate.get(), reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1);
    if (code != 0) return failed("the issuer's certificate", code);
    std::string key(issued.key_pem.reveal());
    code = mbedtls_pk_parse_key(ca.key.get(), reinterpret_cast<const unsigned char*>(key.c_str()),
                                key.size() + 1, nullptr, 0, random_octets, nullptr);
    wipe(key);
    if (code != 0) return failed("the issuer's key", code);
    return {};
}

int set_parties(mbedtls_x509write_cert* writer, Authority& ca, Key& key) {
    std::array<char, 512> issuer{};
    int code = mbedtls_x509_dn_gets(issuer.data(), issuer.size(), &ca.certificate->subject);
    if (code > 0) code = mbedtls_x509write_crt_set_issuer_name(writer, issuer.data());
    if (code == 0) code = mbedtls_x509write_crt_set_subject_name(writer, "CN=waxseal server");
    mbedtls_x509write_crt_set_subject_key(writer, key.get());
    mbedtls_x509write_crt_set_issuer_key(writer, ca.key.get());
    if (code == 0) code = mbedtls_x509write_crt_set_subject_key_identifier(writer);
    if (code == 0) code = mbedtls_x509write_crt_set_authority_key_identifier(writer);
    return code;
}

// For the lists of a device's web page, and for the oldest, which match the common name only.
std::string self_signed_name(const SelfSignedRequest& request) {
    if (!request.dns_names.empty() && plain_name(request.dns_names.front()))
        return request.dns_names.front();
    return "waxseal";
}

}  // namespace

std::expected<Issued, Error> issue_ca(std::string_view common_name, std::chrono::hours valid_for) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    if (!plain_name(common_name)) {
        return std::unexpected(Error{
            "making a certificate: a common name has 1 to 64 letters, digits, spaces, - . _"});
    }
    Key key;
    if (auto made = make_key(ecdsa_p256(), key.get()); !made) return std::unexpected(made.error());
    Writer writer;
    if (auto set = set_frame(writer.get(), valid_for, an_hour); !set)
        return std::unexpected(set.error());
    const std::string name = "CN=" + std::string(common_name);
    mbedtls_x509write_crt_set_subject_key(writer.get(), key.get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), key.get());
    int code = mbedtls_x509write_crt_set_subject_name(writer.get(), name.c_str());
    if (code == 0) code = mbedtls_x509write_crt_set_issuer_name(writer.get(), name.c_str());
    if (code == 0) code = mbedtls_x509write_crt_set_basic_constraints(writer.get(), 1, 0);
    if (code == 0) code = mbedtls_x509write_crt_set_subject_key_identifier(writer.get());
    if (code == 0) {
        code = mbedtls_x509write_crt_set_key_usage(
            writer.get(), MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
    }
    if (code != 0) return failed("authority", code);
    return write(writer.get(), key.get());
}

std::expected<Issued, Error> issue_leaf(const Issued& ca, const LeafRequest& request) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    Authority authority;
    if (auto read = read_authority(ca, authority); !read) return std::unexpected(read.error());
    AlternativeNames names;
    if (auto added = names.add(request.dns_names, request.ip_addresses); !added)
        return std::unexpected(added.error());
    Key key;
    if (auto made = make_key(ecdsa_p256(), key.get()); !made) return std::unexpected(made.error());
    Writer writer;
    if (auto set = set_frame(writer.get(), request.valid_for, an_hour); !set)
        return std::unexpected(set.error());
    int code = set_parties(writer.get(), authority, key);
    if (code == 0) code = set_server_extensions(writer.get(), names, server_only);
    if (code != 0) return failed("server", code);
    return write(writer.get(), key.get());
}

std::expected<Issued, Error> issue_self_signed(const SelfSignedRequest& request) {
    if (auto started = start_crypto(); !started) return std::unexpected(started.error());
    AlternativeNames names;
    if (auto added = names.add(request.dns_names, request.ip_addresses); !added)
        return std::unexpected(added.error());
    Key key;
    if (auto made = make_key(rsa_2048(), key.get()); !made) return std::unexpected(made.error());
    Writer writer;
    if (auto set = set_frame(writer.get(), request.valid_for, a_day); !set)
        return std::unexpected(set.error());
    mbedtls_x509write_crt_set_subject_key(writer.get(), key.get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), key.get());
    const std::string subject = "CN=" + self_signed_name(request);
    int code = mbedtls_x509write_crt_set_subject_name(writer.get(), subject.c_str());
    if (code == 0) code = mbedtls_x509write_crt_set_issuer_name(writer.get(), subject.c_str());
    if (code == 0) code = mbedtls_x509write_crt_set_subject_key_identifier(writer.get());
    if (code == 0) code = mbedtls_x509write_crt_set_authority_key_identifier(writer.get());
    if (code == 0) code = set_server_extensions(writer.get(), names, server_and_anchor);
    if (code != 0) return failed("self-signed", code);
    return write(writer.get(), key.get());
}

}  // namespace waxseal::tls
