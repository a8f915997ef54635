// TLS 1.2 and 1.3 over memory: ciphertext in, plaintext out, no socket, no callback, no clock of
// our own.
//
// Flow: make a context once (client_context / server_context), an Engine for each connection; then
//   receive(ciphertext) - store only; end_of_input() when the transport has ended;
//   next() until NeedInput - at most one record's plaintext a call; the end (Closed, Truncated,
//   Broken) is told once,
//     then it is NeedInput for ever, and what is received is dropped;
//   write(plaintext) once established - encrypts at most one record, always accepted;
//   output()/sent(n) - octets for the transport; partial writes are normal. A client's ClientHello
//   is there from the
//     start; after Broken an alert for the peer may be there, worth one attempt to send;
//   close() - queues close_notify; the peer's half goes on until it closes too.
// Contract: in the client role chain and name are always verified (RFC 9525: SAN only, never CN; IP
//   addresses against iPAddress SANs), or, with PinMode::instead, the public key is the one that
//   the administrator has named; there is no option to check nothing. A resumed session is as good
//   as the full handshake that it comes from, for a day at most and while its certificates are
//   valid. In the server role a client certificate that does not verify ends the handshake, whether
//   one was required or not. Errors are events with a reason a person understands.
// Threads: a context may be shared by threads; an Engine belongs to one.
// Sources: RFC 8446, RFC 5246, RFC 9325 (versions, suites), RFC 9525 (names), RFC 6066 3 (SNI), RFC
// 7301 (ALPN), RFC 7469 2.4 (pins).
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/channel.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "base/verified.hpp"

namespace waxseal::tls {

class ClientContext;  // trust store and client policy, immutable; sessions to resume
class ServerContext;  // certificate, key and server policy; immutable

// A certificate chain with the key of its leaf, for either role. The chain may be in any order.
struct CertifiedKey {
    std::string certificate_pem;
    Secret key_pem;      // RSA or ECDSA, not encrypted
    std::string name{};  // for errors: the file it comes from
};

enum class ProtocolVersion { tls12, tls13 };

// beside: chain and name are verified, and some certificate of the verified chain, the trust anchor
// included, must have a pinned key (as RFC 7469 2.6 has it, so that an authority can be pinned).
// instead: the server's own key must be a pinned one, and nothing else is judged, neither chain nor
// name nor dates, because that key is what the administrator has named (Postfix's "fingerprint"
// level). A trust store is then not read.
enum class PinMode { beside, instead };

struct ClientOptions {
    std::string ca_file{};  // PEM bundle; empty: the system's trust store
    // PEM text used instead of a file when not empty: for the demo, which makes its CA in memory.
    std::string ca_pem{};
    std::optional<CertifiedKey> identity{};  // for a server that asks for one
    ProtocolVersion min_version = ProtocolVersion::tls12;
    ProtocolVersion max_version = ProtocolVersion::tls13;
    std::vector<std::string> pins{};  // 32 octets each (certificate.hpp: parse_pin)
    PinMode pin_mode = PinMode::beside;
};

// Whether a listener asks for a certificate. One that is shown must verify in either case.
enum class ClientCertificates { none, optional, required };

struct ServerOptions {
    // At least one. Chosen by SNI among the DNS names of the leaves, exact before wildcard; several
    // for one name (RSA beside ECDSA) by what the client can. The first one (with those for the
    // same names) is for clients that send no name, or one that nobody has.
    std::vector<CertifiedKey> identities{};
    // Old devices: RSA key exchange and CBC suites in TLS 1.2. Never 3DES, RC4, SHA-1 signatures.
    bool legacy_tls = false;
    ClientCertificates client_certificates = ClientCertificates::none;
    std::string client_ca_file{};  // not for none: PEM bundle
    std::string client_ca_pem{};   // used instead of a file when not empty
};

// Errors name the file and what is wrong with it. Thread-safe.
[[nodiscard]] std::expected<std::shared_ptr<const ClientContext>, Error> client_context(
    const ClientOptions& options);
[[nodiscard]] std::expected<std::shared_ptr<const ServerContext>, Error> server_context(
    const ServerOptions& options);
// With one identity and the usual policy.
[[nodiscard]] std::expected<std::shared_ptr<const ServerContext>, Error> server_context(
    CertifiedKey identity);

struct NeedInput {};
struct Established {};  // once; details() and verified_peer() from now on
struct Data {
    std::string_view plaintext;  // until the next call of next()
};
struct Closed {};     // the peer's close_notify: a clean end
struct Truncated {};  // the transport ended without it, after Established
struct Broken {       // anything else, an end during the handshake too; write() takes nothing more
    std::string reason;  // "certificate is for mail.example.org, not smtp.example.com"
};
using Event = std::variant<NeedInput, Established, Data, Closed, Truncated, Broken>;

class Engine {
  public:
    // `server_name` is what is verified, and sent as SNI when it is a DNS name. A trailing dot and
    // IPv6 brackets are removed. An empty name is refused. Sessions are kept in the context for
    // `upstream` and that name, and resumed for the same of both; empty: none.
    [[nodiscard]] static std::expected<std::unique_ptr<Engine>, Error> client(
        std::shared_ptr<const ClientContext> context, std::string_view server_name,
        std::string_view upstream = {});
    [[nodiscard]] static std::expected<std::unique_ptr<Engine>, Error> server(
        std::shared_ptr<const ServerContext> context);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void receive(std::string_view ciphertext);
    void end_of_input();
    // Instead, when it has ended with an error: what was received before is not looked at any more,
    // and nothing is told.
    void transport_failed();
    [[nodiscard]] Event next();

    // Octets taken: at most one record's worth, 0 before Established and after close(). Never asks
    // for a retry.
    std::size_t write(std::string_view plaintext);
    void close();

    [[nodiscard]] std::string_view output() const noexcept;
    void sent(std::size_t n) noexcept;
    // The same octets, to be taken with their block.
    [[nodiscard]] ByteQueue take_output() noexcept;
    // Ciphertext received and not yet decrypted, plus plaintext decrypted and not yet handed out.
    [[nodiscard]] std::size_t buffered() const noexcept;

    // Empty before Established; in the server role with the client's certificate, when it showed
    // one (which then was verified).
    [[nodiscard]] TlsDetails details() const;
    // A session of an earlier connection was offered. If this one fails before it has brought any
    // data, for whatever reason, or is given up before, then that may be why: nothing is offered by
    // the next one. After a failure it stays so for an hour (limits::tls_session_shunned).
    [[nodiscard]] bool offered_session() const noexcept;
    [[nodiscard]] std::optional<VerifiedPeer> verified_peer() const;

  private:
    struct State;  // mbedTLS's own structures
    explicit Engine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waxseal::tls
