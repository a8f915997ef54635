// Where a stream socket is, or who is at its other end: an IP address with a port, or the path of a
// unix socket, as one value.
//
// Text, for logs and people: as net/address.hpp has it, or "unix:/run/waxseal.sock". An abstract
// socket, which has no file, is "unix:@name"; the far end of a unix connection is usually nameless
// ("unix:"), so a listener gives its own path instead.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "net/address.hpp"

namespace waxseal::net {

struct UnixPath {
    std::string path;  // the leading NUL of an abstract socket is written '@'
    friend bool operator==(const UnixPath&, const UnixPath&) = default;
};

// What of a path the system has room for (sun_path without its final NUL).
[[nodiscard]] std::size_t longest_unix_path() noexcept;

class SocketAddress {
  public:
    SocketAddress(const Address& address = {}) : value_(address) {}
    SocketAddress(UnixPath path) : value_(std::move(path)) {}
    // Nothing for a family that is neither.
    [[nodiscard]] static std::optional<SocketAddress> from(const sockaddr_storage& storage,
                                                           unsigned length);

    [[nodiscard]] bool local() const noexcept { return std::holds_alternative<UnixPath>(value_); }
    // Asserts that it is one.
    [[nodiscard]] const Address& tcp() const noexcept;
    // Null when it is none.
    [[nodiscard]] const UnixPath* unix_path() const noexcept {
        return std::get_if<UnixPath>(&value_);
    }
    // What access rules compare. A program on the other end of a unix socket is on this host, as
    // one on the loopback address is: ::1.
    [[nodiscard]] IpAddress ip() const noexcept;
    [[nodiscard]] std::string text() const;

    friend bool operator==(const SocketAddress&, const SocketAddress&) = default;

  private:
    std::variant<Address, UnixPath> value_;
};

}  // namespace waxseal::net
