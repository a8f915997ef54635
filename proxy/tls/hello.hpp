// Private to proxy/tls: what a hello says, for the reason why it was refused. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace waxseal::tls {

struct Hello {
    int version = 0;  // as in TLS 1.2 and before: 0x0301 is TLS 1.0
    std::vector<int> suites;
};

// `message` begins with the header of the handshake message (RFC 5246 7.4.1.2); it may end anywhere
// behind the suites. Nothing when it is no ClientHello or ends before.
[[nodiscard]] std::optional<Hello> read_hello(std::string_view message);

// A ServerHello of a server that could do more than the version it was asked for (RFC 8446 4.1.3).
[[nodiscard]] bool announces_downgrade(std::string_view message);

// A ServerHello of TLS 1.2 with the extended master secret (RFC 7627 5.1). It may be followed by
// anything; one that is not whole has it where the extension is there.
[[nodiscard]] bool extends_master_secret(std::string_view message);

}  // namespace waxseal::tls
