#include "tls/dates.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace waxseal::tls {

namespace {

std::string count_of(long long n, std::string_view unit) {
    return std::to_string(n) + " " + std::string(unit) + (n == 1 ? "" : "s");
}

// The largest unit of which there are enough to be exact enough.
std::string span_text(std::chrono::seconds span) {
    const long long minutes = span.count() / 60;
    if (minutes < 60) return count_of(std::max(1LL, minutes), "minute");
    if (minutes < 48LL * 60) return count_of(minutes / 60, "hour");
    const long long days = minutes / (24 * 60);
    if (days < 730) return count_of(days, "day");
    return count_of(days / 365, "year");
}

}  // namespace

std::string date_text(Time time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day ymd(day);
    const std::chrono::hh_mm_ss clock(time - day);
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d UTC",
                  static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()),
                  static_cast<unsigned>(ymd.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()));
    return text.data();
}

std::string ago_text(std::chrono::seconds span) { return span_text(span) + " ago"; }

std::string expiry_text(Time not_after, Time now) {
    if (not_after < now) return "expired " + ago_text(now - not_after);
    return "expires in " + span_text(not_after - now);
}

}  // namespace waxseal::tls
