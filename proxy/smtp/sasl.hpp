// SASL, client side: what waxseal says of itself to an upstream. PLAIN (RFC 4616), LOGIN
// (draft-murchison-sasl-login), CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 5802, 7677), XOAUTH2
// (Google's and Microsoft's, no RFC), OAUTHBEARER (RFC 7628), EXTERNAL (RFC 4422 A). Messages here
// are raw octets; the client machine puts them in base64.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::smtp {

// One authentication exchange. Used once, then thrown away.
class SaslClient {
  public:
    virtual ~SaslClient() = default;
    [[nodiscard]] virtual std::string_view mechanism() const noexcept = 0;  // "PLAIN"
    // What may be sent with the AUTH command; nothing when the server speaks first. An exchange
    // whose initial response was not asked for gives it as the answer to the first challenge.
    [[nodiscard]] virtual std::optional<Secret> initial_response() = 0;
    // The answer to a challenge (already decoded). An Error, which is the server's fault, ends the
    // exchange with "*".
    [[nodiscard]] virtual std::expected<Secret, Error> respond(std::string_view challenge) = 0;
    // Everything this mechanism has to say was said, and the server has proved what it has to
    // prove: only now can a 235 be an honest one.
    [[nodiscard]] virtual bool finished() const noexcept = 0;
    // What the server has said against the credentials within the exchange: a printable line, or
    // nothing.
    [[nodiscard]] virtual std::string_view complaint() const noexcept { return {}; }
};

// The configured choice. `automatic` is the strongest that both sides have and for which the
// credential is there. A token before a password, since it is worth less to who steals it: XOAUTH2,
// which the big providers know best, then OAUTHBEARER. With a password SCRAM-SHA-256, which does
// not disclose it and makes the server prove that it knows it; then, over verified TLS, PLAIN and
// LOGIN before CRAM-MD5, which needs MD5 and a server that keeps the password in clear, and
// protects from nothing that TLS does not. Never EXTERNAL, which proves who waxseal is and not
// whose credentials it was given.
enum class SaslChoice : std::uint8_t {
    automatic,
    none,
    plain,
    login,
    cram_md5,
    scram_sha_256,
    xoauth2,
    oauthbearer,
    external
};

// The primitives that mechanisms need, given by whoever has a crypto library; this layer has none.
// A mechanism whose primitives are missing is not done.
struct SaslCrypto {
    // 16 octets.
    std::string (*hmac_md5)(std::string_view key, std::string_view data) = nullptr;
    // 32 octets each.
    std::string (*sha256)(std::string_view data) = nullptr;
    std::string (*hmac_sha256)(std::string_view key, std::string_view data) = nullptr;
    std::string (*pbkdf2_hmac_sha256)(std::string_view password, std::string_view salt,
                                      unsigned iterations) = nullptr;
    // As many unpredictable octets.
    std::string (*random)(std::size_t octets) = nullptr;
};

// Whether our side of this connection's handshake presented a certificate.
enum class ClientCertificate : std::uint8_t { none, presented };

// What else a mechanism goes by.
struct SaslContext {
    SaslCrypto crypto{};
    std::string_view host{};  // as it was connected to, which OAUTHBEARER repeats; empty: not said
    std::uint16_t port = 0;   // 0: not said
    ClientCertificate certificate = ClientCertificate::none;
};

struct Credentials {
    std::string username;
    Secret password{};  // empty: there is none
    Secret token{};     // an OAuth access token; empty: there is none
    [[nodiscard]] Credentials clone() const { return {username, password.clone(), token.clone()}; }
};

// Whether `text` holds a piece of the password or the token, as it is or as it was sent: many
// servers echo what they refuse.
[[nodiscard]] bool repeats(std::string_view text, const Credentials& credentials);

// Picks a mechanism. An Error ("the server offers only XOAUTH2; …") when none of the offered ones
// is usable: never a weaker attempt than configured.
[[nodiscard]] std::expected<std::unique_ptr<SaslClient>, Error> make_sasl_client(
    SaslChoice choice, const std::vector<std::string>& offered, const Credentials& credentials,
    const SaslContext& context);

}  // namespace waxseal::smtp
