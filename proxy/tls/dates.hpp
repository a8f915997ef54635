// Points in time and spans as a person reads them in a log. Pure: the present is an argument.
#pragma once

#include <chrono>
#include <string>

namespace waxseal::tls {

using Time = std::chrono::sys_seconds;

[[nodiscard]] std::string date_text(Time time);            // "2026-11-25 12:00 UTC"
[[nodiscard]] std::string ago_text(std::chrono::seconds);  // "3 days ago"
// For a certificate's last moment: "expires in 12 days", "expired 2 days ago".
[[nodiscard]] std::string expiry_text(Time not_after, Time now);

}  // namespace waxseal::tls
