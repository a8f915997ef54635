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
constexpr int longest_queue = 4096;
// Elsewhere such sockets may be bound, but one of them gets everything.
#ifdef __linux__
constexpr bool kernel_spreads = true;
#else
constexpr bool kernel_spreads = false;
#endif

// Want of a resource: trying again at once would fail again at once.
bool exhausted(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

class Listener::Acceptor final : public HandleOwner {
  public:
    Acceptor(Loop& loop, ListenSocket socket, OnSocket on_socket)
        : loop_(loop),
          socket_(std::move(socket)),
          on_socket_(std::move(on_socket)),
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

    void accept_waiting() {
        for (int i = 0; i < longest_queue / accept_batch && state_ == State::accepting; ++i)
            accept_some();
    }

    void share(bool shared) noexcept { socket_.share(shared); }
    [[nodiscard]] bool shared() const noexcept { return socket_.shared(); }

    [[nodiscard]] const SocketAddress& address() const noexcept { return socket_.address(); }
    [[nodiscard]] std::string text() const { return socket_.text(); }
    [[nodiscard]] std::uint64_t attempts() const noexcept { return attempts_; }

    void release() noexcept override { close_now(); }

    // on_socket_ may be what is running, so it lives until the close callback; the port is free at
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
        on_socket_(socket, peer);
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
    OnSocket on_socket_;
    std::unique_ptr<Alarm> retry_;
    Duration delay_{0};  // not zero: in a burst of failures
    std::uint64_t attempts_ = 0;
};

// Linux lets a port be shared only by sockets that all ask for it when the last is bound; later
// nobody else is to join, so it does not last.
std::expected<ListenSocket, Error> Listener::open_beside(const ListenOptions& options) {
    auto alone = ListenSocket::open(options);
    if (alone || options.beside.empty()) return alone;
    std::vector<Listener*> lent;
    for (Listener* const other : options.beside)
        if (!other->acceptor_->shared()) lent.push_back(other);
    for (const Listener* const other : lent) other->acceptor_->share(true);
    ListenOptions shared = options;
    shared.reuse_port = true;
    auto socket = ListenSocket::open(shared);
    for (const Listener* const other : lent) other->acceptor_->share(false);
    if (socket && !options.reuse_port) socket->share(false);
    return socket;
}

std::expected<std::unique_ptr<Listener>, Error> Listener::open(Loop& loop,
                                                               const ListenOptions& options,
                                                               OnAccept on_accept) {
    auto socket = open_beside(options);
    if (!socket) return std::unexpected(socket.error());
    return start(
        loop, *std::move(socket),
        [&loop, on_accept = std::move(on_accept)](int accepted, const SocketAddress& peer) {
            auto channel = TcpChannel::adopt(loop, accepted, peer);
            if (channel) on_accept(std::move(*channel), peer);
        });
}

std::expected<std::vector<ListenSocket>, Error> Listener::sockets(const ListenOptions& options,
                                                                  std::size_t count) {
    auto first = open_beside(options);
    if (!first) return std::unexpected(first.error());
    std::vector<ListenSocket> all;
    all.push_back(*std::move(first));
    if (count < 2 || !kernel_spreads || options.inherited || all.front().address().local())
        return all;
    ListenOptions more{.address = all.front().address(), .backlog = options.backlog};
    more.v6_only = options.v6_only;
    more.reuse_port = true;
    all.front().share(true);
    while (all.size() < count) {
        auto next = ListenSocket::open(more);
        if (next) {
            all.push_back(*std::move(next));
            continue;
        }
        // Not on this system: one for all then.
        while (all.size() > 1) all.pop_back();
        all.front().share(false);
        break;
    }
    return all;
}

std::expected<std::unique_ptr<Listener>, Error> Listener::start(Loop& loop, ListenSocket socket,
                                                                OnSocket on_socket) {
    auto acceptor = std::make_unique<Acceptor>(loop, std::move(socket), std::move(on_socket));
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
void Listener::accept_waiting() { acceptor_->accept_waiting(); }
std::uint64_t Listener::attempts() const noexcept { return acceptor_->attempts(); }

std::size_t max_sessions_for_rlimit(std::size_t loops, std::size_t each) noexcept {
    // A loop's own descriptors, its listeners, and connections that linger (Stream).
    const rlim_t reserve = 24 + 40 * loops;
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 1;
    if (files.rlim_cur != files.rlim_max) {
        const rlimit raised{files.rlim_max, files.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
    }
    if (files.rlim_cur == RLIM_INFINITY) return std::numeric_limits<std::size_t>::max() / 2;
    const rlim_t free = files.rlim_cur - std::min(files.rlim_cur, reserve);
    return std::max<std::size_t>(static_cast<std::size_t>(free / each), 1);
}

}  // namespace waxseal::net
