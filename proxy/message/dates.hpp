// Points in time as a message has them. Pure: the present is an argument.
//
// RFC 5322 3.3 (date-time). Always UTC, written "+0000": what the device's zone is nobody knows,
// and a server's own is nobody's business.
#pragma once

#include <chrono>
#include <string>

namespace waxseal::message {

[[nodiscard]] std::string date_time(
    std::chrono::system_clock::time_point time);  // "Sat, 28 Nov 2026 19:30:00 +0000"

}  // namespace waxseal::message
