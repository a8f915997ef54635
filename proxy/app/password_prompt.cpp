#include "app/password_prompt.hpp"

#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

namespace waxseal::app {

namespace {

constexpr std::size_t longest = 64 * 1024;

volatile std::sig_atomic_t caught = 0;
extern "C" void catch_signal(int number) noexcept { caught = number; }

// While it lives, what is typed is not shown. Signals that would end the program interrupt the
// reading instead, and are raised again once the terminal is as it was.
class NoEcho {
  public:
    NoEcho() {
        caught = 0;
        struct sigaction action{};
        action.sa_handler = catch_signal;  // without SA_RESTART: read() returns EINTR
        for (std::size_t i = 0; i < signals.size(); ++i)
            ::sigaction(signals[i], &action, &actions_[i]);
        if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        quiet.c_lflag |= ECHONL;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        changed_ = true;
    }
    ~NoEcho() {
        if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        for (std::size_t i = 0; i < signals.size(); ++i)
            ::sigaction(signals[i], &actions_[i], nullptr);
        if (caught != 0) ::raise(caught);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

  private:
    static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    std::array<struct sigaction, signals.size()> actions_{};
    termios before_{};
    bool changed_ = false;
};

// An octet at a time: what follows the line is not ours.
std::expected<Secret, Error> read_line() {
    std::string line;
    line.reserve(longest);  // never moved while it grows: no copy is left behind
    int error = 0;
    for (;;) {
        char octet = 0;
        const ssize_t n = ::read(STDIN_FILENO, &octet, 1);
        if (n < 0 && errno == EINTR && caught == 0) continue;
        if (n < 0) error = errno;
        if (n <= 0 || octet == '\n') break;
        if (line.size() == longest) {
            error = EMSGSIZE;
            break;
        }
        line += octet;
    }
    if (line.ends_with('\r')) line.pop_back();
    Secret password = Secret::adopt(std::move(line));
    if (error == 0) return password;
    return std::unexpected(Error{std::string("cannot read the password: ") + std::strerror(error)});
}

}  // namespace

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

std::expected<Secret, Error> ask_password(const char* prompt) {
    if (!stdin_is_terminal()) return read_line();
    (void)std::fputs(prompt, stderr);
    const NoEcho no_echo;
    return read_line();
}

}  // namespace waxseal::app
