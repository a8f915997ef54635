#include "auth/authenticator.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "smtp/base64.hpp"
#include "tls/crypto.hpp"

namespace waxseal::auth {

namespace {

bool always(const Policy& policy) {
    return policy.mode != Mode::local || !policy.checks.users().all().empty();
}

bool with_users(const Policy& policy) { return policy.mode == Mode::local && always(policy); }

// Clients take the strongest they know and do not ask again: CRAM-MD5, once offered, would shut out
// a user whose password is known only as a hash.
bool all_in_cleartext(const Policy& policy) {
    const auto& users = policy.checks.users().all();
    return with_users(policy) && std::all_of(users.begin(), users.end(), [](const auto& user) {
               return user->verifier.cleartext() != nullptr;
           });
}

struct Row {
    std::string_view name;
    bool (*can_succeed)(const Policy&);
    Begin begin;
};

// In the order of the offer.
constexpr std::array rows{
    Row{"PLAIN", always, begin_plain},
    Row{"LOGIN", always, begin_login},
    Row{"SCRAM-SHA-256", with_users, begin_scram_sha_256},
    Row{"CRAM-MD5", all_in_cleartext, begin_cram_md5},
};

std::string random_nonce() { return smtp::base64_encode(tls::random_bytes(18)); }

std::shared_ptr<const Policy> policy_of(AuthenticatorOptions options) {
    if (!options.users) options.users = std::make_shared<const Users>();
    if (!options.nonce) options.nonce = random_nonce;
    return std::make_shared<const Policy>(
        Policy{options.mode, Checks(std::move(options.users), options.seed),
               std::move(options.hostname), std::move(options.nonce)});
}

}  // namespace

Authenticator::Authenticator(AuthenticatorOptions options)
    : policy_(policy_of(std::move(options))) {
    for (const Row& row : rows)
        if (row.can_succeed(*policy_)) mechanisms_.push_back(row.name);
}

std::unique_ptr<Exchange> Authenticator::begin(std::string_view mechanism) const {
    for (const Row& row : rows)
        if (text::iequals(mechanism, row.name))
            return row.can_succeed(*policy_) ? row.begin(policy_) : nullptr;
    return nullptr;
}

}  // namespace waxseal::auth
