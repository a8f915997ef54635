#include "net/activation.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/number.hpp"
#include "base/text.hpp"

namespace waxseal::net {

namespace {

constexpr int first_descriptor = 3;
// More than any unit has, and less than would make the sum overflow.
constexpr unsigned long most_descriptors = 4096;

Error not_a_number(const char* variable, const std::string& value) {
    return {std::string(variable) + " is not a number that makes sense: " + text::escape(value)};
}

std::vector<std::string> split(std::string_view names) {
    std::vector<std::string> all;
    for (std::size_t colon = names.find(':'); colon != std::string_view::npos;
         colon = names.find(':')) {
        all.emplace_back(names.substr(0, colon));
        names.remove_prefix(colon + 1);
    }
    all.emplace_back(names);
    return all;
}

std::optional<std::string> take(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    std::string copy = value;
    unsetenv(name);
    return copy;
}

}  // namespace

std::expected<std::vector<InheritedSocket>, Error> inherited_sockets(
    const ActivationVariables& variables, long own_pid) {
    std::vector<InheritedSocket> sockets;
    if (!variables.listen_pid || !variables.listen_fds) return sockets;
    const auto pid = text::number<unsigned long>(*variables.listen_pid);
    if (pid.value_or(0) == 0)
        return std::unexpected(not_a_number("LISTEN_PID", *variables.listen_pid));
    if (*pid != static_cast<unsigned long>(own_pid)) return sockets;
    const auto count = text::number<unsigned long>(*variables.listen_fds);
    if (!count || *count > most_descriptors)
        return std::unexpected(not_a_number("LISTEN_FDS", *variables.listen_fds));
    const std::size_t wanted = *count;
    std::vector<std::string> names(wanted, "unknown");
    if (variables.listen_fdnames && wanted != 0) {
        names = split(*variables.listen_fdnames);
        if (names.size() != wanted) {
            return std::unexpected(Error{"LISTEN_FDNAMES has " + std::to_string(names.size()) +
                                         " names for " + std::to_string(wanted) + " sockets"});
        }
    }
    for (std::string& name : names) {
        const int fd = first_descriptor + static_cast<int>(sockets.size());
        sockets.push_back({fd, std::move(name)});
    }
    return sockets;
}

std::expected<std::vector<InheritedSocket>, Error> take_inherited_sockets() {
    const ActivationVariables variables{take("LISTEN_PID"), take("LISTEN_FDS"),
                                        take("LISTEN_FDNAMES")};
    static_cast<void>(take("LISTEN_PIDFDID"));  // newer versions tell the process this way too
    auto sockets = inherited_sockets(variables, getpid());
    if (!sockets) return sockets;
    for (const InheritedSocket& socket : *sockets) {
        const int flags = fcntl(socket.fd, F_GETFD);
        if (flags < 0 || fcntl(socket.fd, F_SETFD, flags | FD_CLOEXEC) < 0) {
            return std::unexpected(Error{"inherited socket " + text::escape(socket.name) +
                                         " (descriptor " + std::to_string(socket.fd) +
                                         "): " + std::strerror(errno)});
        }
    }
    return sockets;
}

}  // namespace waxseal::net
