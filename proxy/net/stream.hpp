// Internal to net/: one TCP or unix connection over libuv, bytes as they are on the wire.
// TcpChannel puts TLS and the contract of Channel on top.
//
// Contract: lives until libuv's close callback and its user's release(), whichever is later; the
// user holds it through
//   Held<Stream>, and release() closes with RST unless finish() was called before. After finish()
//   it needs no user: what is under way goes out, then FIN, then the peer's remaining input is read
//   and thrown away until it closes too (closing with unread input would send RST, which can
//   destroy the last reply on its way), all within `linger_time`. Events are called from the loop
//   only, never from inside a member function; any of them may release the stream.
// Flow: make a Stream, then connect() or open(); reading(true); send() when !sending(); finish() or
// reset().
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/channel.hpp"
#include "base/reactor.hpp"
#include "net/address.hpp"
#include "net/handle.hpp"
#include "net/loop.hpp"
#include "net/stream_events.hpp"

namespace waxseal::net {

class Stream final : public HandleOwner {
  public:
    static constexpr Duration linger_time{5'000};

    Stream(Loop& loop, StreamEvents& events);
    ~Stream() override;

    // Another user takes over.
    void set_events(StreamEvents& events) noexcept { events_ = &events; }

    // 0, or the reason why the attempt failed at once; otherwise on_connected() comes.
    [[nodiscard]] int connect(const Address& address);
    // Takes over a connected socket; on error it is closed by the caller.
    [[nodiscard]] int open(int socket) noexcept;

    void reading(bool on) noexcept;
    // Sends all of it: at once as far as the kernel takes it, the rest from a copy that the request
    // owns. Not while sending(). 0 or an error; on_sent() comes only if sending() is true
    // afterwards.
    [[nodiscard]] int send(std::string_view bytes);
    // The same; what the kernel does not take goes over with its block, uncopied. `bytes` is empty
    // afterwards.
    [[nodiscard]] int send(ByteQueue& bytes);
    [[nodiscard]] bool sending() const noexcept { return busy() || phase_ == Phase::finishing; }
    // Of what the kernel has taken: whether the peer's has acknowledged it. Nothing where nobody
    // does (a unix socket, a system that does not tell, a stream that is closed).
    [[nodiscard]] std::optional<Delivery> acknowledged() const noexcept;
    // After a failed send: hands over what the kernel still holds of the peer's input, at most
    // about `limit` octets, and ends reading.
    void salvage(std::size_t limit, const std::function<void(std::string_view)>& sink);

    // Orderly end: sends `tail` after what is under way, then as the contract says.
    void finish(std::string tail);
    // RST at once.
    void reset() noexcept;

    void release() noexcept override;
    void close_now() noexcept override;

  private:
    enum class Phase {
        open,       // with a user
        finishing,  // finish() was called, something is still to be sent
        lingering,  // FIN is sent, reading for nobody
        closing,    // uv_close was called
        closed      // its callback has come; only the user's release() is missing
    };
    struct WriteRequest;
    struct ConnectRequest;

    [[nodiscard]] uv_stream_t* stream() noexcept { return reinterpret_cast<uv_stream_t*>(&tcp_); }
    static Stream* self(void* data) noexcept {
        return static_cast<Stream*>(static_cast<HandleOwner*>(data));
    }
    static void read_done(uv_stream_t* stream, ssize_t n, const uv_buf_t* block) noexcept;
    static void write_done(uv_write_t* request, int status) noexcept;

    [[nodiscard]] bool busy() const noexcept;
    [[nodiscard]] int try_send(std::string_view bytes) noexcept;
    [[nodiscard]] int send_later(ByteQueue& rest);
    void take(ssize_t n, const char* bytes) noexcept;
    void sent(int status) noexcept;
    void advance_finish() noexcept;
    void start_close(bool with_reset) noexcept;

    Loop& loop_;
    uv_tcp_t tcp_{};
    StreamEvents* events_;  // null: released
    // Kept for the next one. While it is busy libuv has it, until write_done(), which comes before
    // the handle is closed and so before this object goes.
    std::unique_ptr<WriteRequest> request_;
    Phase phase_ = Phase::open;
    bool reading_ = false;
    bool ended_ = false;  // the peer's FIN or an error was seen
    struct Farewell;
    std::unique_ptr<Farewell> farewell_;  // after finish(): keeps an ordinary connection small
};

}  // namespace waxseal::net
