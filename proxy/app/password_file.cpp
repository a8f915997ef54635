#include "app/password_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

namespace waxseal::app {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t largest = 64 * 1024;           // a token is a few KiB
constexpr std::chrono::milliseconds patience(1000);  // for a pipe's writer, all in all

// Whether there is something to read, or its end, before the deadline. A FIFO that nobody has
// opened for writing yet has neither: reading it would look like its end.
bool wait_readable(int descriptor, Clock::time_point deadline) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiting, 1, std::max(0, static_cast<int>(left.count())));
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

// All that the descriptor gives, up to `largest`; an errno when it gives none of it.
int read_all(int descriptor, std::string& text) {
    text.reserve(largest);  // never moved while it grows: no copy is left behind
    const auto deadline = Clock::now() + patience;
    std::array<char, 1024> block{};
    int error = 0;
    while (text.size() < largest) {
        if (!wait_readable(descriptor, deadline)) {
            error = ETIMEDOUT;
            break;
        }
        const std::size_t room = std::min(block.size(), largest - text.size());
        const ssize_t n = ::read(descriptor, block.data(), room);
        if (n > 0) {
            text.append(block.data(), static_cast<std::size_t>(n));
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            error = n == 0 ? 0 : errno;
            break;
        }
    }
    explicit_bzero(block.data(), block.size());
    return text.size() < largest ? error : EFBIG;
}

}  // namespace

std::expected<Secret, Error> read_secret(const std::string& file, std::string_view what) {
    // Without O_NONBLOCK the opening of a pipe that nobody writes to would never return.
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    std::string text;
    const int error = descriptor < 0 ? errno : read_all(descriptor, text);
    if (descriptor >= 0) ::close(descriptor);
    if (error == 0 && text.ends_with('\n')) text.pop_back();
    if (error == 0 && text.ends_with('\r')) text.pop_back();
    const bool nul = text.find('\0') != std::string::npos;
    const bool empty = text.empty();
    Secret secret = Secret::adopt(std::move(text));
    if (error != 0) {
        const char* const why = error == ETIMEDOUT ? "nobody has written all of it within a second"
                                                   : std::strerror(error);
        return std::unexpected(Error{file + ": cannot read the " + std::string(what) + ": " + why});
    }
    if (empty)
        return std::unexpected(Error{file + ": the " + std::string(what) + " file is empty"});
    if (nul)
        return std::unexpected(Error{file + ": the " + std::string(what) + " holds a NUL octet"});
    return secret;
}

}  // namespace waxseal::app
