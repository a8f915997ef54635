#include "app/password_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace waxseal::app {

namespace {

constexpr std::size_t largest = 64 * 1024;  // a token is a few KiB
constexpr int patience_ms = 1000;           // for a pipe whose writer has not written yet

// All that the descriptor gives, up to `largest`; an errno when it gives none of it.
int read_all(int descriptor, std::string& text) {
    text.reserve(largest);  // never moved while it grows: no copy is left behind
    std::array<char, 1024> block{};
    int error = 0;
    while (text.size() < largest) {
        const ssize_t n = ::read(descriptor, block.data(), block.size());
        if (n > 0) {
            text.append(block.data(), static_cast<std::size_t>(n));
        } else if (n < 0 && errno == EAGAIN) {
            pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
            if (::poll(&waiting, 1, patience_ms) > 0) continue;
            error = ETIMEDOUT;
            break;
        } else if (n == 0 || errno != EINTR) {
            error = n == 0 ? 0 : errno;
            break;
        }
    }
    explicit_bzero(block.data(), block.size());
    return text.size() < largest ? error : EFBIG;
}

}  // namespace

std::expected<Secret, Error> read_password(const std::string& file) {
    // Without O_NONBLOCK the opening of a pipe that nobody writes to would never return.
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    std::string text;
    const int error = descriptor < 0 ? errno : read_all(descriptor, text);
    if (descriptor >= 0) ::close(descriptor);
    if (error == 0 && text.ends_with('\n')) text.pop_back();
    if (error == 0 && text.ends_with('\r')) text.pop_back();
    const bool nul = text.find('\0') != std::string::npos;
    const bool empty = text.empty();
    Secret password = Secret::adopt(std::move(text));
    if (error != 0) {
        return std::unexpected(Error{file + ": cannot read the password: " + std::strerror(error)});
    }
    if (empty) return std::unexpected(Error{file + ": the password file is empty"});
    if (nul) return std::unexpected(Error{file + ": the password holds a NUL octet"});
    return password;
}

}  // namespace waxseal::app
