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

termios before;  // for the handler, which has nothing else

// All calls are async-signal-safe. The signal comes again when this has returned.
extern "C" void give_terminal_back(int number) noexcept {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
    std::signal(number, SIG_DFL);
    ::raise(number);
}

// While it lives, what is typed is not shown.
class NoEcho {
  public:
    NoEcho() {
        if (::tcgetattr(STDIN_FILENO, &before) != 0) return;
        changed_ = true;
        for (std::size_t i = 0; i < signals.size(); ++i) {
            struct sigaction action{};
            // Stopped and continued, the shell would have set the terminal to show what is typed.
            action.sa_handler = signals[i] == SIGTSTP ? SIG_IGN : give_terminal_back;
            ::sigaction(signals[i], &action, &actions_[i]);
            if (actions_[i].sa_handler == SIG_IGN)  // as of nohup
                ::sigaction(signals[i], &actions_[i], nullptr);
        }
        termios quiet = before;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        quiet.c_lflag |= ECHONL;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~NoEcho() {
        if (!changed_) return;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        for (std::size_t i = 0; i < signals.size(); ++i)
            ::sigaction(signals[i], &actions_[i], nullptr);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

  private:
    static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    std::array<struct sigaction, signals.size()> actions_{};
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
        if (n < 0 && errno == EINTR) continue;
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
    const NoEcho no_echo;
    (void)std::fputs(prompt, stderr);
    return read_line();
}

}  // namespace waxseal::app
