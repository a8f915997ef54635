#include "base/secret.hpp"

#include <cstring>
#include <utility>

namespace waxseal {

void wipe(std::string& value) noexcept {
    value.resize(value.capacity());  // within the capacity: never allocates
    explicit_bzero(value.data(), value.size());
    value.clear();
}

Secret Secret::adopt(std::string&& value) {
    Secret secret{std::string_view(value)};
    waxseal::wipe(value);
    return secret;
}

Secret::Secret(Secret&& other) noexcept
    : value_(other.value_.empty() ? std::string() : std::string(other.value_)) {
    other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        value_ = other.value_;
        other.wipe();
    }
    return *this;
}

void Secret::wipe() noexcept { waxseal::wipe(value_); }

}  // namespace waxseal
