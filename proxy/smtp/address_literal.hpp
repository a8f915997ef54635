// Address literals (RFC 5321 4.1.3): the part of a domain between "[" and "]".
//
// Written here, and not with inet_pton, because this layer has no sockets and the two grammars
// differ (RFC 5321 wants the "IPv6:" tag; inet_pton knows no tag and some know scopes).
#pragma once

#include <string_view>

namespace waxseal::smtp {

// "192.0.2.1" or "IPv6:2001:db8::1" (the tag in any case); tagged literals of other kinds are
// refused.
[[nodiscard]] bool valid_address_literal(std::string_view text) noexcept;

}  // namespace waxseal::smtp
