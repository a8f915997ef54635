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
// Contract: chain and name are always verified in the client role (RFC 9525: SAN only, never CN; IP
// addresses against
//   iPAddress SANs); there is no option to leave that out. Errors are events with a reason a person
//   understands.
// Threads: a context may be shared by threads; an Engine belongs to one.
// Sources: RFC 8446, RFC 5246, RFC 9325 (versions, suites), RFC 9525 (names).
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/channel.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "base/verified.hpp"

namespace waxseal::tls {

class ClientContext;  // trust store and client policy; immutable
class ServerContext;  // certificate, key and server policy; immutable

struct ClientOptions {
    std::string ca_file;  // PEM bundle; empty: the system's trust store
    // PEM text used instead of a file when not empty: for the demo, which makes its CA in memory.
    std::string ca_pem;
};

struct ServerOptions {
    std::string certificate_pem;  // chain, leaf first
    Secret key_pem;
};

// Errors name the file and what is wrong with it. Thread-safe.
[[nodiscard]] std::expected<std::shared_ptr<const ClientContext>, Error> client_context(
    const ClientOptions& options);
[[nodiscard]] std::expected<std::shared_ptr<const ServerContext>, Error> server_context(
    const ServerOptions& options);

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
    // IPv6 brackets are removed. An empty name is refused.
    [[nodiscard]] static std::expected<std::unique_ptr<Engine>, Error> client(
        std::shared_ptr<const ClientContext> context, std::string_view server_name);
    [[nodiscard]] static std::expected<std::unique_ptr<Engine>, Error> server(
        std::shared_ptr<const ServerContext> context);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void receive(std::string_view ciphertext);
    void end_of_input();
    [[nodiscard]] Event next();

    // Octets taken: at most one record's worth, 0 before Established and after close(). Never asks
    // for a retry.
    std::size_t write(std::string_view plaintext);
    void close();

    [[nodiscard]] std::string_view output() const noexcept;
    void sent(std::size_t n) noexcept;
    // Ciphertext received and not yet decrypted, plus plaintext decrypted and not yet handed out.
    [[nodiscard]] std::size_t buffered() const noexcept;

    [[nodiscard]] TlsDetails details() const;
    [[nodiscard]] std::optional<VerifiedPeer> verified_peer() const;

  private:
    struct State;  // mbedTLS's own structures
    explicit Engine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waxseal::tls
