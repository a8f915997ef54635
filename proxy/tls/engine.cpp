#include "tls/engine.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "base/limits.hpp"
#include "tls/mbedtls.hpp"
#include "tls/names.hpp"
#include "tls/reasons.hpp"
#include "tls/wire.hpp"

namespace waxseal::tls {

namespace {

enum class Role { client, server };

// handshake: nothing may be sent or received yet. established: Established has been told. ended:
// Closed, Truncated or Broken has been told, or will be by the next call of next(); mbedTLS is not
// called any more, except that after Closed our own half still sends.
enum class Phase { handshake, established, ended };

Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

Time time_of(const mbedtls_x509_time& t) {
    using namespace std::chrono;
    return sys_days(year(t.year) / t.mon / t.day) + hours(t.hour) + minutes(t.min) + seconds(t.sec);
}

std::string distinguished_name(const mbedtls_x509_name& name) {
    std::array<char, 512> text{};
    if (mbedtls_x509_dn_gets(text.data(), text.size(), &name) < 0) return "an unreadable name";
    return text.data();
}

std::string_view octets(const mbedtls_x509_buf& buffer) {
    return {reinterpret_cast<const char*>(buffer.p), buffer.len};
}

Presented presented_by(const mbedtls_x509_crt& certificate) {
    Presented presented;
    for (const auto* entry = &certificate.subject_alt_names; entry != nullptr;
         entry = entry->next) {
        if (entry->buf.p == nullptr) continue;
        const int kind = entry->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (kind == MBEDTLS_X509_SAN_DNS_NAME) presented.dns.emplace_back(octets(entry->buf));
        if (kind == MBEDTLS_X509_SAN_IP_ADDRESS)
            presented.addresses.emplace_back(octets(entry->buf));
    }
    return presented;
}

// "TLS1-3-AES-256-GCM-SHA384" and "TLS-ECDHE-RSA-WITH-…" as IANA writes them.
std::string iana_suite(std::string_view name) {
    constexpr std::string_view prefix13 = "TLS1-3-";
    std::string text = name.starts_with(prefix13)
                           ? "TLS_" + std::string(name.substr(prefix13.size()))
                           : std::string(name);
    std::ranges::replace(text, '-', '_');
    return text;
}

}  // namespace

struct Engine::State {
    // The contexts are kept alive here; exactly one is set.
    std::shared_ptr<const ClientContext> client;
    std::shared_ptr<const ServerContext> server;
    Reference wanted;
    // While the handshake runs in the client role; its memory goes afterwards.
    std::unique_ptr<Verdict> verdict;
    Wire wire;
    Ssl ssl;
    Phase phase = Phase::handshake;
    std::size_t quiet_records = 0;  // records in a row that brought nothing
    std::string plaintext;          // what the last Data shows
    std::optional<Event> untold;    // an end that was met outside of next()
    bool verified = false;          // client role: chain and name, of this connection
    bool may_write = false;

    ~State() { forget_plaintext(); }

    [[nodiscard]] bool is_client() const noexcept { return client != nullptr; }
    std::expected<void, Error> set_up(const mbedtls_ssl_config* config);
    int judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);
    static int on_certificate(void* state, mbedtls_x509_crt* certificate, int depth,
                              std::uint32_t* flags) noexcept;

    Event advance();
    Event shake_hands();
    Event finish_handshake();
    Event read();
    Event take_plaintext();
    void forget_plaintext() noexcept;
    Event end(Event event);
    Event broken(std::string reason, int alert = -1);
    Event failed(int code);
    [[nodiscard]] Failing failing(int code) const;
};

// --- set-up ---

