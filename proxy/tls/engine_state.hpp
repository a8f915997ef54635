// Private to proxy/tls: what an Engine is made of; engine.cpp has the connection from its start to
// its end, failing.cpp what is found out about a failure.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tls/engine.hpp"
#include "tls/mbedtls.hpp"
#include "tls/reasons.hpp"
#include "tls/verify.hpp"
#include "tls/wire.hpp"

namespace waxseal::tls {

inline Time current_time() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// handshake: nothing may be sent or received yet. established: Established has been told. ended:
// Closed, Truncated or Broken has been told, or will be by the next call of next(); mbedTLS is not
// called any more, except that after Closed our own half still sends.
enum class Phase { handshake, established, ended };

// Client role, where sessions are kept.
struct Resuming {
    std::string place;  // empty: nothing of this connection is kept any more
    Proof proof;        // of the session that was offered, then of this connection
    std::optional<ProtocolVersion> offered{};
    bool resumed = false;  // the server has taken the offer
    bool of_use = false;   // and has said something since
};

struct Engine::State {
    // The contexts are kept alive here; exactly one is set.
    std::shared_ptr<const ClientContext> client;
    std::shared_ptr<const ServerContext> server;
    // While a handshake runs that expects certificates; its memory goes afterwards.
    std::unique_ptr<Verifier> verifier;
    std::shared_ptr<const PeerCertificate> peer;  // server role: what the client has shown
    std::unique_ptr<Resuming> resuming;  // client role; null: no session is kept or offered
    Wire wire;
    Ssl ssl;
    Phase phase = Phase::handshake;
    std::size_t quiet_records = 0;  // records in a row that brought nothing
    std::string plaintext;          // what the last Data shows
    std::optional<Event> untold;    // an end that was met outside of next()
    bool verified = false;          // client role: of this connection, as the context demands
    bool may_write = false;

    ~State();

    [[nodiscard]] bool is_client() const noexcept { return client != nullptr; }
    std::expected<void, Error> set_up_client(Reference wanted, std::string_view upstream);
    std::expected<void, Error> set_up_server();
    std::expected<void, Error> set_up(int code);

    [[nodiscard]] std::size_t largest_record() const;
    Event advance();
    Event shake_hands();
    Event finish_handshake();
    Event read();
    Event take_plaintext();
    void forget_plaintext() noexcept;
    void forget_verifier() noexcept;
    void offer_session(std::string place, Time now);
    [[nodiscard]] bool judge_server(Time now);
    [[nodiscard]] std::string unverified_reason(Time now) const;
    [[nodiscard]] bool may_keep() const;
    void keep_session(Time now);
    void shorten_ticket() noexcept;
    [[nodiscard]] bool offer_in_doubt() const noexcept;
    void give_up_session(Time now);
    void abandon_session() noexcept;
    Event end(Event event);
    Event broken(std::string reason, int alert = -1);
    Event failed(int code);
    [[nodiscard]] int unsent_alert(int code) const;  // -1: none
    [[nodiscard]] Failing failing(int code) const;
    [[nodiscard]] Failing::Stage stage() const;
    void look_at_message(int code, Failing& failing) const;
    void look_at_hello(std::string_view message, Failing& failing) const;
};

}  // namespace waxseal::tls
