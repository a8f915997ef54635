// A socket of bench_sink, in clear or as the server's end of TLS by OpenSSL: not the library of
// what is measured, quick, and with tickets as any provider has them. Never blocks.
//
// Flow: secure() before or between octets; read() and write() until they say `wait`, then again
// when epoll says so. The handshake happens inside of them.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace waxseal::bench {

struct Freed {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

// With the chain and key of two PEM files; null when they are no good.
[[nodiscard]] std::unique_ptr<SSL_CTX, Freed> server_context(const std::string& chain,
                                                             const std::string& key);

class Wire {
  public:
    enum class Result { some, wait, ended };
    // What has become of the handshake.
    enum class Tls { none, under_way, full, resumed };

    explicit Wire(int socket) : socket_(socket) {}
    ~Wire();
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    [[nodiscard]] int socket() const noexcept { return socket_; }
    void secure(SSL_CTX* context);
    // `size`: how much there was.
    [[nodiscard]] Result read(std::span<char> into, std::size_t& size);
    [[nodiscard]] Result write(std::string_view octets, std::size_t& size);
    [[nodiscard]] Tls tls() const noexcept;
    // "TLSv1.3,TLS_AES_256_GCM_SHA384"
    [[nodiscard]] std::string details() const;

  private:
    [[nodiscard]] Result judge(int done) const;

    int socket_;
    std::unique_ptr<SSL, Freed> ssl_;
};

}  // namespace waxseal::bench
