// Exit codes, as sysexits.h has them: scripts and service managers depend on them.
#pragma once

namespace waxseal::app {

inline constexpr int exit_ok = 0;
inline constexpr int exit_usage = 64;          // EX_USAGE
inline constexpr int exit_system = 71;         // EX_OSERR: a port in use, …
inline constexpr int exit_configuration = 78;  // EX_CONFIG

}  // namespace waxseal::app
