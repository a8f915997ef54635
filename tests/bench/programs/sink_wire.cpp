// See sink_wire.hpp.
#include "sink_wire.hpp"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace waxseal::bench {

// Two records and their frames: one read of the socket a record, or less.
static constexpr std::size_t read_buffer = 34 * 1024;

std::unique_ptr<SSL_CTX, Freed> server_context(const std::string& chain, const std::string& key) {
    std::unique_ptr<SSL_CTX, Freed> context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* const made = context.get();
    if (SSL_CTX_use_certificate_chain_file(made, chain.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, key.c_str(), SSL_FILETYPE_PEM) != 1) {
        return nullptr;
    }
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_default_read_buffer_len(made, read_buffer);
    return context;
}

Wire::~Wire() {
    // One try: who closes first is not waited for.
    if (ssl_) (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ssl_.reset();
    ::close(socket_);
}

void Wire::secure(SSL_CTX* context) {
    ssl_.reset(SSL_new(context));
    (void)SSL_set_fd(ssl_.get(), socket_);
    SSL_set_accept_state(ssl_.get());
}

Wire::Result Wire::judge(int done) const {
    const int why = SSL_get_error(ssl_.get(), done);
    ERR_clear_error();
    const bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    return waits ? Result::wait : Result::ended;
}

Wire::Result Wire::read(std::span<char> into, std::size_t& size) {
    if (ssl_) {
        const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
        return done == 1 ? Result::some : judge(done);
    }
    const ssize_t n = recv(socket_, into.data(), into.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return Result::wait;
    if (n <= 0) return Result::ended;
    size = static_cast<std::size_t>(n);
    return Result::some;
}

Wire::Result Wire::write(std::string_view octets, std::size_t& size) {
    if (ssl_) {
        const int done = SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &size);
        return done == 1 ? Result::some : judge(done);
    }
    const ssize_t n = send(socket_, octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN ? Result::wait : Result::ended;
    size = static_cast<std::size_t>(n);
    return Result::some;
}

Wire::Tls Wire::tls() const noexcept {
    if (!ssl_) return Tls::none;
    if (SSL_is_init_finished(ssl_.get()) == 0) return Tls::under_way;
    return SSL_session_reused(ssl_.get()) == 1 ? Tls::resumed : Tls::full;
}

std::string Wire::details() const {
    if (!ssl_) return "none";
    return std::string(SSL_get_version(ssl_.get())) + "," + SSL_get_cipher_name(ssl_.get());
}

}  // namespace waxseal::bench
