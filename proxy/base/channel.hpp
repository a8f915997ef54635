// One end of a byte stream, as the machines' owners see it: plaintext in, plaintext out, TLS an
// attribute of it.
//
// net::TcpChannel implements it over libuv and tls::Engine; tests implement it in memory.
// Single-threaded.
//
// Flow: set_notify(); then, whenever notified (and once at the start): read with
// readable()/consume() until empty,
//   write() while it takes bytes, look at end(), and set want_input() from the level of your own
//   buffers. start_tls() at the one moment the protocol allows; its outcome is tls() !=
//   none/handshaking, or end(). Finish with close() (orderly) or abort(); then, or at any time
//   outside the channel's own call stack, destroy it. Destroying a channel after close() lets what
//   was written go out first, in the background, for a bounded time.
// Rules: the notify function is called from the loop, never from inside a member function here, and
// never after
//   the channel's destruction. Level-triggered: a spurious call is harmless, a missing one is a
//   bug.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/verified.hpp"

namespace waxseal {

// How the incoming half ended. Truncated: the transport ended inside TLS without close_notify (RFC
// 8446 6.1).
enum class EndOfInput { none, clean, truncated, failed };

// Where TLS stands on a channel.
enum class TlsPhase { none, handshaking, established };

// A certificate that the peer has shown and that was verified. The texts are escaped.
struct PeerCertificate {
    std::string subject;             // "CN=printer-7"
    std::vector<std::string> names;  // subjectAltName: DNS names and IP addresses
    std::string fingerprint;         // SHA-256, "AB:CD:…"
};

// What has become of what was written. Arrived: all of it has reached the peer's system, whatever
// happened to the connection since; whether the peer has read it nobody knows. Failed: some of it
// never will. The first answer that is not pending stands, as long as nothing more is written.
enum class Delivery { pending, arrived, failed };

// What start_tls() makes of input that has arrived and was not consumed.
enum class Unread {
    is_violation,  // RFC 3207 4.2: what came in clear must never be taken for something said in TLS
    is_handshake   // it is the peer's handshake, looked at and left: a port that speaks both
};

// Small, since each session's record has two; the names live as long as the program.
struct TlsDetails {
    std::string_view version;       // "TLSv1.3"
    std::string_view cipher_suite;  // "TLS_AES_256_GCM_SHA384"
    // On an accepted channel: the client's, when it showed one; else null.
    std::shared_ptr<const PeerCertificate> client_certificate{};
    bool resumed = false;  // on a channel of ours: an earlier session with that server
};

class Channel {
  public:
    virtual ~Channel() = default;

    virtual void set_notify(std::function<void()> notify) = 0;

    // Plaintext that has arrived; empty when there is none now. Decrypts at most one record a call.
    // The view lives until the next call of readable(), consume() or start_tls(), and no longer
    // than the notification it was got in.
    [[nodiscard]] virtual std::string_view readable() = 0;
    virtual void consume(std::size_t n) = 0;
    // Whether more bytes should be taken from the network. On at first.
    virtual void want_input(bool on) = 0;
    // The incoming half has ended, and everything before the end has been consumed.
    [[nodiscard]] virtual EndOfInput end() const noexcept = 0;
    // Why end() is failed or truncated; for a TLS failure the readable reason.
    [[nodiscard]] virtual Failure failure() const = 0;

    // Takes up to one TLS record's worth (16 KiB) and returns how much it took: 0 while the
    // previous write is under way or the handshake is not finished. The bytes are copied (or
    // encrypted) before it returns.
    virtual std::size_t write(std::string_view bytes) = 0;
    // The connection has failed, or its TLS was cut off: nothing that is written will be read,
    // though there may be input to consume before end() says so.
    [[nodiscard]] virtual bool broken() const noexcept = 0;
    // No write is under way: everything taken so far is with the kernel.
    [[nodiscard]] virtual bool flushed() const noexcept = 0;
    // Before close() or abort(). It changes without a notification, most of all once the incoming
    // half has ended and nothing is read any more: who wants to know asks again. Where nobody
    // acknowledges anything, being with the kernel is having arrived.
    [[nodiscard]] virtual Delivery delivery() const noexcept {
        if (broken()) return Delivery::failed;
        return flushed() ? Delivery::arrived : Delivery::pending;
    }

    // Begins the handshake in the role and with the settings the channel was made with. Input that
    // has arrived and was not consumed is part of it, or makes the channel fail with
    // FailureKind::tls; in neither case will readable() show it again.
    virtual void start_tls(Unread unread = Unread::is_violation) = 0;
    [[nodiscard]] virtual TlsPhase tls() const noexcept = 0;
    [[nodiscard]] virtual TlsDetails tls_details() const = 0;
    // The right to send credentials: has a value when TLS is established and the peer was verified.
    [[nodiscard]] virtual std::optional<VerifiedPeer> verified_peer() const = 0;
    // Client role: from start_tls() on, the session of an earlier connection was offered. A server
    // that has changed since may break off over that, which says nothing against it: when such a
    // channel fails before it has given any input, or is aborted before, nothing is offered by the
    // next one, which is worth trying at once.
    [[nodiscard]] virtual bool offered_session() const noexcept { return false; }

    // "192.0.2.1:25" or "[2001:db8::1]:25": the peer.
    [[nodiscard]] virtual std::string peer_address() const = 0;

    // Orderly: what was taken goes out, then close_notify and FIN. Nothing is read any more.
    virtual void close() = 0;
    // At once, with nothing more sent: no close_notify, and RST where that is possible.
    virtual void abort() = 0;
};

// A connection attempt under way. Destroying it cancels it; the callback is then never called.
class Dial {
  public:
    virtual ~Dial() = default;
};

using DialResult = std::expected<std::unique_ptr<Channel>, Failure>;

// Opens channels to one upstream: name lookup, address race, connect, and for implicit TLS
// start_tls() before the first octet is read. The result comes through the callback, never from
// inside dial().
class Dialer {
  public:
    virtual ~Dialer() = default;
    [[nodiscard]] virtual std::unique_ptr<Dial> dial(std::function<void(DialResult)> on_result) = 0;
};

}  // namespace waxseal
