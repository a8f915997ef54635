// Makes certificates: a CA and leaf certificates signed by it, in memory, for `waxseal demo` and
// for tests.
//
// ECDSA P-256 keys, SHA-256, SANs only (no CN matching anywhere). Never writes a file.
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

[[nodiscard]] std::expected<Issued, Error> issue_ca(std::string_view common_name,
                                                    std::chrono::hours valid_for);
[[nodiscard]] std::expected<Issued, Error> issue_leaf(const Issued& ca, const LeafRequest& request);

}  // namespace waxseal::tls
