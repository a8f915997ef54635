// SASL SCRAM-SHA-256, client side (RFC 5802, 7677): the password is never sent, and the server has
// to prove that it knows it.
//
// No channel binding (gs2 header "n,,"): its types for TLS 1.3 are what few servers have. Of
// SASLprep only what cannot change a password: characters are taken as they are, and what is not
// printable UTF-8 is not done with this mechanism at all (sasl.cpp). In SMTP the server's final
// message comes as a challenge, answered with an empty line (RFC 4954 4); until its signature was
// verified there is no 235 to believe.
#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/number.hpp"
#include "smtp/base64.hpp"
#include "smtp/sasl_mechanisms.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::string_view gs2_header = "n,,";
constexpr std::string_view channel_binding = "c=biws";  // the base64 of the header
constexpr std::size_t digest = 32;
constexpr std::size_t nonce_octets = 15;  // 120 bits; a multiple of three, so no "=" in its base64

std::unexpected<Error> error(std::string text) { return std::unexpected(Error{std::move(text)}); }

// Takes the next attribute off: nothing unless it is `name`. Attributes stand in a fixed order (RFC
// 5802 5.1), so "m=", an extension that we would have to know, is never the one that is due.
std::optional<std::string_view> take(std::string_view& message, std::string_view name) {
    const std::string_view attribute = message.substr(0, message.find(','));
    if (!attribute.starts_with(name)) return std::nullopt;
    message.remove_prefix(std::min(attribute.size() + 1, message.size()));
    return attribute.substr(name.size());
}

// RFC 5802 7 "printable": what a nonce is made of.
bool printable_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

struct ServerFirst {
    std::string_view nonce;
    std::string salt;
    unsigned iterations = 0;
};

std::expected<ServerFirst, Error> read_server_first(std::string_view message,
                                                    std::string_view own_nonce) {
    const auto nonce = take(message, "r=");
    const auto salt = nonce ? take(message, "s=") : std::nullopt;
    const auto count = salt ? take(message, "i=") : std::nullopt;
    if (!count) return error("the server's SCRAM challenge is malformed");
    if (own_nonce.empty() || !nonce->starts_with(own_nonce) || nonce->size() == own_nonce.size() ||
        nonce->size() > limits::scram_nonce || !printable_ascii(*nonce))
        return error("the server's SCRAM nonce does not extend ours");
    ServerFirst first{*nonce, base64_decode(*salt).value_or(std::string()), 0};
    if (first.salt.empty()) return error("the server's SCRAM salt is malformed");
    first.iterations = text::number<unsigned>(*count).value_or(0);
    if (first.iterations < limits::scram_iterations_least ||
        first.iterations > limits::scram_iterations_most)
        return error("the server's SCRAM iteration count is not between " +
                     std::to_string(limits::scram_iterations_least) + " and " +
                     std::to_string(limits::scram_iterations_most));
    return first;
}

// In a time that does not depend on where they differ.
bool equal(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    int difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
    return difference == 0;
}

class ScramSha256 final : public SaslClient {
  public:
    ScramSha256(const Credentials& credentials, const SaslCrypto& crypto)
        : crypto_(crypto),
          password_(credentials.password.clone()),
          nonce_(base64_encode(crypto.random(nonce_octets))),
          first_bare_("n=" + sasl_name(credentials.username) + ",r=" + nonce_) {}
    std::string_view mechanism() const noexcept override { return "SCRAM-SHA-256"; }
    std::optional<Secret> initial_response() override {
        due_ = Due::server_first;
        return Secret(std::string(gs2_header) + first_bare_);
    }
    std::expected<Secret, Error> respond(std::string_view challenge) override {
        switch (std::exchange(due_, Due::nothing)) {
            case Due::client_first:  // whatever it says
                return *initial_response();
            case Due::server_first:
                return prove(challenge);
            case Due::server_final:
                return verify(challenge);
            case Due::outcome:
            case Due::nothing:
                break;
        }
        return error("the server asks again after SCRAM-SHA-256 has come to its end");
    }
    bool finished() const noexcept override { return due_ == Due::outcome; }
    std::string_view complaint() const noexcept override { return complaint_; }

  private:
    enum class Due { client_first, server_first, server_final, outcome, nothing };

    std::expected<Secret, Error> prove(std::string_view challenge);
    std::expected<Secret, Error> verify(std::string_view challenge);
    std::optional<std::string> sign(std::string& salted_password, std::string_view message);
    bool complained(std::string_view challenge);

    SaslCrypto crypto_;
    Secret password_;
    std::string nonce_;
    std::string first_bare_;
    std::string server_signature_;  // what it has to be
    std::string complaint_;
    Due due_ = Due::client_first;  // nothing: it has failed
};

std::expected<Secret, Error> ScramSha256::prove(std::string_view challenge) {
    if (complained(challenge)) return Secret();
    const auto first = read_server_first(challenge, nonce_);
    if (!first) return std::unexpected(first.error());
    std::string answer = std::string(channel_binding) + ",r=" + std::string(first->nonce);
    const std::string message = first_bare_ + ',' + std::string(challenge) + ',' + answer;
    std::string salted =
        crypto_.pbkdf2_hmac_sha256(password_.reveal(), first->salt, first->iterations);
    password_.wipe();
    const auto proof = sign(salted, message);
    if (!proof) return error("the SCRAM proof could not be computed");
    due_ = Due::server_final;
    return Secret(answer + ",p=" + base64_encode(*proof));
}

// RFC 5802 3. Gives the client's proof, keeps the server's signature.
std::optional<std::string> ScramSha256::sign(std::string& salted_password,
                                             std::string_view message) {
    std::string client_key = crypto_.hmac_sha256(salted_password, "Client Key");
    std::string server_key = crypto_.hmac_sha256(salted_password, "Server Key");
    std::string stored_key = crypto_.sha256(client_key);
    std::string proof = crypto_.hmac_sha256(stored_key, message);
    server_signature_ = crypto_.hmac_sha256(server_key, message);
    // A library that fails gives nothing; nothing must not verify.
    const bool computed = salted_password.size() == digest && client_key.size() == digest &&
                          server_key.size() == digest && stored_key.size() == digest &&
                          proof.size() == digest && server_signature_.size() == digest;
    for (std::size_t i = 0; computed && i < digest; ++i)
        proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
    for (std::string* secret : {&salted_password, &client_key, &server_key, &stored_key})
        wipe(*secret);
    if (!computed) return std::nullopt;
    return proof;
}

std::expected<Secret, Error> ScramSha256::verify(std::string_view challenge) {
    if (complained(challenge)) return Secret();
    const auto verifier = take(challenge, "v=");
    if (!verifier) return error("the server's last SCRAM message is malformed");
    const auto signature = base64_decode(*verifier);
    if (!signature || !equal(*signature, server_signature_))
        return error("the server's SCRAM signature is wrong: it does not know the password");
    due_ = Due::outcome;
    return Secret();
}

// "e=": the server refuses, and says why. An empty answer lets it say so with a reply.
bool ScramSha256::complained(std::string_view challenge) {
    const auto reason = take(challenge, "e=");
    if (reason) complaint_ = sasl_complaint(*reason);
    return reason.has_value();
}

}  // namespace

std::unique_ptr<SaslClient> make_scram_sha_256(const Credentials& credentials,
                                               const SaslContext& context) {
    return std::make_unique<ScramSha256>(credentials, context.crypto);
}

}  // namespace waxseal::smtp
