// What a certificate says, for `check`, the log and doctor; and the pin: the SHA-256 of its public
// key (RFC 7469 2.4: of the SubjectPublicKeyInfo, so that it stays when a certificate is renewed
// with the same key).
//
// All texts are escaped: they may be shown as they are, whoever made the certificate.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "tls/dates.hpp"

namespace waxseal::tls {

struct CertificateFacts {
    std::string subject;  // "CN=mail.example.org, O=Example"
    std::string issuer;
    std::vector<std::string> names;  // subjectAltName: DNS names, then IP addresses
    Time not_before;
    Time not_after;
    std::string key;          // "RSA 2048", "ECDSA P-256"
    std::string fingerprint;  // SHA-256 of the certificate: "AB:CD:…", as openssl prints it
    std::string pin;          // base64, without a prefix: pin_sha256's value
    bool self_issued = false;
};

// Every certificate of a PEM chain, in the order it is written.
[[nodiscard]] std::expected<std::vector<CertificateFacts>, Error> certificate_facts(
    std::string_view pem);

// The 32 octets of a pin: base64 as openssl and RFC 7469 write it, with or without "sha256/"
// before it, or 64 hexadecimal digits, with or without colons. Nothing when it is none of these.
[[nodiscard]] std::optional<std::string> parse_pin(std::string_view text);
// "sha256/…", for a person.
[[nodiscard]] std::string pin_text(std::string_view octets);

}  // namespace waxseal::tls
