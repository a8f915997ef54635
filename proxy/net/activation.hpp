// Sockets that were opened for us before we were started: systemd's socket activation.
//
// Contract, as sd_listen_fds(3) has it: the descriptors are 3, 4, …, as many as LISTEN_FDS says,
// and only for the process whose id is LISTEN_PID; LISTEN_FDNAMES has their names, with colons
// between them. What was meant for another process is no error, and none of ours.
// Flow: once, early, before there are threads or children: take_inherited_sockets(); find one by
// name; hand it to Listener::open(), which looks at what it really is.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace waxseal::net {

struct InheritedSocket {
    int fd = -1;
    std::string name;  // "unknown" where none was given; several may have the same
    friend bool operator==(const InheritedSocket&, const InheritedSocket&) = default;
};

// The environment, as far as it matters here.
struct ActivationVariables {
    std::optional<std::string> listen_pid = {};
    std::optional<std::string> listen_fds = {};
    std::optional<std::string> listen_fdnames = {};
};

// Pure: nothing is looked at but the arguments.
[[nodiscard]] std::expected<std::vector<InheritedSocket>, Error> inherited_sockets(
    const ActivationVariables& variables, long own_pid);

// Reads the variables and removes them, so that no child takes them for its own; sees to it that no
// child inherits the descriptors either.
[[nodiscard]] std::expected<std::vector<InheritedSocket>, Error> take_inherited_sockets();

}  // namespace waxseal::net
