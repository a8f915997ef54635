// Private to proxy/tls: what shortens a later handshake with a server that was verified once: its
// TLS 1.3 tickets and TLS 1.2 sessions, with the proof of what was verified then.
//
// Flow: keep() what a verified connection has brought; take() before the next handshake; shun() a
// place where an offer has ended the handshake.
// Contract: bounded in places, in sessions a place and in octets a session; in memory only, and
// wiped when dropped. Of TLS 1.3 each ticket is given out once, but for the last of a place, which
// is until there is a newer one: several connections at once would use up what one has brought.
// (RFC 8446 C.4 would have it otherwise, so that nobody can tell that two connections are of one
// client; ours come from one address and log in with one account.) A session of TLS 1.2 is given
// out again and again. Nothing is given out later than limits::tls_session_age after the
// certificates were verified, however often it was renewed since, nor after one of them has
// expired. Threads: may be shared by them. Pure: the present is an argument.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "tls/dates.hpp"
#include "tls/engine.hpp"

namespace waxseal::tls {

// That a full handshake has verified the server: its chain and name, or its key.
struct Proof {
    Time verified_at;
    // When every certificate of the verified chain is valid; all times where only the key counts.
    Time valid_from = Time::min();
    Time valid_to = Time::max();
    std::string pinned{};  // the hash that a pin asked for; empty: no pins

    [[nodiscard]] bool holds(Time now) const noexcept;
};

struct KeptSession {
    Secret octets;  // as mbedTLS saves it
    ProtocolVersion version = ProtocolVersion::tls13;
    Proof proof;
    Time until;  // the server's word
};

class Sessions {
  public:
    // `place` is the upstream with the verified name.
    void keep(const std::string& place, KeptSession session, Time now);
    [[nodiscard]] std::optional<KeptSession> take(const std::string& place, Time now);
    void forget(const std::string& place);
    // Forgotten, and nothing is kept for a while.
    void shun(const std::string& place, Time now);
    [[nodiscard]] std::size_t size() const;  // sessions, of all places

  private:
    struct Place {
        std::vector<KeptSession> sessions;  // the newest last
        std::optional<Time> shunned;        // since when
        std::uint64_t used = 0;
    };
    Place& at(const std::string& place);
    void make_room();

    mutable std::mutex mutex_;
    std::map<std::string, Place> places_;
    std::uint64_t clock_ = 0;  // counts uses
};

}  // namespace waxseal::tls
