// The wording that all key tables share.
#include "config/keys.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/config.hpp"

namespace waxseal::config {

void Given::fail_at(const Place& place, std::string_view text) const {
    problems.error(place, label(place, section, entry.key) + std::string(text));
}

void Given::wrong_type(std::string_view wanted) const {
    fail("must be " + std::string(wanted) + "; write " + entry.key + " = " + std::string(example));
}

std::string label(const Place& place, std::string_view section, std::string_view key) {
    if (place.line == 0) return {};
    return std::string(section) + ' ' + (key.size() > 64 ? quote(key) : std::string(key)) + ": ";
}

std::string unknown_key(std::string_view key, std::string_view section,
                        const std::vector<std::string_view>& known) {
    if (text::iequals(key, "password")) {
        return "a password does not belong in this file; write it into a file of its own and "
               "password_file = \"/path/of/it\"";
    }
    std::string result = "unknown key";
    if (std::string near = did_you_mean(key, known); !near.empty()) return result + near;
    // What is written behind [listen.sender] is part of it, though it was meant for the [[listen]].
    const auto around = [&](const Reference& row) {
        return row.key == key && section.starts_with(row.section);
    };
    auto elsewhere = std::ranges::find_if(reference(), around);
    if (elsewhere == reference().end())
        elsewhere = std::ranges::find(reference(), key, &Reference::key);
    if (elsewhere != reference().end())
        return result + "; it belongs under " + std::string(elsewhere->section);
    if (section.empty()) return result + "; every key stands under a section, as [log]";
    result += "; known here are ";
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (i > 0) result += i + 1 == known.size() ? " and " : ", ";
        result += known[i];
    }
    return result;
}

}  // namespace waxseal::config
