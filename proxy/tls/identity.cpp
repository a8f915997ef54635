// Our own certificates and keys: read, checked against each other, put in order.
//
// A chain is sent leaf first, each certificate before its issuer (RFC 5246 7.4.2); files come in
// every order. The leaf is the certificate that the key belongs to, the others are sorted by
// issuer, and what fits nowhere follows at the end, as a client of TLS 1.3 or with patience may yet
// use it.
#include <algorithm>
#include <vector>

#include "tls/mbedtls.hpp"
#include "tls/x509.hpp"

namespace waxseal::tls {

namespace {

bool in_pem_form(std::string_view text) {
    return text.find("-----BEGIN") != std::string_view::npos;
}

std::expected<void, Error> load_key(const Secret& pem, mbedtls_pk_context& key) {
    if (!in_pem_form(pem.reveal()))
        return std::unexpected(Error{"private key: it is not in PEM form"});
    // mbedTLS recognises PEM by the NUL that must be counted in its length.
    std::string text(pem.reveal());
    const int code =
        mbedtls_pk_parse_key(&key, reinterpret_cast<const unsigned char*>(text.c_str()),
                             text.size() + 1, nullptr, 0, random_octets, nullptr);
    const bool certificate = text.find("-----BEGIN CERTIFICATE-----") != std::string::npos &&
                             text.find("PRIVATE KEY-----") == std::string::npos;
    wipe(text);
    if (code == 0) return {};
    if (certificate)
        return std::unexpected(Error{"private key: there is a certificate in its place"});
    if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED) {
        return std::unexpected(
            Error{"private key: it is encrypted; write it without a passphrase (openssl pkey -in "
                  "ENCRYPTED -out KEY)"});
    }
    return std::unexpected(Error{"private key: " + error_text(code)});
}

using Links = std::vector<const mbedtls_x509_crt*>;

Links::const_iterator leaf_among(const Links& links, const mbedtls_pk_context& key) {
    return std::ranges::find_if(links, [&](const mbedtls_x509_crt* one) {
        return mbedtls_pk_check_pair(&one->pk, &key, random_octets, nullptr) == 0;
    });
}

// The leaf first, then issuer after issuer, then the rest; nothing twice. Empties `links`, which
// `leaf` points into.
Links in_order(Links& links, Links::const_iterator leaf) {
    Links ordered{*leaf};
    links.erase(leaf);
    const auto next = [&](auto wanted) {
        const auto found = std::ranges::find_if(links, wanted);
        if (found == links.end()) return false;
        const auto same = [&](const mbedtls_x509_crt* one) {
            return octets_of(one->raw) == octets_of((*found)->raw);
        };
        if (std::ranges::none_of(ordered, same)) ordered.push_back(*found);
        links.erase(found);
        return true;
    };
    const auto issues_last = [&](const mbedtls_x509_crt* one) {
        return octets_of(one->subject_raw) == octets_of(ordered.back()->issuer_raw);
    };
    while (next(issues_last)) {
    }
    while (next([](const mbedtls_x509_crt*) { return true; })) {
    }
    return ordered;
}

}  // namespace

std::expected<void, Error> load_chain(std::string_view pem, mbedtls_x509_crt& chain) {
    if (!in_pem_form(pem)) return std::unexpected(Error{"certificate: it is not in PEM form"});
    const std::string text(pem);
    const int code = mbedtls_x509_crt_parse(
        &chain, reinterpret_cast<const unsigned char*>(text.c_str()), text.size() + 1);
    // A positive number counts certificates that could not be read: our own chain must be whole.
    if (code > 0) return std::unexpected(Error{"a certificate of the chain cannot be read"});
    if (code < 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    return {};
}

std::expected<std::unique_ptr<OwnCertificate>, Error> load_own(const CertifiedKey& source) {
    Certificates read;
    if (auto loaded = load_chain(source.certificate_pem, *read.get()); !loaded)
        return std::unexpected(loaded.error());
    auto own = std::make_unique<OwnCertificate>();
    if (auto loaded = load_key(source.key_pem, *own->key.get()); !loaded)
        return std::unexpected(loaded.error());
    Links links;
    for (const mbedtls_x509_crt* one = read.get(); one != nullptr; one = one->next)
        links.push_back(one);
    const auto leaf = leaf_among(links, *own->key.get());
    if (leaf == links.cend())
        return std::unexpected(Error{"the private key is not that of the certificate"});
    for (const mbedtls_x509_crt* one : in_order(links, leaf)) {
        const int code = mbedtls_x509_crt_parse_der(own->chain.get(), one->raw.p, one->raw.len);
        if (code != 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    }
    own->names = presented_by(*own->chain.get());
    return own;
}

}  // namespace waxseal::tls
