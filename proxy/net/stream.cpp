// One TCP connection over libuv. See stream.hpp for the life of the object.
#include "net/stream.hpp"

#include <sys/socket.h>
#ifdef __linux__
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#endif

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

namespace waxseal::net {

namespace {
// How much of a closed connection's remaining input is thrown away before we stop being polite.
constexpr std::size_t linger_input = 1024 * 1024;
// How many connections of a loop may be waited for at once: they are nobody's session, so they have
// to fit into what max_sessions_for_rlimit() leaves free.
constexpr std::size_t most_lingering = 32;
}  // namespace

struct Stream::WriteRequest {
    uv_write_t request{};
    ByteQueue bytes;
    bool busy = false;
};

struct Stream::ConnectRequest {
    uv_connect_t request{};
};

struct Stream::Farewell {
    std::string tail;
    std::size_t discarded = 0;
    std::unique_ptr<Alarm> limit;
};

Stream::Stream(Loop& loop, StreamEvents& events) : loop_(loop), events_(&events) {
    // Without AF_* it makes no socket, and so cannot fail.
    [[maybe_unused]] const int made = uv_tcp_init(loop.handle(), &tcp_);
    assert(made == 0);
    tcp_.data = static_cast<HandleOwner*>(this);
}

Stream::~Stream() = default;

int Stream::connect(const Address& address) {
    sockaddr_storage to;
    address.to(to);
    auto* request = new ConnectRequest;  // libuv's until the callback
    const int result =
        uv_tcp_connect(&request->request, &tcp_, reinterpret_cast<const sockaddr*>(&to),
                       [](uv_connect_t* done, int status) noexcept {
                           Stream* stream = self(done->handle->data);
                           delete reinterpret_cast<ConnectRequest*>(done);
                           if (status == 0) uv_tcp_nodelay(&stream->tcp_, 1);
                           if (stream->events_ != nullptr && stream->phase_ == Phase::open)
                               stream->events_->on_connected(status);
                       });
    if (result != 0) delete request;
    return result;
}

int Stream::open(int socket) noexcept {
    // Takes any stream socket; a unix one has no delay to switch off.
    const int result = uv_tcp_open(&tcp_, socket);
    if (result == 0) static_cast<void>(uv_tcp_nodelay(&tcp_, 1));
    return result;
}

void Stream::reading(bool on) noexcept {
    on = on && !ended_ && (phase_ == Phase::open || phase_ == Phase::lingering);
    // Stopping and starting costs libuv two system calls, so only changes go through.
    if (on == reading_) return;
    reading_ = on;
    if (!on) {
        uv_read_stop(stream());
        return;
    }
    uv_read_start(
        stream(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* block) noexcept {
            const auto memory = self(handle->data)->loop_.read_block();
            *block = uv_buf_init(memory.data(), static_cast<unsigned>(memory.size()));
        },
        &Stream::read_done);
}

void Stream::read_done(uv_stream_t* stream, ssize_t n, const uv_buf_t* block) noexcept {
    if (n != 0) self(stream->data)->take(n, block->base);
}

void Stream::take(ssize_t n, const char* bytes) noexcept {
    if (n < 0) {
        ended_ = true;
        reading_ = false;  // libuv has stopped by itself
    }
    if (phase_ == Phase::lingering) {
        if (n > 0) farewell_->discarded += static_cast<std::size_t>(n);
        if (ended_ || farewell_->discarded > linger_input) close_now();
        return;
    }
    if (events_ == nullptr) return;
    if (n > 0) {
        events_->on_data(std::string_view(bytes, static_cast<std::size_t>(n)));
    } else {
        events_->on_end(n == UV_EOF ? 0 : static_cast<int>(n));
    }
}

namespace {

// libuv takes the buffer as char* but does not write to it.
uv_buf_t buffer_of(std::string_view bytes) noexcept {
    return uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
}

}  // namespace

bool Stream::busy() const noexcept { return request_ && request_->busy; }

// How much the kernel takes at once, or an error.
int Stream::try_send(std::string_view bytes) noexcept {
    assert(!busy());
    if (phase_ >= Phase::closing) return UV_ECANCELED;
    const uv_buf_t block = buffer_of(bytes);
    const int taken = uv_try_write(stream(), &block, 1);
    return taken == UV_EAGAIN ? 0 : taken;
}

int Stream::send(std::string_view bytes) {
    const int taken = try_send(bytes);
    if (taken < 0) return taken;
    bytes.remove_prefix(static_cast<std::size_t>(taken));
    ByteQueue rest;
    if (!bytes.empty()) rest.append(bytes);
    return send_later(rest);
}

int Stream::send(ByteQueue& bytes) {
    const int taken = try_send(bytes.front());
    if (taken < 0) {
        bytes.clear();
        return taken;
    }
    bytes.consume(static_cast<std::size_t>(taken));
    return send_later(bytes);
}

// The request gets the block itself.
int Stream::send_later(ByteQueue& rest) {
    if (rest.empty()) return 0;
    if (!request_) request_ = std::make_unique<WriteRequest>();
    request_->bytes = std::move(rest);
    const uv_buf_t block = buffer_of(request_->bytes.front());
    const int result = uv_write(&request_->request, stream(), &block, 1, &Stream::write_done);
    request_->busy = result == 0;
    if (result != 0) request_->bytes.clear();
    return result;
}

void Stream::write_done(uv_write_t* request, int status) noexcept {
    Stream* stream = self(request->handle->data);
    assert(reinterpret_cast<WriteRequest*>(request) == stream->request_.get());
    stream->request_->bytes.clear();
    stream->request_->busy = false;
    stream->sent(status);
}

void Stream::sent(int status) noexcept {
    if (phase_ == Phase::finishing) {
        status == 0 ? advance_finish() : reset();
    } else if (phase_ != Phase::open) {
        return;
    }
    if (events_ != nullptr && !sending()) events_->on_sent(status);
}

// libuv does not look at a connection whose input has ended: a reset that comes then is known to
// the kernel alone. SO_ERROR would tell of it as well, but only once, and libuv may want it. What
// was acknowledged stays so after a reset; hence the state first, or a reset between the two would
// be overlooked.
std::optional<Delivery> Stream::acknowledged() const noexcept {
#ifdef __linux__
    uv_os_fd_t socket = -1;
    if (uv_fileno(reinterpret_cast<const uv_handle_t*>(&tcp_), &socket) != 0) return std::nullopt;
    tcp_info info{};
    socklen_t size = sizeof info;
    int unacknowledged = 0;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ioctl(socket, TIOCOUTQ, &unacknowledged) != 0)
        return std::nullopt;
    if (unacknowledged == 0) return Delivery::arrived;
    return info.tcpi_state == TCP_CLOSE ? Delivery::failed : Delivery::pending;
#else
    return std::nullopt;
#endif
}

