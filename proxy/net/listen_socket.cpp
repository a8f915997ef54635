// The three ways to a listening socket, and what to tell a person when one fails.
#include "net/listen_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"

namespace waxseal::net {

namespace {

int enable(int socket, int level, int option, int value) {
    return setsockopt(socket, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

int prepare(int socket, const Address& address, const ListenOptions& options) {
    int error = enable(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && options.reuse_port) error = enable(socket, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error == 0 && !address.ipv4()) {
        error = enable(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
    }
    if (error != 0) return error;
    sockaddr_storage storage;
    const socklen_t length = address.to(storage);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&storage), length) != 0) return errno;
    return listen(socket, options.backlog) == 0 ? 0 : errno;
}

int stream_socket(int family) {
    return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// The socket, or a negative errno.
int open_tcp_socket(const Address& address, const ListenOptions& options) {
    const int socket = stream_socket(address.ipv4() ? AF_INET : AF_INET6);
    if (socket < 0) return -errno;
    if (const int error = prepare(socket, address, options); error != 0) {
        ::close(socket);
        return -error;
    }
    return socket;
}

std::optional<SocketAddress> local_address(int socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
        return std::nullopt;
    return SocketAddress::from(storage, length);
}

// --- unix sockets

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

int bind_unix(int socket, const std::string& path) {
    const sockaddr_un address = unix_address(path);
    return bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                          : errno;
}

// What is in the way at a path: 0 when it was left behind by a program that is gone, and has been
// removed.
int clear_stale(const std::string& path) {
    struct stat found{};
    if (lstat(path.c_str(), &found) != 0) return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(found.st_mode)) return EEXIST;
    const int probe = stream_socket(AF_UNIX);
    if (probe < 0) return errno;
    const sockaddr_un address = unix_address(path);
    const bool answered =
        connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int error = answered ? EADDRINUSE : errno;
    ::close(probe);
    // Only a refusal says that nobody listens; a full queue, for one, says the contrary.
    if (error == ENOENT) return 0;
    if (error == EACCES) return EACCES;
    if (error != ECONNREFUSED) return EADDRINUSE;
    return unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

// The mode is right from the file's first moment: what the socket itself has bounds what bind()
// gives the file.
int prepare_unix(int socket, const std::string& path, const ListenOptions& options) {
    if (fchmod(socket, options.unix_mode) != 0) return errno;
    int error = bind_unix(socket, path);
    if (error == EADDRINUSE) {
        error = clear_stale(path);
        if (error == 0) error = bind_unix(socket, path);
    }
    if (error != 0) return error;
    if (chmod(path.c_str(), options.unix_mode) == 0 && listen(socket, options.backlog) == 0)
        return 0;
    error = errno;
    unlink(path.c_str());
    return error;
}

std::string unix_hint(int error) {
    switch (error) {
        case EACCES:
        case EPERM:
            return "; this user may not make, or talk to, a socket there";
        case EEXIST:
            return "; a file that is not a socket is in the way";
        case EADDRINUSE:
            return "; another program, or another waxseal, listens there";
        case ENOENT:
            return "; its directory does not exist";
        default:
            return "";
    }
}

std::string hint(const Address& address, int error) {
    switch (error) {
        case EACCES:
        case EPERM:
            if (address.port >= 1024) return "";
            return "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE";
        case EADDRINUSE:
            return "; another program, or another waxseal, listens there";
        case EADDRNOTAVAIL:
            return "; no interface of this machine has this address";
        case EAFNOSUPPORT:
            return address.ipv4() ? "" : "; this machine has no IPv6";
        default:
            return "";
    }
}

// --- inherited sockets

// The value, or -1.
int socket_option(int socket, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(socket, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

// Why it cannot be listened on, or nothing.
std::string unfit(int fd) {
    const int type = socket_option(fd, SO_TYPE);
    if (type < 0) return errno == EBADF ? "it is not open" : "it is not a socket";
    const int family = socket_option(fd, SO_DOMAIN);
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return "it is neither TCP nor a unix socket";
    if (type != SOCK_STREAM) return "it is not a stream socket";
    if (socket_option(fd, SO_ACCEPTCONN) != 1)
        return "it does not listen (a socket unit needs Accept=no)";
    return "";
}

}  // namespace

std::expected<ListenSocket, Error> ListenSocket::open(const ListenOptions& options) {
    if (options.inherited) return take_over(*options.inherited);
    if (const UnixPath* path = options.address.unix_path()) return open_unix(options, *path);
    return open_tcp(options);
}

std::expected<ListenSocket, Error> ListenSocket::open_tcp(const ListenOptions& options) {
    const Address& address = options.address.tcp();
    int socket = open_tcp_socket(address, options);
    // A host without IPv6 has every IPv4 address all the same: that is what "[::]" asks for.
    const Address everywhere{};
    if ((socket == -EAFNOSUPPORT || socket == -EADDRNOTAVAIL) && !options.v6_only &&
        address.ip == everywhere.ip) {
        socket = open_tcp_socket(*Address::parse("0.0.0.0", address.port), options);
    }
    if (socket < 0) return std::unexpected(listen_error(address, -socket));
    ListenSocket made(socket, local_address(socket).value_or(address));
    made.shared_ = options.reuse_port;
    return made;
}

std::expected<ListenSocket, Error> ListenSocket::open_unix(const ListenOptions& options,
                                                           const UnixPath& path) {
    const std::string& file = path.path;
    if (file.empty() || file.find('\0') != std::string::npos)
        return std::unexpected(Error{"cannot listen on a unix socket without a path"});
    if (file.size() > longest_unix_path()) {
        return std::unexpected(Error{"cannot listen on unix:" + text::escape(file) +
                                     ": the path has " + std::to_string(file.size()) +
                                     " octets, and the system allows a socket's path only " +
                                     std::to_string(longest_unix_path())});
    }
    const int socket = stream_socket(AF_UNIX);
    if (socket < 0) return std::unexpected(listen_error(path, errno));
    ListenSocket made(socket, path);
    if (const int error = prepare_unix(socket, file, options); error != 0)
        return std::unexpected(listen_error(path, error));
    struct stat bound{};
    if (lstat(file.c_str(), &bound) == 0) made.file_ = {bound.st_dev, bound.st_ino};
    return made;
}

std::expected<ListenSocket, Error> ListenSocket::take_over(const InheritedSocket& inherited) {
    const auto failed = [&](const std::string& why) {
        return std::unexpected(Error{"cannot listen on the inherited socket " +
                                     text::escape(inherited.name) + " (descriptor " +
                                     std::to_string(inherited.fd) + "): " + why});
    };
    if (const std::string why = unfit(inherited.fd); !why.empty()) return failed(why);
    const int socket = fcntl(inherited.fd, F_DUPFD_CLOEXEC, 0);
    if (socket < 0) return failed(std::strerror(errno));
    ListenSocket taken(socket, local_address(socket).value_or(SocketAddress()));
    taken.name_ = inherited.name;
    const int flags = fcntl(socket, F_GETFL);
    if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) < 0)
        return failed(std::strerror(errno));
    return taken;
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      name_(std::move(other.name_)),
      file_(std::exchange(other.file_, std::nullopt)),
      shared_(other.shared_) {}

std::string ListenSocket::text() const {
    return name_.empty() ? address_.text() : name_ + " (" + address_.text() + ")";
}

void ListenSocket::share(bool shared) noexcept {
    if (address_.local()) return;
    shared_ = shared;
    (void)enable(fd_, SOL_SOCKET, SO_REUSEPORT, shared ? 1 : 0);
}

// The file first: who finds it gone may make his own at once, and that must not be removed.
void ListenSocket::close() noexcept {
    if (fd_ < 0) return;
    if (file_) {
        const std::string& path = address_.unix_path()->path;
        struct stat found{};
        const bool same = lstat(path.c_str(), &found) == 0 && found.st_dev == file_->device &&
                          found.st_ino == file_->inode;
        if (same) unlink(path.c_str());
    }
    ::close(std::exchange(fd_, -1));
}

Error listen_error(const SocketAddress& address, int error) {
    const std::string why = address.local() ? unix_hint(error) : hint(address.tcp(), error);
    return {"cannot listen on " + text::escape(address.text()) + ": " + uv_strerror(-error) + why};
}

}  // namespace waxseal::net