std::expected<void, Error> Engine::State::set_up(const mbedtls_ssl_config* config) {
    int code = mbedtls_ssl_setup(ssl.get(), config);
    if (code == 0 && is_client()) {
        // The name is SNI, and a second opinion on the certificate. For an address it is NULL: no
        // SNI (RFC 6066 3), and mbedTLS's own check, which would take a DNS entry that spells the
        // address, off; ours below is on always.
        code = mbedtls_ssl_set_hostname(ssl.get(),
                                        wanted.is_address() ? nullptr : wanted.text.c_str());
        verdict = std::make_unique<Verdict>();
        mbedtls_ssl_set_verify(ssl.get(), on_certificate, this);
    }
    if (code != 0) return std::unexpected(Error{"TLS cannot start: " + error_text(code)});
    mbedtls_ssl_set_bio(ssl.get(), &wire, Wire::on_send, Wire::on_receive, nullptr);
    return {};
}

// Called by mbedTLS for each certificate of the chain, the server's own last. Adds our verdict on
// the name, so that a wrong one ends the handshake before anything is sent, and notes what is wrong
// for the reason.
int Engine::State::on_certificate(void* state, mbedtls_x509_crt* certificate, int depth,
                                  std::uint32_t* flags) noexcept {
    try {
        return static_cast<State*>(state)->judge(*certificate, depth, *flags);
    } catch (const std::bad_alloc&) {
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    }
}

