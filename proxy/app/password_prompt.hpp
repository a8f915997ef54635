// Asks a person for a password, or takes one from a pipe.
#pragma once

#include <expected>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::app {

[[nodiscard]] bool stdin_is_terminal();
// One line of standard input, without its end. At a terminal `prompt` is shown on standard error
// and what is typed is not; a signal that ends the program leaves the terminal as it was.
[[nodiscard]] std::expected<Secret, Error> ask_password(const char* prompt);

}  // namespace waxseal::app
