// A peer on bare mbedTLS that does what our own never does: puts any octets into a record of any
// type once the handshake is over. As a server for our client, and as a client for our server.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "pair.hpp"
#include "tls/mbedtls.hpp"

// mbedTLS's own: encrypts and sends what lies in out_msg. Not in a public header.
extern "C" int mbedtls_ssl_write_record(mbedtls_ssl_context* ssl, int force_flush);

namespace waxseal::tls::test {

enum class Version { tls12, tls13 };

inline void limit(const mbedtls_ssl_config* config, Version version) {
    auto* changing = const_cast<mbedtls_ssl_config*>(config);
    const auto number =
        version == Version::tls12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3;
    mbedtls_ssl_conf_min_tls_version(changing, number);
    mbedtls_ssl_conf_max_tls_version(changing, number);
}

// A context of our own that speaks one version only.
inline std::shared_ptr<const ServerContext> serving_only(Version version,
                                                         const std::string& certificate,
                                                         std::string_view key) {
    auto context = serving(certificate, key);
    limit(context->config.get(), version);
    return context;
}

class RawPeer {
  public:
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;

    // Runs the handshake with `engine` to its end on both sides.
    void shake_hands(Engine& engine, Told& told) {
        for (int i = 0; i < 50; ++i) {
            in_ += take_output(engine);
            const int code = established_ ? 0 : mbedtls_ssl_handshake(ssl_.get());
            REQUIRE((code == 0 || code == MBEDTLS_ERR_SSL_WANT_READ));
            established_ = code == 0;
            engine.receive(take());
            drain(engine, told);
            if (established_ && told.established == 1 && engine.output().empty()) return;
        }
        FAIL("no handshake");
    }

    void send_record(int type, std::string_view octets) {
        mbedtls_ssl_context& ssl = *ssl_.get();
        ssl.MBEDTLS_PRIVATE(out_msgtype) = type;
        ssl.MBEDTLS_PRIVATE(out_msglen) = octets.size();
        std::copy(octets.begin(), octets.end(), ssl.MBEDTLS_PRIVATE(out_msg));
        REQUIRE(mbedtls_ssl_write_record(&ssl, 1) == 0);
    }
    void send_data(std::string_view octets) {
        send_record(MBEDTLS_SSL_MSG_APPLICATION_DATA, octets);
    }
    void send_alert(int level, int description) {
        const char alert[] = {static_cast<char>(level), static_cast<char>(description)};
        send_record(MBEDTLS_SSL_MSG_ALERT, {alert, 2});
    }

    // What it has sent and nobody has taken.
    std::string take() { return std::exchange(out_, {}); }
    // What the engine's octets decrypt to; an error code in `code`.
    std::string read(std::string_view octets, int& code) {
        in_ += octets;
        std::string data;
        std::array<unsigned char, 16384> buffer{};
        while ((code = mbedtls_ssl_read(ssl_.get(), buffer.data(), buffer.size())) > 0) {
            data.append(reinterpret_cast<const char*>(buffer.data()),
                        static_cast<std::size_t>(code));
        }
        return data;
    }
    // The first two octets of what it has decrypted last: of an alert, all.
    [[nodiscard]] std::string last_message() {
        return {reinterpret_cast<const char*>(ssl()->MBEDTLS_PRIVATE(in_msg)), 2};
    }
    // The handshake alone, fed by hand.
    int step(std::string_view octets) {
        in_ += octets;
        return mbedtls_ssl_handshake(ssl_.get());
    }
    [[nodiscard]] mbedtls_ssl_context* ssl() { return ssl_.get(); }

  protected:
    RawPeer(std::shared_ptr<const void> context, const mbedtls_ssl_config* config)
        : context_(std::move(context)) {
        REQUIRE(mbedtls_ssl_setup(ssl_.get(), config) == 0);
        mbedtls_ssl_set_bio(ssl_.get(), this, on_send, on_receive, nullptr);
    }
    ~RawPeer() = default;

  private:
    static int on_send(void* self, const unsigned char* octets, std::size_t size) {
        static_cast<RawPeer*>(self)->out_.append(reinterpret_cast<const char*>(octets), size);
        return static_cast<int>(size);
    }
    static int on_receive(void* self, unsigned char* octets, std::size_t size) {
        std::string& in = static_cast<RawPeer*>(self)->in_;
        if (in.empty()) return MBEDTLS_ERR_SSL_WANT_READ;
        const std::size_t n = in.copy(reinterpret_cast<char*>(octets), size);
        in.erase(0, n);
        return static_cast<int>(n);
    }

    std::shared_ptr<const void> context_;
    Ssl ssl_;
    std::string in_;
    std::string out_;
    bool established_ = false;
};

class RawServer : public RawPeer {
  public:
    explicit RawServer(const std::shared_ptr<const ServerContext>& context)
        : RawPeer(context, context->config.get()) {}
};

class RawClient : public RawPeer {
  public:
    explicit RawClient(const std::shared_ptr<const ClientContext>& context)
        : RawPeer(context, context->config.get()) {
        REQUIRE(mbedtls_ssl_set_hostname(ssl(), "mail.example.org") == 0);
    }
};

inline std::string handshake_message(int type, std::string_view body) {
    std::string message(1, static_cast<char>(type));
    message += static_cast<char>(body.size() >> 16U);
    message += static_cast<char>(body.size() >> 8U);
    message += static_cast<char>(body.size());
    return message + std::string(body);
}

// A context that offers one version only.
inline std::shared_ptr<const ClientContext> trusting_only(Version version, const std::string& pem) {
    ClientOptions options;
    options.ca_pem = pem;
    options.min_version = options.max_version =
        version == Version::tls12 ? ProtocolVersion::tls12 : ProtocolVersion::tls13;
    auto context = client_context(options);
    REQUIRE(context.has_value());
    return *context;
}

}  // namespace waxseal::tls::test