int Engine::State::judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    if (!verdict) return MBEDTLS_ERR_X509_FATAL_ERROR;
    if (depth == 0) {
        verdict->presented = presented_by(certificate);
        verdict->name_matched = matches(wanted, verdict->presented);
        if (!verdict->name_matched) flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    if (flags == 0) return 0;
    CertificateProblem problem;
    problem.depth = depth;
    problem.flags = flags;
    problem.subject = distinguished_name(certificate.subject);
    problem.issuer = distinguished_name(certificate.issuer);
    problem.self_issued = octets(certificate.subject_raw) == octets(certificate.issuer_raw);
    problem.valid_from = time_of(certificate.valid_from);
    problem.valid_to = time_of(certificate.valid_to);
    verdict->problems.push_back(std::move(problem));
    return 0;
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

Event Engine::State::shake_hands() {
    for (;;) {
        if (wire.plaintext()) return broken(plaintext_reason(is_client()));
        wire.allow_record();
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
    if (is_client()) {
        // mbedTLS has refused everything else already; this is the door VerifiedPeer comes through,
        // so it looks again.
        verified = verdict && verdict->name_matched && verdict->problems.empty() &&
                   mbedtls_ssl_get_verify_result(ssl.get()) == 0;
        verdict.reset();
        if (!verified)
            return broken("certificate was not verified", MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
    }
    phase = Phase::established;
    quiet_records = 0;
    may_write = true;
    return Established{};
}

Event Engine::State::read() {
    for (;;) {
        wire.allow_record();
        // Reading nothing decrypts the next record and leaves it in place: then its size is known.
        unsigned char none = 0;
        const int code = mbedtls_ssl_read(ssl.get(), &none, 0);
        if (mbedtls_ssl_get_bytes_avail(ssl.get()) != 0) return take_plaintext();
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return end(Closed{});
        if (wire.met_end() && (code == 0 || code == MBEDTLS_ERR_SSL_CONN_EOF)) {
            may_write = false;
            return end(Truncated{});
        }
        // 0 is an empty record. Tickets do not come here: their signal is off.
        if (code != 0 && code != MBEDTLS_ERR_SSL_WANT_READ) return failed(code);
        if (wire.starved()) return NeedInput{};
        if (++quiet_records > limits::tls_quiet_records) {
            return broken(flood_reason(is_client()), MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
        }
    }
}

Event Engine::State::take_plaintext() {
    quiet_records = 0;
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

// --- ends ---

Event Engine::State::end(Event event) {
    phase = Phase::ended;
    verdict.reset();
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
    return end(Broken{std::move(reason)});
}

Event Engine::State::failed(int code) {
    std::string reason;
    if (verdict) {
        reason =
            certificate_reason(wanted, *verdict, mbedtls_ssl_get_verify_result(ssl.get()), now());
    }
    if (reason.empty()) reason = failure_reason(code, failing(code));
    // For these, and only these, mbedTLS has not sent an alert itself.
    const bool silent = phase == Phase::established && code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
    return broken(std::move(reason), silent ? MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE : -1);
}

// mbedTLS has no call that tells which alert or message it stopped at; both are still in its input
// buffer.
Failing Engine::State::failing(int code) const {
    const mbedtls_ssl_context& context = *ssl.get();
    Failing failing;
    failing.client = is_client();
    const int step = context.MBEDTLS_PRIVATE(state);
    if (phase == Phase::established) {
        failing.stage = Failing::Stage::established;
    } else if (step <= MBEDTLS_SSL_SERVER_HELLO) {
        failing.stage = Failing::Stage::before_reply;
    } else if (step == MBEDTLS_SSL_NEW_SESSION_TICKET ||
               step == MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC ||
               (step == MBEDTLS_SSL_SERVER_FINISHED && is_client() &&
                mbedtls_ssl_get_version_number(&context) == MBEDTLS_SSL_VERSION_TLS1_2)) {
        failing.stage = Failing::Stage::finishing;
    }
    const unsigned char* message = context.MBEDTLS_PRIVATE(in_msg);
    if (message == nullptr) return failing;
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) failing.alert = message[1];
    if (code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE &&
        context.MBEDTLS_PRIVATE(in_msgtype) == MBEDTLS_SSL_MSG_HANDSHAKE) {
        failing.handshake = message[0];
    }
    return failing;
}

// --- the public face ---

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

std::expected<std::unique_ptr<Engine>, Error> Engine::client(
    std::shared_ptr<const ClientContext> context, std::string_view server_name) {
    assert(context);
    auto wanted = reference_name(server_name);
    if (!wanted) return std::unexpected(wanted.error());
    auto state = std::make_unique<State>();
    const mbedtls_ssl_config* config = context->config.get();
    state->client = std::move(context);
    state->wanted = std::move(*wanted);
    if (auto done = state->set_up(config); !done) return std::unexpected(done.error());
    // The ClientHello is in output() from the start.
    if (Event first = state->advance(); !std::holds_alternative<NeedInput>(first))
        state->untold = std::move(first);
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

std::expected<std::unique_ptr<Engine>, Error> Engine::server(
    std::shared_ptr<const ServerContext> context) {
    assert(context);
    auto state = std::make_unique<State>();
    const mbedtls_ssl_config* config = context->config.get();
    state->server = std::move(context);
    if (auto done = state->set_up(config); !done) return std::unexpected(done.error());
    return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

void Engine::receive(std::string_view ciphertext) {
    // What follows close_notify or an error is nothing (RFC 8446 6.1).
    if (state_->phase != Phase::ended) state_->wire.receive(ciphertext);
}

void Engine::end_of_input() { state_->wire.end_of_input(); }

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
    if (!state_->may_write) return;
    state_->may_write = false;
    mbedtls_ssl_close_notify(state_->ssl.get());
}

std::string_view Engine::output() const noexcept { return state_->wire.output().front(); }
void Engine::sent(std::size_t n) noexcept { state_->wire.sent(n); }
std::size_t Engine::buffered() const noexcept { return state_->wire.waiting(); }

TlsDetails Engine::details() const {
    if (state_->phase == Phase::handshake) return {};
    const mbedtls_ssl_context* ssl = state_->ssl.get();
    const char* version = mbedtls_ssl_get_version(ssl);
    const char* suite = mbedtls_ssl_get_ciphersuite(ssl);
    return {version != nullptr ? version : "", suite != nullptr ? iana_suite(suite) : ""};
}

std::optional<VerifiedPeer> Engine::verified_peer() const {
    if (!state_->verified || !state_->may_write) return std::nullopt;
    return VerifiedPeer{};
}

}  // namespace waxseal::tls
