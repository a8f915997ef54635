// The machinery of the key tables: a section is a table of Key rows, a Draft is a section being
// read.
//
// Flow: read_table() applies every entry of a TOML table to a draft through its row; flags and
// environment variables are entries too and go through read_entry(). What needs more than one key
// to judge comes later, in checks.hpp, and finds the place to point at with Draft::at().
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/problems.hpp"

namespace waxseal::config {

// One value on its way into the configuration, and the words to complain about it.
struct Given {
    std::string_view section;  // "[limits]"
    std::string_view example;  // TOML, for "write max_sessions = 1000"
    const Entry& entry;
    Problems& problems;

    void fail(std::string_view text) const { fail_at(entry.value.place, text); }
    void fail_at(const Place& place, std::string_view text) const;
    // "must be a number; write max_sessions = 1000"
    void wrong_type(std::string_view wanted) const;
};

template <typename Target>
struct Key {
    std::string_view name;
    std::string_view type;  // as in Reference
    std::string_view example;
    std::string_view absent;
    std::string_view text;  // empty: a key of the contract that this version does not have
    void (*read)(const Given&, Target&) = nullptr;
};

template <typename Target>
struct Draft {
    Target value{};
    Place place;
    std::vector<Entry> entries;  // all that was applied; the last one of a name holds

    [[nodiscard]] const Entry* find(std::string_view key) const {
        for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
            if (entry->key == key) return &*entry;
        }
        return nullptr;
    }
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    // Where the value of a key was written; the section when it was not.
    [[nodiscard]] const Place& at(std::string_view key) const {
        const Entry* entry = find(key);
        return entry != nullptr ? entry->value.place : place;
    }
};

// "[[upstream]] address: " in a file, nothing elsewhere: there the source says it.
[[nodiscard]] std::string label(const Place& place, std::string_view section, std::string_view key);

// What to say about a key that its section does not have.
[[nodiscard]] std::string unknown_key(std::string_view key, std::string_view section,
                                      const std::vector<std::string_view>& known);

template <typename Target>
void read_entry(const Entry& entry, std::string_view section, std::span<const Key<Target>> keys,
                Draft<Target>& draft, Problems& problems) {
    for (const Key<Target>& key : keys) {
        if (key.name != entry.key) continue;
        draft.entries.push_back(entry);
        key.read(Given{section, key.example, entry, problems}, draft.value);
        return;
    }
    std::vector<std::string_view> known;
    for (const Key<Target>& key : keys) known.push_back(key.name);
    problems.error(entry.place,
                   label(entry.place, section, entry.key) + unknown_key(entry.key, section, known));
}

template <typename Target>
void read_table(const Table& table, std::string_view section, std::span<const Key<Target>> keys,
                Draft<Target>& draft, Problems& problems) {
    draft.place = table.place;
    for (const Entry& entry : table.entries) read_entry(entry, section, keys, draft, problems);
}

}  // namespace waxseal::config
