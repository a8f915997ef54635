// The SASL mechanisms that have a file of their own, and what they share. For sasl*.cpp only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "smtp/sasl.hpp"

namespace waxseal::smtp {

[[nodiscard]] std::unique_ptr<SaslClient> make_scram_sha_256(const Credentials& credentials,
                                                             const SaslContext& context);
[[nodiscard]] std::unique_ptr<SaslClient> make_xoauth2(const Credentials& credentials,
                                                       const SaslContext& context);
[[nodiscard]] std::unique_ptr<SaslClient> make_oauthbearer(const Credentials& credentials,
                                                           const SaslContext& context);

// RFC 5801 4: the "saslname" form, in which "," and "=" cannot be mistaken for a separator.
[[nodiscard]] std::string sasl_name(std::string_view name);

// A server's own words as a complaint(): one line of printable ASCII, cut.
[[nodiscard]] std::string sasl_complaint(std::string_view words);

}  // namespace waxseal::smtp
