// Whether a certificate is for the server we wanted: RFC 9525, strictly. No mbedTLS in here.
//
// Only subjectAltName counts, never the common name. DNS names are compared label by label without
// regard to case; a wildcard is the whole left-most label, stands for exactly one label, and needs
// two labels after it (as in OpenSSL:
// "*.org" would be everyone). An IP address matches only an iPAddress entry, octet for octet, never
// a DNS entry that spells it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace waxseal::tls {

// The name that was asked for, checked and normalised.
struct Reference {
    std::string text;     // lower case, without trailing dot, brackets or IPv6 zone
    std::string address;  // 4 or 16 octets when it is an IP address, else empty
    [[nodiscard]] bool is_address() const noexcept { return !address.empty(); }
};

// What a certificate presents in its subjectAltName. The texts are the peer's: any octet may be in
// them.
struct Presented {
    std::vector<std::string> dns;
    std::vector<std::string> addresses;  // octets
};

[[nodiscard]] std::expected<Reference, Error> reference_name(std::string_view name);
[[nodiscard]] bool matches(const Reference& wanted, const Presented& presented);
[[nodiscard]] bool dns_name_matches(std::string_view wanted, std::string_view presented);
// 4 or 16 octets of a textual address; empty when it is none.
[[nodiscard]] std::string address_octets(std::string_view text);
// The textual form of 4 or 16 octets; anything else in hexadecimal.
[[nodiscard]] std::string address_text(std::string_view octets);

}  // namespace waxseal::tls
