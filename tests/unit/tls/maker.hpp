// Makes the certificates that issue.hpp refuses to make: expired, misnamed, weak, of the wrong use.
// Through mbedTLS's own writer, so no program is started.
#pragma once

#include <mbedtls/md.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tls/mbedtls.hpp"

namespace waxseal::tls::test {

enum class KeyKind { p256, p384, p521, rsa1024, rsa2048 };
enum class Use { none, server, client };

struct Maker;

struct Recipe {
    std::string subject = "CN=leaf";
    std::vector<std::string> dns;        // any octets
    std::vector<std::string> addresses;  // octets
    std::chrono::hours from{-1};         // relative to now
    std::chrono::hours until{24};
    mbedtls_md_type_t hash = MBEDTLS_MD_SHA256;
    KeyKind key = KeyKind::p256;
    bool authority = false;
    Use use = Use::server;
    const Maker* issuer = nullptr;  // null: self-signed
};

// One certificate with its key.
struct Maker {
    explicit Maker(const Recipe& recipe);

    std::string subject;
    std::shared_ptr<Key> key;
    std::string pem;
    std::string key_pem;
};

}  // namespace waxseal::tls::test
