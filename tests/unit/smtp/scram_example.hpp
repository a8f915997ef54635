// The example exchange of RFC 7677 3, and the primitives that it takes.
#pragma once

#include <string>
#include <string_view>

#include "smtp/base64.hpp"
#include "smtp/sasl.hpp"
#include "unit/support/sha256.hpp"

namespace waxseal::testing::scram {

inline constexpr std::string_view username = "user";
inline constexpr std::string_view password = "pencil";
inline constexpr std::string_view client_nonce = "rOprNGfwEbeRWgbNEkqO";
inline const std::string client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
inline const std::string nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
inline const std::string server_first = "r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
inline const std::string client_final =
    "c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
inline const std::string server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

inline smtp::Credentials credentials() { return {std::string(username), Secret(password)}; }

inline smtp::SaslCrypto crypto() {
    smtp::SaslCrypto crypto;
    crypto.sha256 = sha256;
    crypto.hmac_sha256 = hmac_sha256;
    crypto.pbkdf2_hmac_sha256 = pbkdf2_hmac_sha256;
    crypto.random = [](std::size_t) { return *smtp::base64_decode(client_nonce); };
    return crypto;
}

}  // namespace waxseal::testing::scram
