#include "auth/checks.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "tls/crypto.hpp"

namespace waxseal::auth {

namespace {

// Work whose result nobody wants.
void spend(unsigned iterations) {
    if (iterations > 0) (void)tls::pbkdf2_hmac_sha256("password", "somesalt", iterations);
}

std::string hex(std::string_view octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        text += digits[octet >> 4U];
        text += digits[octet & 0x0FU];
    }
    return text;
}

// RFC 5802 3: ClientKey = ClientProof XOR ClientSignature, and H(ClientKey) has to be StoredKey.
bool proves(const ScramKeys& keys, std::string_view auth_message, std::string client_key) {
    const std::string signature = tls::hmac_sha256(keys.stored_key, auth_message);
    assert(signature.size() == client_key.size());
    for (std::size_t i = 0; i < client_key.size(); ++i)
        client_key[i] = static_cast<char>(client_key[i] ^ signature[i]);
    return tls::equal_constant_time(tls::sha256(client_key), keys.stored_key);
}

}  // namespace

Checks::Checks(std::shared_ptr<const Users> users, const Secret& seed)
    : users_(std::move(users)), seed_(std::make_shared<const Secret>(seed.clone())) {
    for (const auto& user : users_->all()) {
        password_iterations_ = std::max(password_iterations_, user->verifier.iterations());
        // The keys of a password that is known are made for each proof.
        if (user->verifier.cleartext() != nullptr) proof_iterations_ = least_iterations;
    }
}

Work Checks::password(std::shared_ptr<const User> user, Secret password) const {
    // std::function wants what it holds to be copyable, and a Secret is not.
    auto shared = std::make_shared<const Secret>(std::move(password));
    return [user = std::move(user), shared = std::move(shared), all = password_iterations_] {
        const bool matched = user != nullptr && user->verifier.matches(shared->reveal());
        spend(all - (user == nullptr ? 0 : user->verifier.iterations()));
        return matched;
    };
}

Work Checks::digest(std::shared_ptr<const User> user, std::string challenge,
                    std::string digest) const {
    return [user = std::move(user), challenge = std::move(challenge), digest = std::move(digest)] {
        const Secret* const known = user == nullptr ? nullptr : user->verifier.cleartext();
        const std::string right =
            hex(tls::hmac_md5(known == nullptr ? "password" : known->reveal(), challenge));
        const bool matched = tls::equal_constant_time(right, digest);
        return matched && known != nullptr;
    };
}

std::string Checks::made_salt(std::string_view name, std::size_t size) const {
    std::string salt;
    for (char block = '1'; salt.size() < size; ++block)
        salt +=
            tls::hmac_sha256(seed_->reveal(), "salt" + std::string(1, block) + std::string(name));
    salt.resize(size);
    return salt;
}

ScramOffer Checks::offer(const User* user, std::string_view name) const {
    const User* model = user;
    if (model == nullptr) {
        const std::string dice = tls::hmac_sha256(seed_->reveal(), "model" + std::string(name));
        const std::size_t number =
            static_cast<unsigned char>(dice[0]) * 256U + static_cast<unsigned char>(dice[1]);
        model = users_->all()[number % users_->all().size()].get();
    }
    const HashedPassword* const hashed = model->verifier.hashed();
    if (hashed == nullptr) return {made_salt(name, default_salt), least_iterations};
    if (user == nullptr) return {made_salt(name, hashed->salt.size()), hashed->iterations};
    return {hashed->salt, hashed->iterations};
}

Work Checks::proof(std::shared_ptr<const User> user, ScramOffer offer, std::string auth_message,
                   std::string proof, std::shared_ptr<std::string> signature) const {
    return [user = std::move(user), offer = std::move(offer), message = std::move(auth_message),
            proof = std::move(proof), signature = std::move(signature), all = proof_iterations_] {
        unsigned spent = 0;
        ScramKeys keys{std::string(32, '\0'), std::string(32, '\0')};
        if (user != nullptr) {
            if (const HashedPassword* const hashed = user->verifier.hashed()) {
                keys = hashed->keys;
            } else {
                keys =
                    derive_keys(user->verifier.cleartext()->reveal(), offer.salt, offer.iterations);
                spent = offer.iterations;
            }
        }
        spend(all - spent);
        const bool matched = proves(keys, message, proof);
        if (matched && user != nullptr) *signature = tls::hmac_sha256(keys.server_key, message);
        return matched && user != nullptr;
    };
}

}  // namespace waxseal::auth
