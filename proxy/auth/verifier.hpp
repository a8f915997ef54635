// What a password is checked against: the password itself, or what SCRAM (RFC 5802 3) stores of it,
// from which the password cannot be read. One stored form serves PLAIN, LOGIN and SCRAM-SHA-256.
//
// Immutable once made, so threads may share one. Passwords are compared octet by octet: no
// Unicode normalisation (RFC 4013), which changes nothing for ASCII.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace waxseal::auth {

// Of `waxseal hash-password`. A check takes about a tenth of a second of one core of 2024: OWASP's
// 600,000 would make a small board's processor the bottleneck of every login, and what is guarded
// is the right to hand in mail at one listener, behind a lock-out.
inline constexpr unsigned default_iterations = 100'000;
// RFC 7677 4: at least 4096. Above the upper bound one check is ten seconds of work.
inline constexpr unsigned least_iterations = 4096;
inline constexpr unsigned most_iterations = 10'000'000;
// RFC 8018 4.1: a salt of at least eight octets. Ours are sixteen.
inline constexpr std::size_t least_salt = 8;
inline constexpr std::size_t default_salt = 16;
inline constexpr std::size_t most_salt = 64;

// RFC 5802 3: what a server needs to check a proof and to make its own signature.
struct ScramKeys {
    std::string stored_key;
    std::string server_key;
};
// `iterations` of PBKDF2: slow on purpose.
[[nodiscard]] ScramKeys derive_keys(std::string_view password, std::string_view salt,
                                    unsigned iterations);

struct HashedPassword {
    unsigned iterations = 0;
    std::string salt;
    ScramKeys keys;
};

class Verifier {
  public:
    explicit Verifier(Secret password) : value_(std::move(password)) {}
    explicit Verifier(HashedPassword hashed) : value_(std::move(hashed)) {}
    // "$scram-sha-256$<iterations>$<salt>$<StoredKey>$<ServerKey>", the last three in base64, or
    // "$pbkdf2-sha256$<iterations>$<salt>$<key>" in passlib's base64. The error quotes nothing.
    [[nodiscard]] static std::expected<Verifier, Error> parse(std::string_view text);

    // Takes iterations() of PBKDF2 when hashed.
    [[nodiscard]] bool matches(std::string_view password) const;
    // The password, when it is known; CRAM-MD5 cannot do without.
    [[nodiscard]] const Secret* cleartext() const noexcept { return std::get_if<Secret>(&value_); }
    [[nodiscard]] const HashedPassword* hashed() const noexcept {
        return std::get_if<HashedPassword>(&value_);
    }
    // The work that matches() does.
    [[nodiscard]] unsigned iterations() const noexcept {
        return hashed() == nullptr ? 0 : hashed()->iterations;
    }

  private:
    std::variant<Secret, HashedPassword> value_;
};

// The string that Verifier::parse reads, with a random salt.
[[nodiscard]] std::string hash_password(const Secret& password,
                                        unsigned iterations = default_iterations);

}  // namespace waxseal::auth
