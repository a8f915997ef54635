// Users, authenticators with a known nonce, and a client's side of an exchange.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/authenticator.hpp"
#include "smtp/base64.hpp"
#include "tls/crypto.hpp"

namespace waxseal::auth::test {

inline User cleartext(std::string name, std::string_view password) {
    return {std::move(name), Verifier(Secret(password)), {}, {}, {}};
}

inline User hashed(std::string name, std::string_view password, unsigned iterations = 4096) {
    auto verifier = Verifier::parse(hash_password(Secret(password), iterations));
    REQUIRE(verifier.has_value());
    return {std::move(name), std::move(*verifier), {}, {}, {}};
}

template <typename... U>
std::shared_ptr<const Users> users(U... user) {
    std::vector<User> list;
    (list.push_back(std::move(user)), ...);
    return std::make_shared<const Users>(std::move(list));
}

inline Authenticator authenticator(Mode mode, std::shared_ptr<const Users> list = nullptr,
                                   std::string nonce = "1896.697170952") {
    return Authenticator({mode, std::move(list), "postoffice.reston.mci.net",
                          Secret("a seed of thirty-two octets, fix"),
                          [nonce = std::move(nonce)] { return nonce; }});
}

inline std::optional<Secret> said(std::string_view text) { return Secret(text); }

// The result of the messages in turn; what is to be checked is checked at once.
inline Step talk(Exchange& exchange,
                 std::initializer_list<std::optional<std::string_view>> messages) {
    Step step = Refused{};
    for (const auto& message : messages) {
        step = exchange.step(message ? said(*message) : std::nullopt);
        if (const auto* check = std::get_if<Check>(&step)) step = exchange.conclude(check->work());
    }
    return step;
}

inline Step talk(const Authenticator& by, std::string_view mechanism,
                 std::initializer_list<std::optional<std::string_view>> messages) {
    const auto exchange = by.begin(mechanism);
    REQUIRE(exchange != nullptr);
    return talk(*exchange, messages);
}

template <typename T>
bool is(const Step& step) {
    return std::holds_alternative<T>(step);
}

inline std::string challenge(const Step& step) {
    REQUIRE(is<Challenge>(step));
    return std::get<Challenge>(step).text;
}

inline std::string granted(const Step& step) {
    return is<Granted>(step) ? std::get<Granted>(step).name : std::string();
}

// The client of RFC 5802 3, by itself. `said_nonce`: an "r=" other than the server's, honestly
// signed.
struct ScramClient {
    std::string final_message;
    std::string server_signature;
};
inline ScramClient scram_client(std::string_view password, std::string_view first_bare,
                                std::string_view server_first, std::string_view gs2 = "n,,",
                                std::string_view said_nonce = {}) {
    const std::string text(server_first);
    const std::size_t salt = text.find(",s="), count = text.find(",i=");
    REQUIRE(salt != std::string::npos);
    REQUIRE(count != std::string::npos);
    const auto octets = smtp::base64_decode(text.substr(salt + 3, count - salt - 3));
    REQUIRE(octets.has_value());
    const std::string salted = tls::pbkdf2_hmac_sha256(
        password, *octets, static_cast<unsigned>(std::stoul(text.substr(count + 3))));
    const std::string client_key = tls::hmac_sha256(salted, "Client Key");
    const std::string nonce = said_nonce.empty() ? text.substr(0, salt) : std::string(said_nonce);
    const std::string without = "c=" + smtp::base64_encode(gs2) + "," + nonce;
    const std::string message = std::string(first_bare) + "," + text + "," + without;
    std::string proof = tls::hmac_sha256(tls::sha256(client_key), message);
    for (std::size_t i = 0; i < proof.size(); ++i)
        proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
    return {without + ",p=" + smtp::base64_encode(proof),
            "v=" + smtp::base64_encode(
                       tls::hmac_sha256(tls::hmac_sha256(salted, "Server Key"), message))};
}

}  // namespace waxseal::auth::test
