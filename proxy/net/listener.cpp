// Listening and accepting over a poll handle of libuv.
#include "net/listener.hpp"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/log.hpp"

namespace waxseal::net {

namespace {

constexpr Duration first_pause{100};
constexpr Duration longest_pause{1000};
// Accepted in one go before other connections get their turn.
constexpr int accept_batch = 64;

// Want of a resource: trying again at once would fail again at once.
bool exhausted(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

int enable(int socket, int level, int option, int value) {
    return setsockopt(socket, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

int prepare(int socket, const ListenOptions& options) {
    int error = enable(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && options.reuse_port) error = enable(socket, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error == 0 && !options.address.ipv4()) {
        error = enable(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
    }
    if (error != 0) return error;
    sockaddr_storage address;
    const socklen_t length = options.address.to(address);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&address), length) != 0) return errno;
    return listen(socket, options.backlog) == 0 ? 0 : errno;
}

// The socket, or a negative errno.
int open_socket(const ListenOptions& options) {
    const int family = options.address.ipv4() ? AF_INET : AF_INET6;
    const int socket = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) return -errno;
    if (const int error = prepare(socket, options); error != 0) {
        ::close(socket);
        return -error;
    }
    return socket;
}

Address local_address(int socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length);
    return Address::from(reinterpret_cast<const sockaddr*>(&storage)).value_or(Address{});
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

}  // namespace

class Listener::Acceptor final : public HandleOwner {
  public:
    Acceptor(Loop& loop, int socket, OnAccept on_accept)
        : loop_(loop),
          socket_(socket),
          address_(local_address(socket)),
          on_accept_(std::move(on_accept)),
          retry_(loop.alarm([this] { accept_more(); })) {}

    int start() {
        const int error = uv_poll_init(loop_.handle(), &poll_, socket_);
        if (error != 0) return error;
        poll_.data = static_cast<HandleOwner*>(this);
        resume();
        return 0;
    }

    void pause() {
        state_ = State::paused;
        retry_->disarm();
        uv_poll_stop(&poll_);
    }

    void resume() {
        state_ = State::accepting;
        retry_->disarm();
        uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int, int) noexcept {
            static_cast<Acceptor*>(static_cast<HandleOwner*>(poll->data))->accept_some();
        });
    }

    // Another socket of ours may be bound to the port while this holds.
    void share(bool shared) { (void)enable(socket_, SOL_SOCKET, SO_REUSEPORT, shared ? 1 : 0); }

    [[nodiscard]] const Address& address() const noexcept { return address_; }
    [[nodiscard]] std::uint64_t attempts() const noexcept { return attempts_; }

    void release() noexcept override { close_now(); }

    // on_accept_ may be what is running, so it lives until the close callback; the port is free at
    // once.
    void close_now() noexcept override {
        if (state_ == State::closed) return;
        state_ = State::closed;
        retry_.reset();
        uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) noexcept {
            delete static_cast<HandleOwner*>(handle->data);
        });
        ::close(socket_);
    }

  private:
    enum class State { accepting, paused, waiting /* for descriptors */, closed };

    void accept_more() {
        resume();
        accept_some();
    }

    void accept_some() {
        for (int i = 0; i < accept_batch && state_ == State::accepting; ++i) {
            sockaddr_storage storage{};
            socklen_t length = sizeof storage;
            ++attempts_;
            const int socket = accept4(socket_, reinterpret_cast<sockaddr*>(&storage), &length,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket >= 0) {
                hand_out(
                    socket,
                    Address::from(reinterpret_cast<const sockaddr*>(&storage)).value_or(Address{}));
            } else if (errno == EAGAIN) {
                return caught_up();
            } else if (exhausted(errno)) {
                return back_off(errno);
            }
            // Anything else is the fault of that one connection (accept(2)): on to the next.
        }
    }

    void hand_out(int socket, const Address& peer) {
        auto channel = TcpChannel::adopt(loop_, socket, peer);
        if (channel) on_accept_(std::move(*channel), peer);
    }

    void back_off(int error) {
        if (delay_ == Duration::zero()) {
            delay_ = first_pause;
            log::warn("accept_failed",
                      {{"listener", address_.text()}, {"error", uv_strerror(-error)}});
        } else {
            delay_ = std::min(delay_ * 2, longest_pause);
        }
        state_ = State::waiting;
        uv_poll_stop(&poll_);
        retry_->arm(delay_);
    }

    void caught_up() {
        if (delay_ == Duration::zero()) return;
        delay_ = Duration::zero();
        log::info("accept_recovered", {{"listener", address_.text()}});
    }

    Loop& loop_;
    int socket_;
    uv_poll_t poll_{};
    State state_ = State::paused;
    Address address_;
    OnAccept on_accept_;
    std::unique_ptr<Alarm> retry_;
    Duration delay_{0};  // not zero: in a burst of failures
    std::uint64_t attempts_ = 0;
};

// The socket, or a negative errno. Linux lets a port be shared only by sockets that all ask for it
// when the last is bound; later nobody else is to join, so it does not last.
int Listener::open_beside(const ListenOptions& options) {
    const int alone = open_socket(options);
    if (alone != -EADDRINUSE || options.beside.empty()) return alone;
    for (const Listener* const other : options.beside) other->acceptor_->share(true);
    ListenOptions shared = options;
    shared.reuse_port = true;
    const int socket = open_socket(shared);
    for (const Listener* const other : options.beside) other->acceptor_->share(false);
    if (socket >= 0 && !options.reuse_port) (void)enable(socket, SOL_SOCKET, SO_REUSEPORT, 0);
    return socket;
}

std::expected<std::unique_ptr<Listener>, Error> Listener::open(Loop& loop,
                                                               const ListenOptions& options,
                                                               OnAccept on_accept) {
    int socket = open_beside(options);
    // A host without IPv6 has every IPv4 address all the same: that is what "[::]" asks for.
    const Address everywhere{};
    if ((socket == -EAFNOSUPPORT || socket == -EADDRNOTAVAIL) && !options.v6_only &&
        options.address.ip == everywhere.ip) {
        ListenOptions ipv4 = options;
        ipv4.address = *Address::parse("0.0.0.0", options.address.port);
        socket = open_beside(ipv4);
    }
    if (socket < 0) return std::unexpected(listen_error(options.address, -socket));
    auto acceptor = std::make_unique<Acceptor>(loop, socket, std::move(on_accept));
    if (const int error = acceptor->start(); error != 0) {
        ::close(socket);
        return std::unexpected(listen_error(options.address, -error));
    }
    return std::unique_ptr<Listener>(new Listener(Held<Acceptor>(acceptor.release())));
}

Listener::Listener(Held<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
Listener::~Listener() = default;

const Address& Listener::address() const noexcept { return acceptor_->address(); }
void Listener::pause() { acceptor_->pause(); }
void Listener::resume() { acceptor_->resume(); }
std::uint64_t Listener::attempts() const noexcept { return acceptor_->attempts(); }

Error listen_error(const Address& address, int error) {
    return {"cannot listen on " + address.text() + ": " + uv_strerror(-error) +
            hint(address, error)};
}

std::size_t max_sessions_for_rlimit() noexcept {
    constexpr rlim_t reserve = 64;
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 1;
    if (files.rlim_cur != files.rlim_max) {
        const rlimit raised{files.rlim_max, files.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
    }
    if (files.rlim_cur == RLIM_INFINITY) return std::numeric_limits<std::size_t>::max() / 2;
    return files.rlim_cur <= reserve + 2 ? 1
                                         : static_cast<std::size_t>((files.rlim_cur - reserve) / 2);
}

}  // namespace waxseal::net
