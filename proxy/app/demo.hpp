// `waxseal demo`: a proxy in front of a built-in TLS mailbox on loopback, verified against a CA
// made a moment ago. Shows each message with what TLS was negotiated and how long each phase took.
// Nothing to configure, nothing left behind.
#pragma once

#include <string>

namespace waxseal::app {

// Returns the exit code.
[[nodiscard]] int demo(const std::string& listen);

}  // namespace waxseal::app
