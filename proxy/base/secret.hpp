// A credential in memory. It wipes itself, moves but does not copy by accident, and has no way into
// a stream or a format string: the only door is reveal(), which is easy to search for and to
// review.
#pragma once

#include <concepts>
#include <ostream>
#include <string>
#include <string_view>

namespace waxseal {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string_view value) : value_(value) {}
    // Takes the string over; the source is wiped.
    static Secret adopt(std::string&& value);

    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(); }

    // An explicit copy, for the one credential that many sessions use.
    [[nodiscard]] Secret clone() const { return Secret(value_); }
    [[nodiscard]] std::string_view reveal() const noexcept { return value_; }
    [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
    void wipe() noexcept;

  private:
    std::string value_;
};

// Overwrites a string's whole memory before letting it go.
void wipe(std::string& value) noexcept;

template <typename T>
    requires std::same_as<T, Secret>
std::ostream& operator<<(std::ostream&, const T&) = delete;

}  // namespace waxseal
