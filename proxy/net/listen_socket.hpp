// A socket that listens, however it came to be: bound to an address, to a path, or inherited. A
// Listener accepts from it, on whatever loop.
//
// Contract: owns the descriptor, non-blocking and closed on exec, and, of a unix socket that was
// bound here, the file: closing removes it, if it is still the same file. Of an inherited socket
// it owns a duplicate, so that a reload finds the original as it was.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "base/error.hpp"
#include "net/listener.hpp"
#include "net/socket_address.hpp"

namespace waxseal::net {

class ListenSocket {
  public:
    [[nodiscard]] static std::expected<ListenSocket, Error> open(const ListenOptions& options);
    ~ListenSocket() { close(); }
    ListenSocket(ListenSocket&& other) noexcept;
    ListenSocket& operator=(ListenSocket&&) = delete;
    ListenSocket(const ListenSocket&) = delete;
    ListenSocket& operator=(const ListenSocket&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    // With the port that was really bound.
    [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
    // "127.0.0.1:25", "unix:/run/waxseal.sock", "smtp.socket (127.0.0.1:25)".
    [[nodiscard]] std::string text() const;
    // Another TCP socket may be bound to the port while this holds (SO_REUSEPORT).
    void share(bool shared) noexcept;
    [[nodiscard]] bool shared() const noexcept { return shared_; }
    void close() noexcept;

  private:
    ListenSocket(int fd, SocketAddress address) : fd_(fd), address_(std::move(address)) {}
    [[nodiscard]] static std::expected<ListenSocket, Error> open_tcp(const ListenOptions& options);
    [[nodiscard]] static std::expected<ListenSocket, Error> open_unix(const ListenOptions& options,
                                                                      const UnixPath& path);
    [[nodiscard]] static std::expected<ListenSocket, Error> take_over(
        const InheritedSocket& inherited);

    // Which file is ours to remove.
    struct File {
        dev_t device = 0;
        ino_t inode = 0;
    };

    int fd_ = -1;
    SocketAddress address_;
    std::string name_;  // of an inherited socket
    std::optional<File> file_;
    bool shared_ = false;
};

}  // namespace waxseal::net
