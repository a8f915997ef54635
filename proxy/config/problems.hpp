// Collects what is wrong with a configuration, all of it, in the order in which a reader meets it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"

namespace waxseal::config {

class Problems {
  public:
    void error(const Place& place, std::string text);
    void warn(const Place& place, std::string text);
    [[nodiscard]] bool failed() const noexcept { return failed_; }

    // What holds only as long as nothing is wrong, sorted by place: first the file, then flags and
    // environment.
    [[nodiscard]] std::vector<Problem> take(const std::string& file);

  private:
    void add(const Place& place, std::string text, bool warning);

    std::vector<Problem> found_;
    std::size_t dropped_ = 0;
    bool failed_ = false;
};

// Someone's own words inside a message: in quotes, and cut.
[[nodiscard]] std::string quote(std::string_view text);

// text::nearest, but not on words that nobody would take for a typo.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string_view>& candidates);

}  // namespace waxseal::config
