// Private to proxy/tls: which of a listener's certificates a client gets, by the name it asks for
// (RFC 6066 3).
#pragma once

#include <expected>

#include "base/error.hpp"
#include "tls/mbedtls.hpp"

namespace waxseal::tls {

// Makes `context`'s configuration choose among its certificates. A name that none of them has is no
// error: devices are set up with whatever name or address reaches us, and do not check.
[[nodiscard]] std::expected<void, Error> serve_by_name(ServerContext& context);

}  // namespace waxseal::tls
