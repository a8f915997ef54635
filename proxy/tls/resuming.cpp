// The client's sessions: offered before the handshake, judged after it, kept when a ticket comes.
//
// mbedTLS has no call for a ticket's lifetime, so fields that it calls private are named here too.
#include <algorithm>
#include <new>
#include <utility>

#include "base/limits.hpp"
#include "tls/engine_state.hpp"
#include "tls/hello.hpp"

namespace waxseal::tls {

namespace {

using Session = Owned<mbedtls_ssl_session, mbedtls_ssl_session_init, mbedtls_ssl_session_free>;

// Empty: it cannot be saved, or is too large to be kept.
Secret saved(const mbedtls_ssl_session& session) {
    std::size_t size = 0;
    (void)mbedtls_ssl_session_save(&session, nullptr, 0, &size);
    if (size == 0 || size > limits::tls_session_octets) return {};
    std::string octets(size, '\0');
    const int code = mbedtls_ssl_session_save(
        &session, reinterpret_cast<unsigned char*>(octets.data()), octets.size(), &size);
    Secret secret = Secret::adopt(std::move(octets));
    return code == 0 ? std::move(secret) : Secret();
}

}  // namespace

// Whatever goes wrong here ends in a full handshake.
void Engine::State::offer_session(std::string place, Time now) {
    resuming = std::make_unique<Resuming>();
    resuming->place = std::move(place);
    if (client->min_version == ProtocolVersion::tls12) wire.keep_hello();
    auto kept = client->sessions.take(resuming->place, now);
    if (!kept || !verifier->accepts(kept->proof, now)) return;
    Session session;
    const std::string_view octets = kept->octets.reveal();
    if (mbedtls_ssl_session_load(session.get(),
                                 reinterpret_cast<const unsigned char*>(octets.data()),
                                 octets.size()) != 0 ||
        mbedtls_ssl_set_session(ssl.get(), session.get()) != 0)
        return;
    resuming->proof = std::move(kept->proof);
    resuming->offered = kept->version;
}

// Whether the server has proved to be the one that was verified, now or then.
bool Engine::State::judge_server(Time now) {
    const std::uint32_t result = mbedtls_ssl_get_verify_result(ssl.get());
    // A full handshake has shown certificates, whatever was offered.
    if (verifier->consulted()) {
        if (!verifier->satisfied(result)) return false;
        if (resuming) {
            resuming->proof = verifier->proof(now);
            // Offering TLS 1.2, mbedTLS offers nothing newer: kept, it would stay so for ever.
            if (resuming->offered == ProtocolVersion::tls12 &&
                client->max_version != ProtocolVersion::tls12) {
                client->sessions.forget(resuming->place);
                resuming->place.clear();
            }
        }
        return true;
    }
    if (!resuming) return false;
    resuming->resumed =
        result == 0 && resuming->offered && verifier->accepts(resuming->proof, now) && may_keep();
    return resuming->resumed;
}

// Without an extended master secret a session of TLS 1.2 may be another's as well, and is neither
// offered nor taken back (RFC 7627 5.3).
bool Engine::State::may_keep() const {
    return mbedtls_ssl_get_version_number(ssl.get()) != MBEDTLS_SSL_VERSION_TLS1_2 ||
           extends_master_secret(wire.hello());
}

void Engine::State::keep_session(Time now) {
    if (!resuming || resuming->place.empty() || !verified || !may_keep()) return;
    Session session;
    if (mbedtls_ssl_get_session(ssl.get(), session.get()) != 0) return;
    KeptSession kept;
    kept.version = mbedtls_ssl_get_version_number(ssl.get()) == MBEDTLS_SSL_VERSION_TLS1_3
                       ? ProtocolVersion::tls13
                       : ProtocolVersion::tls12;
    const bool old = kept.version == ProtocolVersion::tls12;
    const mbedtls_ssl_session& state = *session.get();
    const std::chrono::seconds lifetime(state.MBEDTLS_PRIVATE(ticket_lifetime));
    const bool ticket = state.MBEDTLS_PRIVATE(ticket_len) != 0;
    // mbedTLS makes no use of a shorter identifier.
    if (!ticket && (!old || mbedtls_ssl_session_get_id_len(&state) < 16)) return;
    // A hint of 0 says nothing in TLS 1.2 (RFC 5077 3.3), in TLS 1.3 that it is not to be used.
    kept.until = now + (old && lifetime.count() == 0
                            ? limits::tls_session_age
                            : std::min<std::chrono::seconds>(lifetime, limits::tls_session_age));
    kept.octets = saved(state);
    kept.proof = resuming->proof;
    if (!kept.octets.empty()) client->sessions.keep(resuming->place, std::move(kept), now);
}

// RFC 8446 4.6.1 allows seven days; mbedTLS ends a connection over more, which is no reason to lose
// a message. The ticket is in its buffer, decrypted and not yet looked at.
void Engine::State::shorten_ticket() noexcept {
    constexpr std::uint32_t longest = 7 * 24 * 3600;
    mbedtls_ssl_context& context = *ssl.get();
    if (!is_client() || context.MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET ||
        context.MBEDTLS_PRIVATE(in_msg) == nullptr || context.MBEDTLS_PRIVATE(in_hslen) < 8)
        return;
    unsigned char* lifetime = context.MBEDTLS_PRIVATE(in_msg) + 4;
    std::uint32_t seconds = 0;
    for (int i = 0; i < 4; ++i) seconds = seconds << 8U | lifetime[i];
    if (seconds <= longest) return;
    for (int i = 0; i < 4; ++i)
        lifetime[i] = static_cast<unsigned char>(longest >> (24U - 8U * static_cast<unsigned>(i)));
}

// Nothing of a failed connection is resumed (RFC 5246 7.2.2); a server that cannot do with an offer
// gets none for a while.
void Engine::State::give_up_session(Time now) {
    if (!resuming || resuming->place.empty()) return;
    if (offer_in_doubt()) {
        client->sessions.shun(resuming->place, now);
    } else {
        client->sessions.forget(resuming->place);
    }
    resuming->place.clear();
}

// It may be the offer that the server cannot do with, until it has taken it or asked for its
// certificates, and said something.
bool Engine::State::offer_in_doubt() const noexcept {
    return resuming && resuming->offered && !resuming->of_use &&
           (phase == Phase::handshake || resuming->resumed);
}

// Ended without a failure, by either side: perhaps a server that does not answer, perhaps a device
// that has left meanwhile.
void Engine::State::abandon_session() noexcept {
    if (!offer_in_doubt() || resuming->place.empty()) return;
    try {
        if (wire.heard()) {
            client->sessions.forget(resuming->place);
        } else {
            client->sessions.shun(resuming->place, current_time());
        }
    } catch (const std::bad_alloc&) {
        // Then it may be offered once more.
    }
    resuming->place.clear();
}

}  // namespace waxseal::tls
