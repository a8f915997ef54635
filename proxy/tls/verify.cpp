#include "tls/verify.hpp"

#include <mbedtls/oid.h>

#include <algorithm>
#include <new>
#include <utility>

#include "tls/certificate.hpp"
#include "tls/x509.hpp"

namespace waxseal::tls {

namespace {

// What mbedTLS notes when there was nothing to verify.
constexpr std::uint32_t nothing_shown =
    MBEDTLS_X509_BADCERT_MISSING | MBEDTLS_X509_BADCERT_SKIP_VERIFY;
constexpr std::uint32_t not_verified = 0xFFFFFFFFU;

CertificateProblem problem_of(const mbedtls_x509_crt& certificate, int depth, std::uint32_t flags) {
    CertificateProblem problem;
    problem.depth = depth;
    problem.flags = flags;
    problem.subject = distinguished_name(certificate.subject);
    problem.issuer = distinguished_name(certificate.issuer);
    problem.self_issued = self_issued(certificate);
    problem.valid_from = time_of(certificate.valid_from);
    problem.valid_to = time_of(certificate.valid_to);
    return problem;
}

}  // namespace

Verifier::Verifier(Reference wanted, const Pins& pins) : wanted_(std::move(wanted)), pins_(&pins) {}

int Verifier::on_certificate(void* verifier, mbedtls_x509_crt* certificate, int depth,
                             std::uint32_t* flags) noexcept {
    try {
        return static_cast<Verifier*>(verifier)->judge(*certificate, depth, *flags);
    } catch (const std::bad_alloc&) {
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    }
}

bool Verifier::key_instead() const noexcept {
    return pins_ != nullptr && !pins_->hashes.empty() && pins_->mode == PinMode::instead;
}

int Verifier::judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    if (pins_ != nullptr)
        judge_server(certificate, depth, flags);
    else
        judge_client(certificate, depth, flags);
    if (flags != 0) verdict_.problems.push_back(problem_of(certificate, depth, flags));
    // The last one: with VERIFY_OPTIONAL only an error of the callback itself ends the handshake.
    const bool refuse = depth == 0 && asked_ == ClientCertificates::optional;
    return refuse && !verdict_.problems.empty() ? MBEDTLS_ERR_X509_FATAL_ERROR : 0;
}

void Verifier::judge_server(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    const bool instead = key_instead();
    consulted_ = true;
    if (!instead) {
        proof_.valid_from = std::max(proof_.valid_from, time_of(certificate.valid_from));
        proof_.valid_to = std::min(proof_.valid_to, time_of(certificate.valid_to));
    }
    // What is wrong with the chain does not count: it is not what is trusted.
    if (instead) flags = 0;
    if (!pins_->hashes.empty() && (depth == 0 || !instead)) {
        const std::string key = key_hash(certificate);
        if (std::ranges::find(pins_->hashes, key) != pins_->hashes.end()) {
            verdict_.pin_matched = true;
            proof_.pinned = key;
        }
        if (depth == 0) verdict_.key = pin_text(key);
    }
    if (depth != 0) return;
    verdict_.presented = presented_by(certificate);
    verdict_.name_matched = matches(wanted_, verdict_.presented);
    if (!verdict_.name_matched && !instead) flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (!pins_->hashes.empty() && !verdict_.pin_matched) flags |= MBEDTLS_X509_BADCERT_OTHER;
}

void Verifier::judge_client(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    if (depth != 0) return;
    // mbedTLS looks at this too, but later, when VERIFY_OPTIONAL would pass over it.
    if (mbedtls_x509_crt_check_extended_key_usage(&certificate, MBEDTLS_OID_CLIENT_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) != 0)
        flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
    CertificateFacts facts = facts_of(certificate);
    peer_ = PeerCertificate{std::move(facts.subject), std::move(facts.names),
                            std::move(facts.fingerprint)};
}

bool Verifier::satisfied(std::uint32_t result) const {
    if (!verdict_.problems.empty()) return false;
    if (pins_ == nullptr) {
        if (peer_) return result == 0;
        return asked_ == ClientCertificates::optional && (result & ~nothing_shown) == 0;
    }
    if (result != 0) return false;
    if (key_instead()) return verdict_.pin_matched;
    return verdict_.name_matched && (pins_->hashes.empty() || verdict_.pin_matched);
}

Proof Verifier::proof(Time now) const {
    Proof proof = proof_;
    proof.verified_at = now;
    return proof;
}

bool Verifier::accepts(const Proof& proof, Time now) const {
    return pins_ != nullptr && proof.holds(now) &&
           (pins_->hashes.empty()
                ? proof.pinned.empty()
                : std::ranges::find(pins_->hashes, proof.pinned) != pins_->hashes.end());
}

std::string Verifier::reason(std::uint32_t result, Time now) const {
    std::uint32_t flags = result == not_verified ? 0 : result;
    if (pins_ == nullptr) flags &= ~nothing_shown;
    // An error of the callback takes the place of the flags.
    for (const CertificateProblem& problem : verdict_.problems) flags |= problem.flags;
    return certificate_reason(wanted_, verdict_, flags, now);
}

}  // namespace waxseal::tls
