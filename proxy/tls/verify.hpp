// Private to proxy/tls: judges the certificates that a peer shows, as mbedTLS's verify callback,
// and says afterwards whether that was enough.
//
// Flow: one for each handshake that expects certificates; mbedtls_ssl_set_verify(…, on_certificate,
// this). mbedTLS calls it for each certificate of the chain, the peer's own last, with what it
// found wrong itself. After the handshake satisfied(), or after its failure reason(), with
// mbedTLS's own result. Contract: in the server role a bad certificate ends the handshake from
// within the callback even where none is required: mbedTLS would go on with VERIFY_OPTIONAL and
// only note it.
#pragma once

#include <optional>
#include <string>

#include "base/channel.hpp"
#include "tls/mbedtls.hpp"
#include "tls/reasons.hpp"

namespace waxseal::tls {

class Verifier {
  public:
    // Client role; `pins` outlives it.
    Verifier(Reference wanted, const Pins& pins);
    // Server role.
    explicit Verifier(ClientCertificates asked) : asked_(asked) {
        verdict_.of = Verdict::Of::client;
    }

    static int on_certificate(void* verifier, mbedtls_x509_crt* certificate, int depth,
                              std::uint32_t* flags) noexcept;

    // `result` is mbedtls_ssl_get_verify_result.
    [[nodiscard]] bool satisfied(std::uint32_t result) const;
    // Client role: a certificate was shown, so the handshake was a full one.
    [[nodiscard]] bool consulted() const noexcept { return consulted_; }
    // What a session of this connection may go by, once satisfied.
    [[nodiscard]] Proof proof(Time now) const;
    // Whether that is enough for another connection, with the pins as they are.
    [[nodiscard]] bool accepts(const Proof& proof, Time now) const;
    // Empty when nothing is wrong with the certificates.
    [[nodiscard]] std::string reason(std::uint32_t result, Time now) const;
    // Server role: what the client has shown, if anything.
    [[nodiscard]] const std::optional<PeerCertificate>& peer() const { return peer_; }

  private:
    int judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);
    void judge_server(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);
    void judge_client(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);
    [[nodiscard]] bool key_instead() const noexcept;

    Reference wanted_;
    const Pins* pins_ = nullptr;  // null in the server role
    ClientCertificates asked_ = ClientCertificates::none;
    Verdict verdict_;
    Proof proof_;
    bool consulted_ = false;
    std::optional<PeerCertificate> peer_;
};

}  // namespace waxseal::tls
