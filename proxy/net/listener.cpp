// Listening and accepting over a poll handle of libuv.
#include "net/listener.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/log.hpp"
#include "net/listen_socket.hpp"

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

}  // namespace

class Listener::Acceptor final : public HandleOwner {
  public:
    Acceptor(Loop& loop, ListenSocket socket, OnAccept on_accept)
        : loop_(loop),
          socket_(std::move(socket)),
          on_accept_(std::move(on_accept)),
          retry_(loop.alarm([this] { accept_more(); })) {}

    int start() {
        const int error = uv_poll_init(loop_.handle(), &poll_, socket_.fd());
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

    void share(bool shared) noexcept { socket_.share(shared); }

    [[nodiscard]] const SocketAddress& address() const noexcept { return socket_.address(); }
    [[nodiscard]] std::string text() const { return socket_.text(); }
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
        socket_.close();
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
            const int socket = accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&storage), &length,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket >= 0) {
                hand_out(socket, storage, length);
            } else if (errno == EAGAIN) {
                return caught_up();
            } else if (exhausted(errno)) {
                return back_off(errno);
            }
            // Anything else is the fault of that one connection (accept(2)): on to the next.
        }
    }

    // The far end of a unix connection has no name of its own.
    void hand_out(int socket, const sockaddr_storage& from, socklen_t length) {
        const SocketAddress peer =
            address().local() ? address()
                              : SocketAddress::from(from, length).value_or(SocketAddress());
        auto channel = TcpChannel::adopt(loop_, socket, peer);
        if (channel) on_accept_(std::move(*channel), peer);
    }

    void back_off(int error) {
        if (delay_ == Duration::zero()) {
            delay_ = first_pause;
            log::warn("accept_failed", {{"listener", text()}, {"error", uv_strerror(-error)}});
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
        log::info("accept_recovered", {{"listener", text()}});
    }

    Loop& loop_;
    ListenSocket socket_;
    uv_poll_t poll_{};
    State state_ = State::paused;
    OnAccept on_accept_;
    std::unique_ptr<Alarm> retry_;
    Duration delay_{0};  // not zero: in a burst of failures
    std::uint64_t attempts_ = 0;
};

// Linux lets a port be shared only by sockets that all ask for it when the last is bound; later
// nobody else is to join, so it does not last.
std::expected<ListenSocket, Error> Listener::open_beside(const ListenOptions& options) {
    auto alone = ListenSocket::open(options);
    if (alone || options.beside.empty()) return alone;
    for (const Listener* const other : options.beside) other->acceptor_->share(true);
    ListenOptions shared = options;
    shared.reuse_port = true;
    auto socket = ListenSocket::open(shared);
    for (const Listener* const other : options.beside) other->acceptor_->share(false);
    if (socket && !options.reuse_port) socket->share(false);
    return socket;
}

std::expected<std::unique_ptr<Listener>, Error> Listener::open(Loop& loop,
                                                               const ListenOptions& options,
                                                               OnAccept on_accept) {
    auto socket = open_beside(options);
    if (!socket) return std::unexpected(socket.error());
    auto acceptor = std::make_unique<Acceptor>(loop, *std::move(socket), std::move(on_accept));
    if (const int error = acceptor->start(); error != 0)
        return std::unexpected(listen_error(acceptor->address(), -error));
    return std::unique_ptr<Listener>(new Listener(Held<Acceptor>(acceptor.release())));
}

Listener::Listener(Held<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
Listener::~Listener() = default;

const SocketAddress& Listener::address() const noexcept { return acceptor_->address(); }
std::string Listener::text() const { return acceptor_->text(); }
void Listener::pause() { acceptor_->pause(); }
void Listener::resume() { acceptor_->resume(); }
std::uint64_t Listener::attempts() const noexcept { return acceptor_->attempts(); }

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
