// Makes certificates in memory: a CA and leaf certificates signed by it, for `waxseal demo` and for
// tests; and the self-signed one of a listener that has none configured.
//
// SHA-256, names in subjectAltName. ECDSA P-256 keys, but for the self-signed one, which old
// devices have to take: RSA-2048. Never writes a file.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::tls {

struct Issued {
    std::string certificate_pem;
    Secret key_pem;
};

struct LeafRequest {
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;  // textual, IPv4 or IPv6
    std::chrono::hours valid_for{24};
};

struct SelfSignedRequest {
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;                        // textual, IPv4 or IPv6
    std::chrono::hours valid_for{std::chrono::hours(24) * 3652};  // ten years: a printer's life
};

[[nodiscard]] std::expected<Issued, Error> issue_ca(std::string_view common_name,
                                                    std::chrono::hours valid_for);
[[nodiscard]] std::expected<Issued, Error> issue_leaf(const Issued& ca, const LeafRequest& request);
// One that a device can import as the authority it trusts, and that is then good for the server
// too: CA:TRUE, for what devices offer to import is a "CA certificate", and many refuse one that
// does not say so; no CA below it (path length 0); keyEncipherment, for RSA key exchange. Its
// price: whoever has its key can make certificates that such a device believes, so the key file is
// kept as what it is. Valid from a day before now, for devices whose clock is wrong or in local
// time.
[[nodiscard]] std::expected<Issued, Error> issue_self_signed(const SelfSignedRequest& request);

}  // namespace waxseal::tls
