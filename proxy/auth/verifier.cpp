// Hash strings, and the keys of SCRAM (RFC 5802 3):
//   SaltedPassword = Hi(password, salt, i);  ClientKey = HMAC(SaltedPassword, "Client Key")
//   StoredKey = H(ClientKey);  ServerKey = HMAC(SaltedPassword, "Server Key")
#include "auth/verifier.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/number.hpp"
#include "smtp/base64.hpp"
#include "tls/crypto.hpp"

namespace waxseal::auth {

namespace {

constexpr std::size_t digest_size = 32;

std::unexpected<Error> error(std::string text) { return std::unexpected(Error{std::move(text)}); }

ScramKeys keys_of(std::string salted_password) {
    std::string client_key = tls::hmac_sha256(salted_password, "Client Key");
    ScramKeys keys{tls::sha256(client_key), tls::hmac_sha256(salted_password, "Server Key")};
    wipe(client_key);
    wipe(salted_password);
    return keys;
}

// The parts after the leading '$'.
std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find('$');
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<unsigned> number(std::string_view text) {
    return text.starts_with('0') ? std::nullopt : text::number<unsigned>(text);
}

// passlib writes '.' for '+', and no padding.
std::optional<std::string> decode_passlib(std::string_view text) {
    std::string standard(text);
    if (standard.find_first_of("+=") != std::string::npos) return std::nullopt;
    std::replace(standard.begin(), standard.end(), '.', '+');
    while (standard.size() % 4 != 0) standard += '=';
    return smtp::base64_decode(standard);
}

using Decode = std::optional<std::string> (*)(std::string_view);

std::expected<std::string, Error> digest(std::string_view text, Decode decode, const char* name) {
    auto octets = decode(text);
    if (!octets) return error(std::string("the ") + name + " is not base64");
    if (octets->size() != digest_size)
        return error(std::string("the ") + name + " is not 32 octets long");
    return *std::move(octets);
}

// What both forms have in common.
std::expected<HashedPassword, Error> parse_start(const std::vector<std::string_view>& parts,
                                                 Decode decode) {
    const auto iterations = number(parts[1]);
    if (!iterations || *iterations < least_iterations || *iterations > most_iterations)
        return error("the iterations are not a number from 4096 to 10000000");
    auto salt = decode(parts[2]);
    if (!salt) return error("the salt is not base64");
    if (salt->size() < least_salt || salt->size() > most_salt)
        return error("the salt is not 8 to 64 octets long");
    return HashedPassword{*iterations, *std::move(salt), {}};
}

std::expected<HashedPassword, Error> parse_scram(const std::vector<std::string_view>& parts) {
    auto hashed = parse_start(parts, smtp::base64_decode);
    if (!hashed) return hashed;
    auto stored_key = digest(parts[3], smtp::base64_decode, "StoredKey");
    if (!stored_key) return std::unexpected(std::move(stored_key).error());
    auto server_key = digest(parts[4], smtp::base64_decode, "ServerKey");
    if (!server_key) return std::unexpected(std::move(server_key).error());
    hashed->keys = {*std::move(stored_key), *std::move(server_key)};
    return hashed;
}

std::expected<HashedPassword, Error> parse_pbkdf2(const std::vector<std::string_view>& parts) {
    auto hashed = parse_start(parts, decode_passlib);
    if (!hashed) return hashed;
    auto key = digest(parts[3], decode_passlib, "key");
    if (!key) return std::unexpected(std::move(key).error());
    hashed->keys = keys_of(*std::move(key));
    return hashed;
}

}  // namespace

ScramKeys derive_keys(std::string_view password, std::string_view salt, unsigned iterations) {
    return keys_of(tls::pbkdf2_hmac_sha256(password, salt, iterations));
}

std::expected<Verifier, Error> Verifier::parse(std::string_view text) {
    const std::string what = "not a password hash as waxseal hash-password prints it: ";
    if (!text.starts_with('$')) return error(what + "it does not begin with $scram-sha-256$");
    const std::vector<std::string_view> parts = parts_of(text.substr(1));
    auto hashed = [&]() -> std::expected<HashedPassword, Error> {
        if (parts[0] == "scram-sha-256" && parts.size() == 5) return parse_scram(parts);
        if (parts[0] == "pbkdf2-sha256" && parts.size() == 4) return parse_pbkdf2(parts);
        if (parts[0] == "scram-sha-256" || parts[0] == "pbkdf2-sha256")
            return error("a part is missing, or one is too many");
        return error("it is neither scram-sha-256 nor pbkdf2-sha256");
    }();
    if (!hashed) return error(what + hashed.error().text);
    return Verifier(*std::move(hashed));
}

bool Verifier::matches(std::string_view password) const {
    if (const Secret* const known = cleartext()) {
        // Digests, so that not even the length is told.
        return tls::equal_constant_time(tls::sha256(known->reveal()), tls::sha256(password));
    }
    const HashedPassword& own = *hashed();
    const ScramKeys keys = derive_keys(password, own.salt, own.iterations);
    return tls::equal_constant_time(keys.stored_key, own.keys.stored_key);
}

std::string hash_password(const Secret& password, unsigned iterations) {
    const std::string salt = tls::random_bytes(default_salt);
    const ScramKeys keys = derive_keys(password.reveal(), salt, iterations);
    return "$scram-sha-256$" + std::to_string(iterations) + '$' + smtp::base64_encode(salt) + '$' +
           smtp::base64_encode(keys.stored_key) + '$' + smtp::base64_encode(keys.server_key);
}

}  // namespace waxseal::auth