void Stream::salvage(std::size_t limit, const std::function<void(std::string_view)>& sink) {
    uv_os_fd_t socket = -1;
    if (ended_ || phase_ != Phase::open ||
        uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp_), &socket) != 0)
        return;
    reading(false);
    ended_ = true;
    const auto memory = loop_.read_block();
    for (std::size_t taken = 0; taken < limit;) {
        const ssize_t n = recv(socket, memory.data(), memory.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        taken += static_cast<std::size_t>(n);
        sink(std::string_view(memory.data(), static_cast<std::size_t>(n)));
    }
}

void Stream::finish(std::string tail) {
    if (phase_ != Phase::open) return;
    reading(false);
    phase_ = Phase::finishing;
    farewell_ = std::make_unique<Farewell>();
    farewell_->tail = std::move(tail);
    farewell_->limit = loop_.alarm([this] { phase_ == Phase::lingering ? close_now() : reset(); });
    farewell_->limit->arm(linger_time);
    if (!busy()) advance_finish();
}

void Stream::advance_finish() noexcept {
    const std::string tail = std::exchange(farewell_->tail, {});
    if (!tail.empty() && send(tail) != 0) return reset();
    if (busy()) return;
    uv_os_fd_t socket = -1;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp_), &socket) != 0 ||
        shutdown(socket, SHUT_WR) != 0) {
        return close_now();
    }
    if (ended_ || loop_.lingering() >= most_lingering) return close_now();
    phase_ = Phase::lingering;
    ++loop_.lingering();
    reading(true);
}

void Stream::start_close(bool with_reset) noexcept {
    if (phase_ >= Phase::closing) return;
    if (phase_ == Phase::lingering) --loop_.lingering();
    phase_ = Phase::closing;
    farewell_.reset();
    const auto closed = [](uv_handle_t* handle) noexcept {
        Stream* stream = self(handle->data);
        stream->phase_ = Phase::closed;
        if (stream->events_ == nullptr) delete stream;
    };
    // The reset refuses where SO_LINGER cannot be set (no socket yet): then an ordinary close does.
    if (with_reset && uv_tcp_close_reset(&tcp_, closed) == 0) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&tcp_), closed);
}

void Stream::reset() noexcept { start_close(true); }

void Stream::close_now() noexcept { start_close(false); }

void Stream::release() noexcept {
    events_ = nullptr;
    if (phase_ == Phase::closed) {
        delete this;
    } else if (phase_ == Phase::open) {
        reset();
    }
}

}  // namespace waxseal::net
