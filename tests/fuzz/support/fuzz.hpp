// What the fuzz targets share: an assertion that works in every build, and ways to cut an input.
//
// The input of a target is the protocol text itself, without control bytes, so that a corpus can be
// written and read by hand. What else a target needs to vary (chunk sizes) it derives from the
// input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace waxseal::fuzz {

// Tells what was violated, and crashes, which is how a target reports a find.
inline void require(bool condition, const char* invariant) {
    if (condition) return;
    std::fprintf(stderr, "violated: %s\n", invariant);
    std::abort();
}

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
    return size == 0 ? std::string_view()
                     : std::string_view(reinterpret_cast<const char*>(data), size);
}

// Pieces of 1 to `longest` octets, by a small generator that is seeded from the input.
inline std::vector<std::string_view> chunks(std::string_view bytes, std::size_t longest) {
    std::uint32_t state = 2166136261U + static_cast<std::uint32_t>(longest);
    for (const char c : bytes) state = (state ^ static_cast<unsigned char>(c)) * 16777619U;
    std::vector<std::string_view> result;
    while (!bytes.empty()) {
        state = state * 1664525U + 1013904223U;
        const std::size_t size = std::size_t{1} + (state >> 8) % longest;
        result.push_back(bytes.substr(0, size));
        bytes.remove_prefix(result.back().size());
    }
    return result;
}

// No octet that is not printable ASCII.
inline bool printable_ascii(std::string_view text) {
    for (const char c : text)
        if (c < ' ' || c > '~') return false;
    return true;
}

}  // namespace waxseal::fuzz
