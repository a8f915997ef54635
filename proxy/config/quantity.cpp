// Durations and sizes: a whole number and a unit.
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "config/problems.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 4> times{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};

// K, M and G alone are left out: half of the world means 1000, the other half 1024.
constexpr std::array<Unit, 9> sizes{{{"", 1},
                                     {"B", 1},
                                     {"KiB", 1ULL << 10},
                                     {"MiB", 1ULL << 20},
                                     {"GiB", 1ULL << 30},
                                     {"kB", 1'000},
                                     {"KB", 1'000},
                                     {"MB", 1'000'000},
                                     {"GB", 1'000'000'000}}};

// Nothing when it is not a whole number with one of the units, or too large.
std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units) {
    text = text::trim(text);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || text.empty()) return std::nullopt;
    text = text::trim(text.substr(static_cast<std::size_t>(end - text.data())));
    for (const Unit& unit : units) {
        if (unit.name != text) continue;
        if (number >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor) {
            return std::nullopt;
        }
        return number * unit.factor;
    }
    return std::nullopt;
}

}  // namespace

Parsed<Milliseconds> parse_duration(std::string_view text) {
    if (const auto value = parse(text, times)) return Milliseconds(*value);
    return std::unexpected(
        quote(text) + " is not a duration; write a whole number with ms, s, m or h, as \"30s\"");
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
    if (const auto value = parse(text, sizes)) return *value;
    return std::unexpected(
        quote(text) +
        " is not a size; write a whole number with KiB, MiB, GiB, KB, MB or GB, as \"50MiB\"");
}

}  // namespace waxseal::config
