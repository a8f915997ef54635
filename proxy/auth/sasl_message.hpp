// What clients say in SASL, taken apart: PLAIN (RFC 4616), CRAM-MD5 (RFC 2195), SCRAM (RFC 5802 7).
//
// Messages are raw octets (base64 is the line's matter). Whatever is accepted holds no NUL, CR or
// LF, names are printable UTF-8, and all is within limits.hpp. Reasons are texts of our own:
// nothing of the message is in one.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace waxseal::auth {

// The client broke the mechanism's syntax: 501, and no failed login.
struct Malformed {
    std::string reason;
};

[[nodiscard]] std::expected<std::string, Malformed> parse_name(std::string_view text);
[[nodiscard]] std::expected<Secret, Malformed> parse_password(std::string_view text);

struct PlainMessage {
    std::string authzid;  // empty, or whom the client wants to act as
    std::string name;
    Secret password;
};
[[nodiscard]] std::expected<PlainMessage, Malformed> parse_plain(std::string_view message);

struct CramMessage {
    std::string name;
    std::string digest;  // 32 hexadecimal digits, lower case
};
[[nodiscard]] std::expected<CramMessage, Malformed> parse_cram(std::string_view message);

struct ScramFirst {
    std::string gs2_header;
    std::string authzid;
    std::string name;
    std::string nonce;
    std::string bare;  // what is signed
};
[[nodiscard]] std::expected<ScramFirst, Malformed> parse_scram_first(std::string_view message);

struct ScramFinal {
    std::string binding;  // decoded; the gs2 header when honest
    std::string nonce;
    std::string proof;  // decoded, 32 octets
    std::string without_proof;
};
[[nodiscard]] std::expected<ScramFinal, Malformed> parse_scram_final(std::string_view message);

}  // namespace waxseal::auth
