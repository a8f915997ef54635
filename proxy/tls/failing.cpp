// What mbedTLS stopped at. It has no call that tells which alert or message that was; both are
// still in its input buffer, so fields that it calls private are read here, and only here.
#include <algorithm>

#include "tls/engine_state.hpp"
#include "tls/hello.hpp"

namespace waxseal::tls {

Failing Engine::State::failing(int code) const {
    Failing failing;
    failing.client = is_client();
    failing.stage = stage();
    if (is_client()) {
        failing.own_certificate = client->own != nullptr;
        // With a session mbedTLS offers its version only.
        auto only = resuming ? resuming->offered : std::nullopt;
        if (client->min_version == client->max_version) only = client->min_version;
        if (only) failing.only_version = only == ProtocolVersion::tls12 ? "TLS 1.2" : "TLS 1.3";
    }
    look_at_message(code, failing);
    if (code == MBEDTLS_ERR_SSL_INVALID_MAC) failing.alert = wire.clear_alert();
    return failing;
}

Failing::Stage Engine::State::stage() const {
    const mbedtls_ssl_context& context = *ssl.get();
    const int step = context.MBEDTLS_PRIVATE(state);
    if (phase == Phase::established) return Failing::Stage::established;
    if (step <= MBEDTLS_SSL_SERVER_HELLO) return Failing::Stage::before_reply;
    if (step == MBEDTLS_SSL_NEW_SESSION_TICKET || step == MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC ||
        (step == MBEDTLS_SSL_SERVER_FINISHED && is_client() &&
         mbedtls_ssl_get_version_number(&context) == MBEDTLS_SSL_VERSION_TLS1_2))
        return Failing::Stage::finishing;
    return Failing::Stage::handshake;
}

void Engine::State::look_at_message(int code, Failing& failing) const {
    const mbedtls_ssl_context& context = *ssl.get();
    const unsigned char* message = context.MBEDTLS_PRIVATE(in_msg);
    if (message == nullptr) return;
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) failing.alert = message[1];
    if (context.MBEDTLS_PRIVATE(in_msgtype) != MBEDTLS_SSL_MSG_HANDSHAKE) return;
    if (code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE) failing.handshake = message[0];
    if (failing.stage != Failing::Stage::before_reply) return;
    const std::size_t size =
        std::max(context.MBEDTLS_PRIVATE(in_msglen), context.MBEDTLS_PRIVATE(in_hslen));
    const std::string_view hello(reinterpret_cast<const char*>(message), size);
    if (is_client()) {
        failing.downgraded = announces_downgrade(hello);
    } else {
        look_at_hello(hello, failing);
    }
}

void Engine::State::look_at_hello(std::string_view message, Failing& failing) const {
    const auto hello = read_hello(message);
    if (!hello) return;
    failing.hello_version = hello->version;
    if (!server->legacy && only_old_suites(hello->suites))
        failing.hello_suites = Failing::Suites::old;
}

}  // namespace waxseal::tls
