// Readers for the rows of a key table: each checks the type and the range of one value and stores
// it in one member. A value that is wrong is reported and leaves the member as it was.
#pragma once

#include <array>
#include <cstdint>

#include "config/keys.hpp"
#include "config/values.hpp"

namespace waxseal::config {

template <typename>
struct MemberOf;
template <typename Owner, typename Type>
struct MemberOf<Type Owner::*> {
    using owner = Owner;
    using type = Type;
};
template <auto Member>
using Owner = typename MemberOf<decltype(Member)>::owner;

// A word of a choice, and what it stands for.
template <typename T>
struct Word {
    std::string_view name;
    T value{};
};

// A string without control characters; nothing, and a report, otherwise.
[[nodiscard]] const std::string* string_of(const Given& given);
[[nodiscard]] bool printable(std::string_view text);
void fail_range(const Given& given, const std::string& low, const std::string& high);
void fail_choice(const Given& given, const std::vector<std::string_view>& words);
[[nodiscard]] std::string spell_duration(Milliseconds duration);
[[nodiscard]] std::string spell_size(std::uint64_t size);

template <auto Member>
void read_text(const Given& given, Owner<Member>& target) {
    if (const std::string* text = string_of(given)) target.*Member = *text;
}

template <auto Member, std::uint64_t Low, std::uint64_t High>
void read_count(const Given& given, Owner<Member>& target) {
    const Value& value = given.entry.value;
    if (value.kind != Value::Kind::integer) return given.wrong_type("a whole number");
    if (value.number < static_cast<std::int64_t>(Low) ||
        value.number > static_cast<std::int64_t>(High)) {
        return fail_range(given, std::to_string(Low), std::to_string(High));
    }
    target.*Member = static_cast<typename MemberOf<decltype(Member)>::type>(value.number);
}

template <auto Member, std::uint64_t Low, std::uint64_t High>
void read_size(const Given& given, Owner<Member>& target) {
    if (given.entry.value.kind != Value::Kind::string) return given.wrong_type("a size in quotes");
    const auto size = parse_size(given.entry.value.text);
    if (!size) return given.fail(size.error());
    if (*size < Low || *size > High) return fail_range(given, spell_size(Low), spell_size(High));
    target.*Member = *size;
}

// Low and High in milliseconds.
template <auto Member, std::int64_t Low, std::int64_t High>
void read_duration(const Given& given, Owner<Member>& target) {
    if (given.entry.value.kind != Value::Kind::string)
        return given.wrong_type("a duration in quotes");
    const auto duration = parse_duration(given.entry.value.text);
    if (!duration) return given.fail(duration.error());
    if (*duration < Milliseconds(Low) || *duration > Milliseconds(High)) {
        return fail_range(given, spell_duration(Milliseconds(Low)),
                          spell_duration(Milliseconds(High)));
    }
    target.*Member = *duration;
}

template <auto Member, const auto& Words>
void read_choice(const Given& given, Owner<Member>& target) {
    if (given.entry.value.kind != Value::Kind::string) return given.wrong_type("a word in quotes");
    std::vector<std::string_view> words;
    for (const auto& word : Words) {
        if (word.name == given.entry.value.text) {
            target.*Member = word.value;
            return;
        }
        words.push_back(word.name);
    }
    fail_choice(given, words);
}

// A list of texts, each handed to `item` with its own place: item(const Value&, const
// std::string&).
template <typename Item>
void read_list(const Given& given, std::string_view wanted, Item item) {
    if (given.entry.value.kind != Value::Kind::list) return given.wrong_type(wanted);
    for (const Value& value : given.entry.value.items) {
        if (value.kind == Value::Kind::string && printable(value.text)) {
            item(value, value.text);
        } else {
            given.fail_at(value.place, "each item must be a text in quotes; write " +
                                           given.entry.key + " = " + std::string(given.example));
        }
    }
}

[[nodiscard]] inline bool empty_list(const Given& given) {
    return given.entry.value.kind == Value::Kind::list && given.entry.value.items.empty();
}

// The words of a list of texts that is judged later, as names are.
struct TextList {
    std::string_view wanted;
    std::string_view empty;  // what to say about an empty one
};
inline constexpr TextList upstream_names{
    "a list of names", "names no upstream; remove it to use all of them, in the order of the file"};

template <auto Member, const TextList& Words>
void read_texts(const Given& given, Owner<Member>& target) {
    (target.*Member).clear();
    read_list(given, Words.wanted,
              [&](const Value&, const std::string& text) { (target.*Member).push_back(text); });
    if (empty_list(given)) given.fail(Words.empty);
}

template <auto Member, bool MayBeEmpty>
void read_networks(const Given& given, Owner<Member>& target) {
    (target.*Member).clear();
    read_list(given, "a list of networks", [&](const Value& value, const std::string& text) {
        const auto network = read_network(text);
        if (!network) return given.fail_at(value.place, network.error());
        (target.*Member).push_back(*network);
    });
    if (!MayBeEmpty && empty_list(given)) {
        given.fail("is empty, so nobody could connect; write " + given.entry.key + " = " +
                   std::string(given.example));
    }
}

template <auto Member>
void read_flag(const Given& given, Owner<Member>& target) {
    if (given.entry.value.kind != Value::Kind::boolean) return given.wrong_type("true or false");
    target.*Member = given.entry.value.flag;
}

// A true-or-false that nothing but a cross check looks at; it finds it among the draft's entries.
template <typename Target>
void check_flag(const Given& given, Target&) {
    if (given.entry.value.kind != Value::Kind::boolean) given.wrong_type("true or false");
}

// A key of the contract that this version does not have: only what means "off" is accepted.
void refuse_unless_off(const Given& given);
template <typename Target>
void not_yet(const Given& given, Target&) {
    refuse_unless_off(given);
}

}  // namespace waxseal::config
