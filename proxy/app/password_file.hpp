// Reads a file that holds a secret: a regular file, or a pipe such as a shell's <(command).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::app {

// One line end at the end is the editor's, not the password's. Never waits longer than a second, so
// that a reload cannot stall the loop. The error names the file and holds nothing of its content.
// `what` it is, for that error: "password", "token".
[[nodiscard]] std::expected<Secret, Error> read_secret(const std::string& file,
                                                       std::string_view what);
[[nodiscard]] inline std::expected<Secret, Error> read_password(const std::string& file) {
    return read_secret(file, "password");
}

}  // namespace waxseal::app
