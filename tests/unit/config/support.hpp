// What the tests of the configuration share: loading a text and looking at what was said about it.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace waxseal::config {

using Lines = std::vector<std::string>;

// The least that is a configuration; what follows it begins in line 3.
inline const std::string upstream_lines = "[[upstream]]\naddress = \"a.example:465\"\n";

inline Lines lines_of(const std::vector<Problem>& problems) {
    Lines lines;
    for (const Problem& problem : problems) lines.push_back(problem.to_string());
    return lines;
}

inline Lines said(const std::expected<Loaded, std::vector<Problem>>& result) {
    return lines_of(result ? result->warnings : result.error());
}

inline std::expected<Loaded, std::vector<Problem>> load_string(
    std::string_view toml, const Flags& flags = {}, const Environment& environment = {}) {
    return load_text(toml, "f", "/nonexistent", flags, environment);
}

inline Config good(std::string_view toml, const Flags& flags = {},
                   const Environment& environment = {}) {
    auto result = load_string(toml, flags, environment);
    if (!result) {
        for (const std::string& line : lines_of(result.error())) MESSAGE(line);
    }
    REQUIRE(result);
    return result->config;
}

// One row of the tables of errors.
struct Wrong {
    std::string toml;
    Lines expected;
};

inline void check_all(const std::vector<Wrong>& cases, const std::string& before = upstream_lines) {
    for (const Wrong& row : cases) {
        CAPTURE(row.toml);
        CHECK(said(load_string(before + row.toml)) == row.expected);
    }
}

// A directory of files that is gone afterwards.
class Folder {
  public:
    Folder() {
        std::string pattern = std::filesystem::temp_directory_path() / "waxseal-config-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    // Returns the absolute path.
    std::string write(const std::string& name, std::string_view text, ::mode_t mode = 0600) const {
        const std::string file = path_ + '/' + name;
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file) << text;
        REQUIRE(::chmod(file.c_str(), mode) == 0);
        return file;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// Flags that see no configuration of the machine the test runs on.
inline Flags isolated() {
    Flags flags;
    flags.default_config = "/nonexistent/waxseal.toml";
    return flags;
}

}  // namespace waxseal::config

// doctest prints what differs with this.
namespace doctest {
template <>
struct StringMaker<waxseal::config::Lines> {
    static String convert(const waxseal::config::Lines& lines) {
        std::string text;
        for (const std::string& line : lines) text += "\n    " + line;
        return text.c_str();
    }
};
}  // namespace doctest
