// How things fail. Two kinds, and no third: Error is our own environment (a file, a socket, a bad
// configuration) and travels in std::expected; Failure is what went wrong between us and an
// upstream, as a value that a session turns into the one reply its downstream gets. A programming
// error is an assert.
#pragma once

#include <string>
#include <string_view>

namespace waxseal {

struct Error {
    std::string text;  // one line, for a person; no secrets
};

// What failed on the way to, or at, the upstream. The reply table in relay/replies.cpp maps each to
// its reply.
enum class FailureKind {
    name_lookup,  // the name did not resolve, or not in time
    connect,      // refused, unreachable, or not in time
    timeout,      // a reply did not come in time
    tls,          // STARTTLS missing or refused, handshake, certificate
    protocol,     // the upstream broke the rules of SMTP
    credentials,  // the upstream refused waxseal's own credentials, or offers no mechanism we may
                  // use
    unavailable,  // greeting or EHLO refused (4yz, 5yz, 421 before MAIL)
    lost,         // the connection ended while something was owed
    busy,         // no slot within timeouts.queue
};

[[nodiscard]] std::string_view to_string(FailureKind kind) noexcept;

struct Failure {
    FailureKind kind;
    std::string reason;  // one line, escaped when logged; never a credential
};

}  // namespace waxseal
