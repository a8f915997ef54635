// A Channel over one TCP or unix connection, with TLS as an attribute: see base/channel.hpp for the
// contract.
//
// Nothing is read from the network before set_notify() or start_tls(), so with implicit TLS
// (start_tls() first) the engine is in place before the first octet can arrive. At most about two
// read blocks wait here unread; what is more stays with the kernel and slows the peer down. An idle
// cleartext channel holds no buffer. Flow: from a Listener or a Dialer; [set_tls()]; then as
// base/channel.hpp says.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/channel.hpp"
#include "net/handle.hpp"
#include "net/loop.hpp"
#include "net/socket_address.hpp"
#include "net/stream_events.hpp"
#include "tls/engine.hpp"

namespace waxseal::net {

class Stream;

// The role and the settings for start_tls().
struct ClientTls {
    std::shared_ptr<const tls::ClientContext> context;
    std::string server_name;  // what is verified
    std::string upstream{};   // whose sessions are resumed; empty: none are
};
struct ServerTls {
    std::shared_ptr<const tls::ServerContext> context;
};
using TlsSettings = std::variant<std::monostate, ClientTls, ServerTls>;

class TcpChannel final : public Channel, private StreamEvents {
  public:
    // Takes over a connected stream.
    TcpChannel(Loop& loop, Held<Stream> stream, SocketAddress peer, TlsSettings settings = {});
    // Takes over a connected socket, also when it fails.
    [[nodiscard]] static std::expected<std::unique_ptr<TcpChannel>, Error> adopt(
        Loop& loop, int socket, const SocketAddress& peer);
    // Without close() or abort() before, this is abort().
    ~TcpChannel() override;

    // Before start_tls().
    void set_tls(TlsSettings settings);
    [[nodiscard]] const SocketAddress& peer() const noexcept { return peer_; }

    void set_notify(std::function<void()> notify) override;
    [[nodiscard]] std::string_view readable() override;
    void consume(std::size_t n) override;
    void want_input(bool on) override;
    [[nodiscard]] EndOfInput end() const noexcept override;
    [[nodiscard]] Failure failure() const override;
    std::size_t write(std::string_view bytes) override;
    [[nodiscard]] bool broken() const noexcept override {
        return verdict_ == EndOfInput::failed || verdict_ == EndOfInput::truncated;
    }
    [[nodiscard]] bool flushed() const noexcept override;
    [[nodiscard]] Delivery delivery() const noexcept override;
    void start_tls(Unread unread = Unread::is_violation) override;
    [[nodiscard]] TlsPhase tls() const noexcept override;
    [[nodiscard]] TlsDetails tls_details() const override;
    [[nodiscard]] std::optional<VerifiedPeer> verified_peer() const override;
    [[nodiscard]] bool offered_session() const noexcept override;
    [[nodiscard]] std::string peer_address() const override { return peer_.text(); }
    void close() override;
    void abort() override;

  private:
    enum class Phase {
        idle,   // nothing is read yet
        open,   // reading, when there is room and interest
        closed  // close() or abort() was called
    };
    struct Link;
    struct TlsSide;

    void on_connected(int) override {}
    void on_data(std::string_view bytes) override;
    void on_end(int error) override;
    void on_sent(int error) override;

    void store(std::string_view bytes);
    void keep_fresh();
    void turn();
    void wake_later();
    [[nodiscard]] bool drained() const noexcept;
    [[nodiscard]] std::size_t buffered() const noexcept;
    void update_reading();
    void fail(FailureKind kind, std::string reason);
    void lose_write(int error);
    void settle_lost_write();

    [[nodiscard]] bool make_engine();
    void refuse_tls();
    void handshake();
    std::string_view decrypt();
    void starve();
    void flush_engine();

    Loop& loop_;
    SocketAddress peer_;
    std::unique_ptr<const TlsSettings> settings_;  // null: none
    std::shared_ptr<Link> link_;
    std::unique_ptr<TlsSide> tls_;
    Held<Stream> stream_;
    std::string_view fresh_;  // of the loop's block, during on_data(): what is consumed at once is
                              // never copied
    ByteQueue served_;        // what readable() showed; views into it must survive new arrivals
    ByteQueue arrived_;
    std::unique_ptr<const Failure> failure_;
    EndOfInput verdict_ = EndOfInput::none;  // end(), once everything is consumed
    Phase phase_ = Phase::idle;
    int write_error_ = 0;  // to be settled in the next turn
    bool wants_input_ = true;
    bool lost_output_ = false;  // something that write() took never got to the kernel
};

}  // namespace waxseal::net
