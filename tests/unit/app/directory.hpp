// A directory of a test's own, with files in it.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace waxseal::testing {

class TemporaryDirectory {
  public:
    TemporaryDirectory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    // Writes it anew; its whole path.
    [[nodiscard]] std::string file(std::string_view name, std::string_view content) const {
        std::string path = path_ + "/" + std::string(name);
        std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
        return path;
    }

  private:
    std::string path_ = (std::filesystem::temp_directory_path() / "waxseal-XXXXXX").string();
};

inline std::string content_of(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
}

}  // namespace waxseal::testing
