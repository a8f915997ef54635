// Reads a password file: a regular file, or a pipe such as a shell's <(command).
#pragma once

#include <expected>
#include <string>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::app {

// One line end at the end is the editor's, not the password's. Never waits longer than a second, so
// that a reload cannot stall the loop. The error names the file and holds nothing of its content.
[[nodiscard]] std::expected<Secret, Error> read_password(const std::string& file);

}  // namespace waxseal::app
