// The few cryptographic primitives that other layers need, through PSA.
#pragma once

#include <string>
#include <string_view>

namespace waxseal::tls {

// HMAC-MD5 (RFC 2104), 16 octets: for CRAM-MD5 only.
[[nodiscard]] std::string hmac_md5(std::string_view key, std::string_view data);

}  // namespace waxseal::tls
