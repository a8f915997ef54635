// Which deadline applies now: a machine names the class, its owner knows the duration and has the
// clock.
#pragma once

namespace waxseal {

enum class Timer {
    none,
    downstream_idle,  // RFC 5321 4.5.3.2.7: a server waits 5 minutes for the next command
    upstream_reply,   // 4.5.3.2.1–4: greeting, MAIL, RCPT, DATA initiation
    upstream_block,   // 4.5.3.2.5: the upstream takes octets of the body
    data_reply,       // 4.5.3.2.6: 10 minutes for the reply to end-of-data
    tls_handshake,
    upstream_idle,      // a connection kept for the session's next transaction
    farewell,           // the last reply is to be taken by the downstream
    upstream_patience,  // an upstream that waits for a body gives up some time
    error_delay,        // a refusal is held back from a downstream that makes many errors
};

}  // namespace waxseal
