// Proof that a channel is TLS and that the peer was verified. On this very connection: its
// certificate chain and name, with the pins of the configuration if there are any beside them; or,
// where the configuration names the public key instead, that this key is the server's (it has
// signed the handshake). Or on the connection whose session this one resumes: no more than a day
// ago, with certificates that are still valid. Never less.
//
// Only the TLS engine can make one (and the unit tests, through a friend that no product code
// defines). Code that is about to send a credential asks for this value; there is no other way to
// get the right.
#pragma once

namespace waxseal {

namespace tls {
class Engine;
}
namespace testing {
struct VerifiedAccess;
}

class VerifiedPeer {
  private:
    VerifiedPeer() = default;
    friend class tls::Engine;
    friend struct testing::VerifiedAccess;
};

}  // namespace waxseal
