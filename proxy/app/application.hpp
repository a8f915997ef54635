// The program: carries out what the command line asks for. main() is one call of this.
#pragma once

namespace waxseal::app {

[[nodiscard]] int main(int argc, const char* const* argv, const char* const* environment);

}  // namespace waxseal::app
