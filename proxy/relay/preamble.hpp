// What comes on a connection before SMTP does: a load balancer's PROXY header, and a TLS handshake
// that needs no STARTTLS, certain or possible.
//
// Promises: of a peer that must begin with a header nothing else is believed, and it is not
// answered; not one octet behind the header is taken. On a port that speaks both, the first octet
// decides: 22 begins a handshake record (RFC 8446 5.1) and no command of SMTP; the octets that were
// looked at are the handshake's. A peer that says nothing, or anything else, gets the greeting in
// clear: SMTP's client waits for it (RFC 5321 3.1), so it is held back for a moment only. What a
// client says before it is left unread, and told of. Each wait has its deadline.
// Flow: construct; poll() at once and whenever notified, until it is not Waiting. Notified means
// "something may have changed", never from inside a member function. Afterwards destroy it, through
// the reactor's defer. Destroying it before lets the connection go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/channel.hpp"
#include "base/reactor.hpp"
#include "relay/proxy_header.hpp"

namespace waxseal::relay {

// How TLS begins on a listener.
enum class TlsMode : std::uint8_t {
    none,
    starttls,  // when the client says so: not a matter of the preamble
    implicit,
    automatic  // implicit if the client begins so, else as starttls
};

struct PreambleSettings {
    bool proxy_protocol = false;  // this peer is a load balancer, and must begin with a header
    TlsMode tls = TlsMode::none;
    Duration header = std::chrono::seconds(5);
    Duration handshake = std::chrono::seconds(15);  // all of it
    Duration hold = std::chrono::milliseconds(150);
};

class Preamble {
  public:
    struct Waiting {};
    // Ready for SMTP: its tls() is established or none.
    struct Ready {
        std::unique_ptr<Channel> channel;
        std::optional<ProxySource> source;  // the client's address, if a header has given one
        bool spoke_first = false;           // in clear, while the greeting was held back
    };
    // It came to nothing, and the connection is closed.
    struct Refused {
        enum class Cause : std::uint8_t {
            no_header,  // missing, malformed or late
            lost,       // it ended before it had begun
            tls         // the handshake failed or took too long
        };
        Cause cause;
        std::string reason;                 // one line for the log
        std::optional<ProxySource> source;  // as far as known
    };
    using Result = std::variant<Waiting, Ready, Refused>;

    Preamble(Reactor& reactor, std::unique_ptr<Channel> channel, const PreambleSettings& settings,
             std::function<void()> notify);
    Preamble(const Preamble&) = delete;
    Preamble& operator=(const Preamble&) = delete;

    // Anything but Waiting once; then Waiting for ever.
    [[nodiscard]] Result poll();

  private:
    enum class Phase : std::uint8_t {
        header,     // a PROXY header is due
        first,      // the header, if any, is done; what is next depends on the listener
        held,       // the greeting waits for the client's first octet
        handshake,  // TLS was started
        over        // the result was handed out
    };

    [[nodiscard]] Result read_header();
    [[nodiscard]] Result begin();
    [[nodiscard]] Result look();
    [[nodiscard]] Result start_tls();
    [[nodiscard]] Result shake_hands();
    [[nodiscard]] Result ready(bool spoke_first = false);
    [[nodiscard]] Result refuse(Refused::Cause cause, std::string reason);
    void wait(Duration duration);

    std::unique_ptr<Channel> channel_;
    PreambleSettings settings_;
    std::function<void()> notify_;
    std::unique_ptr<Alarm> alarm_;
    ProxyHeader header_;
    std::optional<ProxySource> source_;
    Phase phase_;
    bool late_ = false;  // the present phase has lasted as long as it may
};

}  // namespace waxseal::relay
