// A number that is the whole of a text: digits and nothing else, no sign, no blanks, no locale.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace waxseal::text {

// Nothing when the text is empty, is anything but digits of the base, or does not fit.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> number(std::string_view text, int base = 10) noexcept {
    T value = 0;
    const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || last != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace waxseal::text
