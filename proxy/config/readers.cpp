// The parts of the readers that do not depend on a type.
#include "config/readers.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace waxseal::config {
namespace {

constexpr std::size_t longest_text = 4096;  // PATH_MAX

std::string join(std::span<const std::string_view> words) {
    std::string result;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
        result += '"' + std::string(words[i]) + '"';
    }
    return result;
}

}  // namespace

bool printable(std::string_view text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

const std::string* string_of(const Given& given) {
    const Value& value = given.entry.value;
    if (value.kind != Value::Kind::string) {
        given.wrong_type("a text in quotes");
    } else if (!printable(value.text)) {
        given.fail("contains a control character; write it without");
    } else if (value.text.size() > longest_text) {
        given.fail("is longer than 4096 octets");
    } else {
        return &value.text;
    }
    return nullptr;
}

void fail_range(const Given& given, const std::string& low, const std::string& high) {
    const Value& value = given.entry.value;
    const std::string what =
        value.kind == Value::Kind::string ? quote(value.text) : std::to_string(value.number);
    given.fail(what + " is out of range; write " + given.entry.key + " from " + low + " to " +
               high);
}

void fail_choice(const Given& given, const std::vector<std::string_view>& words) {
    const std::string& text = given.entry.value.text;
    given.fail(quote(text) + " is unknown; write " + join(words) + did_you_mean(text, words));
}

std::string spell_duration(Milliseconds duration) {
    const auto count = duration.count();
    if (count > 0 && count % 3'600'000 == 0) return std::to_string(count / 3'600'000) + 'h';
    if (count > 0 && count % 60'000 == 0) return std::to_string(count / 60'000) + 'm';
    if (count % 1000 == 0) return std::to_string(count / 1000) + 's';
    return std::to_string(count) + "ms";
}

std::string spell_size(std::uint64_t size) {
    static constexpr std::array<std::string_view, 4> units{"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    for (; unit + 1 < units.size() && size > 0 && size % 1024 == 0; ++unit) size /= 1024;
    return std::to_string(size) + std::string(units[unit]);
}

void refuse_unless_off(const Given& given) {
    const Value& value = given.entry.value;
    const bool off = (value.kind == Value::Kind::string && value.text.empty()) ||
                     (value.kind == Value::Kind::boolean && !value.flag) ||
                     (value.kind == Value::Kind::list && value.items.empty()) ||
                     (value.kind == Value::Kind::integer && value.number == 0);
    if (off) return;
    given.fail("is not in this version yet; remove it, or write " + given.entry.key + " = " +
               std::string(given.example));
}

}  // namespace waxseal::config
