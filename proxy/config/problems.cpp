// Problems: collecting, ordering and printing. One problem is one line whatever the file contains.
#include "config/problems.hpp"

#include <algorithm>
#include <tuple>

#include "base/text.hpp"

namespace waxseal::config {
namespace {

// A file that is no configuration at all need not be told so a million times.
constexpr std::size_t most_problems = 100;
constexpr std::size_t longest_line = 2048;
constexpr std::size_t longest_quote = 64;

}  // namespace

std::string to_string(const Place& place) {
    std::string result = text::escape(place.source, longest_line);
    if (place.line == 0) return result;
    return result + ':' + std::to_string(place.line) + ':' + std::to_string(place.column);
}

std::string Problem::to_string() const {
    std::string result = config::to_string(Place{source, line, column});
    result += ": ";
    if (warning) result += "warning: ";
    return result + text::escape(text, longest_line);
}

void Problems::error(const Place& place, std::string text) { add(place, std::move(text), false); }
void Problems::warn(const Place& place, std::string text) { add(place, std::move(text), true); }

void Problems::add(const Place& place, std::string text, bool warning) {
    if (!warning) failed_ = true;
    if (found_.size() >= most_problems) {
        ++dropped_;
        return;
    }
    found_.push_back({place.source, place.line, place.column, std::move(text), warning});
}

std::vector<Problem> Problems::take(const std::string& file) {
    // What is not in the file keeps the order in which it was found.
    std::vector<std::tuple<bool, unsigned, unsigned, std::size_t>> order;
    for (std::size_t i = 0; i < found_.size(); ++i) {
        const bool elsewhere = found_[i].source != file;
        order.emplace_back(elsewhere, elsewhere ? 0 : found_[i].line,
                           elsewhere ? 0 : found_[i].column, i);
    }
    std::ranges::sort(order);
    std::vector<Problem> result;
    for (const auto& place : order) result.push_back(std::move(found_[std::get<3>(place)]));
    if (dropped_ > 0) {
        result.push_back(
            {file, 0, 0, "and " + std::to_string(dropped_) + " more problems", !failed_});
    }
    return result;
}

std::string quote(std::string_view text) {
    std::string result = "\"";
    std::size_t end = std::min(text.size(), longest_quote);
    // Not in the middle of a character.
    while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
        --end;
    result += text.substr(0, end);
    return result + (end < text.size() ? "…\"" : "\"");
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
    if (word.size() > longest_quote) return {};
    const auto found = text::nearest(word, candidates);
    return found ? "; did you mean " + std::string(*found) + "?" : std::string();
}

}  // namespace waxseal::config
