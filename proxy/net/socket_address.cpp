#include "net/socket_address.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace waxseal::net {

namespace {

UnixPath path_of(const sockaddr_storage& storage, std::size_t length) {
    constexpr std::size_t head = offsetof(sockaddr_un, sun_path);
    sockaddr_un address{};
    std::memcpy(&address, &storage, sizeof address);
    if (length <= head) return {};
    const std::size_t room = std::min(length - head, sizeof address.sun_path);
    std::string path(address.sun_path, room);
    if (path.front() == '\0') {
        path.front() = '@';
    } else {
        path.resize(std::min(path.find('\0'), path.size()));
    }
    return {std::move(path)};
}

}  // namespace

std::size_t longest_unix_path() noexcept { return sizeof sockaddr_un{}.sun_path - 1; }

std::optional<SocketAddress> SocketAddress::from(const sockaddr_storage& storage, unsigned length) {
    if (storage.ss_family == AF_UNIX) return SocketAddress(path_of(storage, length));
    const auto address = Address::from(reinterpret_cast<const sockaddr*>(&storage));
    if (!address) return std::nullopt;
    return SocketAddress(*address);
}

const Address& SocketAddress::tcp() const noexcept {
    assert(!local());
    return *std::get_if<Address>(&value_);
}

IpAddress SocketAddress::ip() const noexcept {
    if (!local()) return tcp().ip;
    IpAddress loopback{};
    loopback.back() = 1;
    return loopback;
}

std::string SocketAddress::text() const {
    const UnixPath* const path = unix_path();
    return path != nullptr ? "unix:" + path->path : tcp().text();
}

}  // namespace waxseal::net
