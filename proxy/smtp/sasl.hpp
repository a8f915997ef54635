// SASL, client side: what waxseal says of itself to an upstream. PLAIN (RFC 4616), LOGIN
// (draft-murchison-sasl-login), CRAM-MD5 (RFC 2195). Messages here are raw octets; the client
// machine puts them in base64.
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
    // What may be sent with the AUTH command; nothing when the server speaks first. One that was
    // not sent, because it does not fit the line, is the answer of respond() to the server's empty
    // challenge.
    [[nodiscard]] virtual std::optional<Secret> initial_response() = 0;
    // The answer to a challenge (already decoded). An Error ends the exchange with "*".
    [[nodiscard]] virtual std::expected<Secret, Error> respond(std::string_view challenge) = 0;
    // Everything this mechanism has to say was said: only now can a 235 be an honest one.
    [[nodiscard]] virtual bool finished() const noexcept = 0;
};

// The configured choice. `automatic`: the strongest that both sides have; over verified TLS that is
// CRAM-MD5 last, because PLAIN and LOGIN need no MD5 and the channel already protects them: PLAIN,
// LOGIN, CRAM-MD5.
enum class SaslChoice : std::uint8_t { automatic, none, plain, login, cram_md5 };

// HMAC-MD5 of `data` under `key`, 16 octets: given by whoever has a crypto library; this layer has
// none.
using HmacMd5 = std::string (*)(std::string_view key, std::string_view data);

struct Credentials {
    std::string username;
    Secret password;
    [[nodiscard]] Credentials clone() const { return {username, password.clone()}; }
};

// Picks a mechanism. An Error ("the server offers XOAUTH2 only; …") when none of the offered ones
// is usable: never a weaker attempt than configured.
[[nodiscard]] std::expected<std::unique_ptr<SaslClient>, Error> make_sasl_client(
    SaslChoice choice, const std::vector<std::string>& offered, const Credentials& credentials,
    HmacMd5 hmac_md5);

}  // namespace waxseal::smtp
