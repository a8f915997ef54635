// Base64, strictly (RFC 4648 4; RFC 4954 4: reject any character not explicitly allowed, '=' only
// at the end, and only where due).
//
// Our own because the decoders of TLS libraries skip line ends and accept bad padding. The "=" that
// stands for an empty initial response (RFC 4954 4) is not base64: who reads AUTH looks for it
// first.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace waxseal {

[[nodiscard]] std::string base64_encode(std::string_view octets);
// Nothing when the text is not canonical base64 (alphabet, padding, unused bits zero).
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace waxseal
