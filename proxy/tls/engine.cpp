#include "tls/engine.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <map>
#include <utility>

#include "base/limits.hpp"
#include "tls/engine_state.hpp"
#include "tls/names.hpp"

namespace waxseal::tls {

namespace {

// "TLS1-3-AES-256-GCM-SHA384" and "TLS-ECDHE-RSA-WITH-…" as IANA writes them.
std::string iana_suite(std::string_view name) {
    constexpr std::string_view prefix13 = "TLS1-3-";
    std::string text = name.starts_with(prefix13)
                           ? "TLS_" + std::string(name.substr(prefix13.size()))
                           : std::string(name);
    std::ranges::replace(text, '-', '_');
    return text;
}

// Of every suite that mbedTLS has, by its own name for it, for as long as the program runs.
std::string_view suite_name(const char* name) {
    static const auto all = [] {
        std::map<std::string_view, std::string> names;
        for (const int* suite = mbedtls_ssl_list_ciphersuites(); *suite != 0; ++suite) {
            const std::string_view own = mbedtls_ssl_get_ciphersuite_name(*suite);
            names.emplace(own, iana_suite(own));
        }
        return names;
    }();
    const auto found = name != nullptr ? all.find(name) : all.end();
    return found != all.end() ? std::string_view(found->second) : std::string_view();
}

}  // namespace

// --- set-up ---

std::expected<void, Error> Engine::State::set_up_client(Reference wanted,
                                                        std::string_view upstream) {
    int code = mbedtls_ssl_setup(ssl.get(), client->config.get());
    if (code == 0) {
        // The name is SNI, and a second opinion on the certificate. For an address it is NULL: no
        // SNI (RFC 6066 3), and mbedTLS's own check, which would take a DNS entry that spells the
        // address, off; ours is on always.
        code = mbedtls_ssl_set_hostname(ssl.get(),
                                        wanted.is_address() ? nullptr : wanted.text.c_str());
    }
    std::string place;
    if (!upstream.empty()) place = std::string(upstream) + '\n' + wanted.text;
    verifier = std::make_unique<Verifier>(std::move(wanted), client->pins);
    if (code == 0 && !place.empty()) offer_session(std::move(place), current_time());
    return set_up(code);
}

std::expected<void, Error> Engine::State::set_up_server() {
    const int code = mbedtls_ssl_setup(ssl.get(), server->config.get());
    if (server->client_certificates != ClientCertificates::none)
        verifier = std::make_unique<Verifier>(server->client_certificates);
    return set_up(code);
}

std::expected<void, Error> Engine::State::set_up(int code) {
    if (code != 0) return std::unexpected(Error{"TLS cannot start: " + error_text(code)});
    // Adds our verdict, so that a bad certificate ends the handshake before anything is sent, and
    // notes what is wrong for the reason.
    if (verifier) mbedtls_ssl_set_verify(ssl.get(), Verifier::on_certificate, verifier.get());
    mbedtls_ssl_set_bio(ssl.get(), &wire, Wire::on_send, Wire::on_receive, nullptr);
    return {};
}

// --- progress ---

Event Engine::State::advance() {
    switch (phase) {
        case Phase::handshake:
            return shake_hands();
        case Phase::established:
            return read();
        case Phase::ended:
            break;
    }
    return NeedInput{};
}

// Of the body of a record. RFC 5246 6.2.3. TLS 1.3 says it of what is inside, its type and padding
// included, which mbedTLS does not see to (RFC 8446 5.2, 5.4): the tag around it is 16 octets.
std::size_t Engine::State::largest_record() const {
    return mbedtls_ssl_get_version_number(ssl.get()) == MBEDTLS_SSL_VERSION_TLS1_3
               ? limits::tls_record + 1 + 16
               : limits::tls_record + 2048;
}

Event Engine::State::shake_hands() {
    for (;;) {
        if (wire.plaintext()) return broken(plaintext_reason(is_client()));
        wire.allow_record(largest_record());
        const int code = mbedtls_ssl_handshake(ssl.get());
        if (code == 0) return finish_handshake();
        if (code != MBEDTLS_ERR_SSL_WANT_READ) return failed(code);
        if (wire.starved()) return NeedInput{};
        if (++quiet_records > limits::tls_handshake_records) {
            return broken(flood_reason(is_client()), MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
        }
    }
}

Event Engine::State::finish_handshake() {
    if (verifier) {
        // mbedTLS has refused everything else already; this is the door VerifiedPeer comes through,
        // so it looks again.
        const std::uint32_t result = mbedtls_ssl_get_verify_result(ssl.get());
        if (!(is_client() ? judge_server(current_time()) : verifier->satisfied(result)))
            return broken(unverified_reason(current_time()), MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        verified = is_client();
        if (const auto& shown = verifier->peer())
            peer = std::make_shared<const PeerCertificate>(*shown);
        forget_verifier();
    }
    phase = Phase::established;
    quiet_records = 0;
    may_write = true;
    // TLS 1.3 has its tickets yet to come.
    if (mbedtls_ssl_get_version_number(ssl.get()) == MBEDTLS_SSL_VERSION_TLS1_2)
        keep_session(current_time());
    wire.drop_hello();
    return Established{};
}

std::string Engine::State::unverified_reason(Time now) const {
    std::string reason = verifier->reason(mbedtls_ssl_get_verify_result(ssl.get()), now);
    if (!reason.empty()) return reason;
    return resuming && !verifier->consulted() && !may_keep()
               ? "server resumed a session without the extended master secret (RFC 7627)"
               : "certificate was not verified";
}

Event Engine::State::read() {
    for (;;) {
        wire.allow_record(largest_record());
        // Reading nothing decrypts the next record and leaves it in place: then its size is known.
        unsigned char none = 0;
        const int code = mbedtls_ssl_read(ssl.get(), &none, 0);
        if (mbedtls_ssl_get_bytes_avail(ssl.get()) != 0) return take_plaintext();
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            abandon_session();
            return end(Closed{});
        }
        if (wire.met_end() && (code == 0 || code == MBEDTLS_ERR_SSL_CONN_EOF)) {
            may_write = false;
            abandon_session();
            return end(Truncated{});
        }
        if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            keep_session(current_time());
            continue;
        }
        shorten_ticket();
        // 0 is an empty record.
        if (code != 0 && code != MBEDTLS_ERR_SSL_WANT_READ) return failed(code);
        if (wire.starved()) return NeedInput{};
        // mbedTLS would pass over it for ever; it belongs to the handshake (RFC 8446 5).
        if (wire.record_type() == MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC)
            return failed(MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
        if (++quiet_records > limits::tls_quiet_records) {
            return broken(flood_reason(is_client()), MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
        }
    }
}

Event Engine::State::take_plaintext() {
    quiet_records = 0;
    if (resuming) resuming->of_use = true;
    const std::size_t size = mbedtls_ssl_get_bytes_avail(ssl.get());
    int code = 0;
    plaintext.resize_and_overwrite(size, [&](char* to, std::size_t room) {
        code = mbedtls_ssl_read(ssl.get(), reinterpret_cast<unsigned char*>(to), room);
        return code < 0 ? std::size_t{0} : static_cast<std::size_t>(code);
    });
    if (code < 0) return failed(code);
    return Data{plaintext};
}

// A password may have been in it. Only what a line needs is kept, so that an idle engine is small.
void Engine::State::forget_plaintext() noexcept {
    explicit_bzero(plaintext.data(), plaintext.size());
    plaintext.clear();
    if (plaintext.capacity() > 512) std::string().swap(plaintext);
}

Engine::State::~State() {
    abandon_session();
    forget_plaintext();
}

// mbedTLS must not keep a pointer to it.
void Engine::State::forget_verifier() noexcept {
    mbedtls_ssl_set_verify(ssl.get(), nullptr, nullptr);
    verifier.reset();
}

// --- ends ---

Event Engine::State::end(Event event) {
    phase = Phase::ended;
    forget_verifier();
    wire.drop_input();
    return event;
}

Event Engine::State::broken(std::string reason, int alert) {
    if (alert >= 0) {
        mbedtls_ssl_send_alert_message(ssl.get(), MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       static_cast<unsigned char>(alert));
    }
    may_write = false;
    verified = false;
    give_up_session(current_time());
    return end(Broken{std::move(reason)});
}

// For these, and only these, mbedTLS has not sent an alert itself.
int Engine::State::unsent_alert(int code) const {
    if (phase == Phase::established && code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)
        return MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;
    // The latter when the length is beyond its buffer.
    if ((code == MBEDTLS_ERR_SSL_INVALID_RECORD || code == MBEDTLS_ERR_SSL_BAD_INPUT_DATA) &&
        wire.body_size() > limits::tls_record)
        return MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW;
    // RFC 5246 7.4.6.
    if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE &&
        mbedtls_ssl_get_version_number(ssl.get()) == MBEDTLS_SSL_VERSION_TLS1_2)
        return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
    return -1;
}

Event Engine::State::failed(int code) {
    std::string reason;
    if (verifier)
        reason = verifier->reason(mbedtls_ssl_get_verify_result(ssl.get()), current_time());
    if (reason.empty()) reason = failure_reason(code, failing(code));
    return broken(std::move(reason), unsent_alert(code));
}

// --- the public face ---

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

std::expected<std::unique_ptr<Engine>, Error> Engine::client(
    std::shared_ptr<const ClientContext> context, std::string_view server_name,
    std::string_view upstream) {
    assert(context);
    auto wanted = reference_name(server_name);
    if (!wanted) return std::unexpected(wanted.error());
    auto state = std::make_unique<State>();
    state->client = std::move(context);
    if (auto done = state->set_up_client(std::move(*wanted), upstream); !done)
        return std::unexpected(done.error());
    // The ClientHello is in output() from the start.
    if (Event first = state->advance(); !std::holds_alternative<NeedInput>(first))
        state->untold = std::move(first);
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

std::expected<std::unique_ptr<Engine>, Error> Engine::server(
    std::shared_ptr<const ServerContext> context) {
    assert(context);
    auto state = std::make_unique<State>();
    state->server = std::move(context);
    if (auto done = state->set_up_server(); !done) return std::unexpected(done.error());
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

void Engine::receive(std::string_view ciphertext) {
    // What follows close_notify or an error is nothing (RFC 8446 6.1).
    if (state_->phase != Phase::ended) state_->wire.receive(ciphertext);
}

void Engine::end_of_input() { state_->wire.end_of_input(); }

void Engine::transport_failed() {
    if (state_->phase == Phase::ended) return;
    if (state_->offer_in_doubt()) state_->give_up_session(current_time());
    state_->may_write = false;
    state_->verified = false;
    (void)state_->end(NeedInput{});
}

Event Engine::next() {
    state_->forget_plaintext();
    if (state_->untold) return *std::exchange(state_->untold, std::nullopt);
    return state_->advance();
}

std::size_t Engine::write(std::string_view plaintext) {
    // mbedTLS would make an empty record of nothing.
    if (!state_->may_write || plaintext.empty()) return 0;
    const int code = mbedtls_ssl_write(state_->ssl.get(),
                                       reinterpret_cast<const unsigned char*>(plaintext.data()),
                                       plaintext.size());
    if (code > 0) return static_cast<std::size_t>(code);
    state_->untold = state_->failed(code);
    return 0;
}

void Engine::close() {
    state_->abandon_session();
    if (!state_->may_write) return;
    state_->may_write = false;
    mbedtls_ssl_close_notify(state_->ssl.get());
}

std::string_view Engine::output() const noexcept { return state_->wire.output().front(); }
void Engine::sent(std::size_t n) noexcept { state_->wire.sent(n); }
ByteQueue Engine::take_output() noexcept { return state_->wire.take_output(); }
std::size_t Engine::buffered() const noexcept { return state_->wire.waiting(); }

TlsDetails Engine::details() const {
    if (state_->phase == Phase::handshake) return {};
    const mbedtls_ssl_context* ssl = state_->ssl.get();
    const char* version = mbedtls_ssl_get_version(ssl);
    const char* suite = mbedtls_ssl_get_ciphersuite(ssl);
    return {version != nullptr ? version : "", suite_name(suite), state_->peer,
            state_->resuming && state_->resuming->resumed};
}

bool Engine::offered_session() const noexcept {
    return state_->resuming && state_->resuming->offered;
}

std::optional<VerifiedPeer> Engine::verified_peer() const {
    if (!state_->verified || !state_->may_write) return std::nullopt;
    return VerifiedPeer{};
}

}  // namespace waxseal::tls
