// Base64 as SMTP has it (RFC 4954 4): base's, under the names that this layer uses.
#pragma once

#include "base/base64.hpp"

namespace waxseal::smtp {

using waxseal::base64_decode;
using waxseal::base64_encode;

}  // namespace waxseal::smtp
