// A configuration file as plain values with their places. document.cpp is the only file that knows
// toml++; everything else works on these, and flags and environment variables become the same
// Entry, with a source of their own.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace waxseal::config {

// Where something was written. Line 0: the source is a flag, a variable or a file as a whole.
struct Place {
    std::string source;
    unsigned line = 0;
    unsigned column = 0;
};
[[nodiscard]] std::string to_string(const Place& place);  // FILE:LINE:COL, safe for one line

struct Entry;

struct Value {
    enum class Kind { string, integer, boolean, list, table, other };
    Kind kind = Kind::other;
    Place place;
    std::string text;  // string: its value; other: what it is, for messages ("a date or time")
    std::int64_t number = 0;
    bool flag = false;
    std::vector<Value> items;    // list
    std::vector<Entry> entries;  // table
};

struct Entry {
    std::string key;
    Place place;  // of the key
    Value value;
};

struct Table {
    Place place;
    std::vector<Entry> entries;
};

// A top-level name: [name] has one table, [[name]] any number; `name = 1` none, and is `stray`.
struct Section {
    enum class Kind { single, repeated, stray };
    Kind kind = Kind::stray;
    std::string name;
    Place place;
    std::vector<Table> tables;
};

using Document = std::vector<Section>;

struct SyntaxError {
    Place place;
    std::string text;
};

// Refuses, besides what is no TOML, nesting that no configuration has: toml++ and the destructors
// of what it builds are recursive, and a megabyte of "a.a.a.a" would end on the stack's guard page.
[[nodiscard]] std::expected<Document, SyntaxError> parse_document(std::string_view text,
                                                                  const std::string& source);

}  // namespace waxseal::config
