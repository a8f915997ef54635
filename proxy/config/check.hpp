// What the cross checks of all sections have in common: finding an entry, complaining about it,
// and looking at the files it names.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/checks.hpp"

namespace waxseal::config {

// What a file is for, for the words of a message.
struct FileRole {
    std::string_view content;  // "the password"
    bool secret = false;       // warned about when others can read it
};
inline constexpr FileRole certificates{"PEM certificates"};
inline constexpr FileRole private_key{"the private key, in PEM", true};
inline constexpr FileRole password{"the password", true};
inline constexpr FileRole token{"the token", true};

// Makes the path absolute and says why the file cannot be used; nothing when there is no path.
void check_file(const Place& place, const std::string& label, FileRole role, std::string& path,
                const Directories& directories, Problems& problems);

// Reports each name of a list that is not known, or there twice. `section`: of what is named.
void check_names(const Entry& entry, const std::string& label, std::string_view section,
                 const std::vector<std::string_view>& known, Problems& problems);

template <typename Target>
[[nodiscard]] std::vector<std::string_view> names_of(const std::vector<Draft<Target>>& drafts) {
    std::vector<std::string_view> names;
    for (const Draft<Target>& draft : drafts) names.push_back(draft.value.name);
    return names;
}

template <typename Target>
class SectionCheck {
  public:
    SectionCheck(std::string_view section, Draft<Target>& draft, Problems& problems)
        : draft_(draft), value_(draft.value), section_(section), problems_(problems) {}

  protected:
    void fail(std::string_view key, const std::string& text) {
        const Place& place = draft_.at(key);
        problems_.error(place, label(place, section_, key) + text);
    }

    void warn(std::string_view key, const std::string& text) {
        const Place& place = draft_.at(key);
        problems_.warn(place, label(place, section_, key) + text);
    }

    // Given, be it wrong; an empty text or list is as good as nothing.
    [[nodiscard]] bool given(std::string_view key) const {
        const Entry* entry = draft_.find(key);
        if (entry == nullptr) return false;
        const Value& value = entry->value;
        return !(value.kind == Value::Kind::string && value.text.empty()) &&
               !(value.kind == Value::Kind::list && value.items.empty());
    }

    [[nodiscard]] bool true_(std::string_view key) const {
        const Entry* entry = draft_.find(key);
        return entry != nullptr && entry->value.flag;
    }

    // That word, and not what a wrong one has left behind.
    [[nodiscard]] bool written(std::string_view key, std::string_view word) const {
        const Entry* entry = draft_.find(key);
        return entry != nullptr && entry->value.text == word;
    }

    void file(std::string_view key, std::string& path, FileRole role,
              const Directories& directories) {
        const Place& place = draft_.at(key);
        check_file(place, label(place, section_, key), role, path, directories, problems_);
    }

    Draft<Target>& draft_;
    Target& value_;
    std::string_view section_;
    Problems& problems_;
};

// Names have to be unique.
template <typename Target>
void check_unique(const std::vector<Draft<Target>>& drafts, std::string_view section,
                  Problems& problems) {
    for (auto draft = drafts.begin(); draft != drafts.end(); ++draft) {
        const auto first = std::ranges::find(drafts.begin(), draft, draft->value.name,
                                             [](const auto& other) { return other.value.name; });
        if (first == draft || draft->value.name.empty()) continue;
        const Place& place = draft->at("name");
        problems.error(place, label(place, section, "name") + quote(draft->value.name) +
                                  " is the name of the one in line " +
                                  std::to_string(first->at("name").line) +
                                  " too; write a name of its own for each");
    }
}

}  // namespace waxseal::config
