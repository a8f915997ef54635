// The command line: sub-commands and flags, read with CLI11 into values. Nothing is carried out
// here.
#pragma once

#include <string>
#include <variant>

#include "config/config.hpp"

namespace waxseal::app {

struct RunCommand {
    config::Flags flags;
};
struct CheckCommand {
    config::Flags flags;
};
struct DemoCommand {
    std::string listen = "127.0.0.1:2525";
};
struct HashPasswordCommand {};
// Text to print, and the exit code: --help, --version (0), a usage error (64, EX_USAGE).
struct PrintCommand {
    std::string text;
    int exit_code = 0;
};
using Command =
    std::variant<RunCommand, CheckCommand, DemoCommand, HashPasswordCommand, PrintCommand>;

[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

}  // namespace waxseal::app
