#include "tls/reasons.hpp"

#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "tls/mbedtls.hpp"

namespace waxseal::tls {

namespace {

constexpr std::size_t names_shown = 3;
constexpr std::size_t name_limit = 128;  // octets of a text that the peer chose

std::string quoted(std::string_view text) { return text::escape(text, name_limit); }

std::string presented_names(const Presented& presented) {
    std::vector<std::string> names;
    for (const std::string& name : presented.dns) names.push_back(quoted(name));
    for (const std::string& octets : presented.addresses) names.push_back(address_text(octets));
    std::string list;
    for (std::size_t i = 0; i < std::min(names.size(), names_shown); ++i) {
        list += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > names_shown) {
        list += " and " + std::to_string(names.size() - names_shown) + " more";
    }
    return list;
}

std::string name_problem(const Reference& wanted, const Presented& presented) {
    const std::string names = presented_names(presented);
    if (names.empty()) {
        return "names no server in its subjectAltName (a common name does not count), so not " +
               wanted.text;
    }
    return "is for " + names + ", not " + wanted.text;
}

std::string trust_problem(const CertificateProblem& problem, Verdict::Of of) {
    if (problem.depth == 0 && problem.self_issued) {
        return of == Verdict::Of::server ? "is self-signed; set ca_file to trust it"
                                         : "is self-signed and not in client_ca_file";
    }
    return "was issued by an authority that is not trusted (issuer: " + quoted(problem.issuer) +
           ")";
}

// Each a predicate to "certificate …".
std::vector<std::string> predicates(const CertificateProblem& problem, const Reference& wanted,
                                    const Verdict& verdict, Time now) {
    std::vector<std::string> list;
    const auto has = [&](std::uint32_t flag) { return (problem.flags & flag) != 0; };
    if (has(MBEDTLS_X509_BADCERT_EXPIRED))
        list.push_back("expired " + ago_text(now - problem.valid_to));
    if (has(MBEDTLS_X509_BADCERT_FUTURE)) {
        list.push_back("is not valid before " + date_text(problem.valid_from));
    }
    if (has(MBEDTLS_X509_BADCERT_CN_MISMATCH))
        list.push_back(name_problem(wanted, verdict.presented));
    if (has(MBEDTLS_X509_BADCERT_BAD_MD))
        list.emplace_back("is signed with a weak hash (SHA-1 or MD5)");
    if (has(MBEDTLS_X509_BADCERT_BAD_KEY)) {
        list.emplace_back(
            "has a key that is too short (RSA needs 2048 bits) or on an unknown curve");
    }
    if (has(MBEDTLS_X509_BADCERT_BAD_PK)) list.emplace_back("has a key of an unknown kind");
    if (has(MBEDTLS_X509_BADCERT_KEY_USAGE)) list.emplace_back("may not sign (key usage)");
    if (has(MBEDTLS_X509_BADCERT_EXT_KEY_USAGE)) {
        list.emplace_back(verdict.of == Verdict::Of::server
                              ? "is not for servers (extended key usage)"
                              : "is not for clients (extended key usage)");
    }
    if (has(MBEDTLS_X509_BADCERT_NOT_TRUSTED)) list.push_back(trust_problem(problem, verdict.of));
    return list;
}

std::string describe(const CertificateProblem& problem, Verdict::Of of,
                     const std::vector<std::string>& list) {
    std::string text = of == Verdict::Of::server ? "certificate " : "client certificate ";
    if (problem.depth > 0)
        text = "certificate of the issuer (" + quoted(problem.subject) + ") ";
    else if (of == Verdict::Of::client && !problem.subject.empty())
        text += "(" + quoted(problem.subject) + ") ";
    for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "" : " and ") + list[i];
    return text;
}

struct AlertName {
    int description;
    std::string_view name;
};
// RFC 8446 6 and the older ones of RFC 5246 7.2.
constexpr std::array alerts = {
    AlertName{0, "close_notify"},
    AlertName{10, "unexpected_message"},
    AlertName{20, "bad_record_mac"},
    AlertName{21, "decryption_failed"},
    AlertName{22, "record_overflow"},
    AlertName{30, "decompression_failure"},
    AlertName{40, "handshake_failure"},
    AlertName{41, "no_certificate"},
    AlertName{42, "bad_certificate"},
    AlertName{43, "unsupported_certificate"},
    AlertName{44, "certificate_revoked"},
    AlertName{45, "certificate_expired"},
    AlertName{46, "certificate_unknown"},
    AlertName{47, "illegal_parameter"},
    AlertName{48, "unknown_ca"},
    AlertName{49, "access_denied"},
    AlertName{50, "decode_error"},
    AlertName{51, "decrypt_error"},
    AlertName{60, "export_restriction"},
    AlertName{70, "protocol_version"},
    AlertName{71, "insufficient_security"},
    AlertName{80, "internal_error"},
    AlertName{86, "inappropriate_fallback"},
    AlertName{90, "user_canceled"},
    AlertName{100, "no_renegotiation"},
    AlertName{109, "missing_extension"},
    AlertName{110, "unsupported_extension"},
    AlertName{111, "certificate_unobtainable"},
    AlertName{112, "unrecognized_name"},
    AlertName{113, "bad_certificate_status_response"},
    AlertName{114, "bad_certificate_hash_value"},
    AlertName{115, "unknown_psk_identity"},
    AlertName{116, "certificate_required"},
    AlertName{120, "no_application_protocol"},
};

std::string_view peer_of(bool client) { return client ? "server" : "client"; }

// After our last flight the server can only object to what we are, and TLS 1.2 has no alert of its
// own for it.
bool wants_client_certificate(const Failing& failing) {
    if (!failing.client) return false;
    if (failing.alert == 116 || failing.alert == 41) return true;
    return !failing.own_certificate && failing.stage == Failing::Stage::finishing &&
           (failing.alert == 40 || failing.alert == 42);
}

// As above, when we have shown one. In TLS 1.3 the refusal comes once we are established.
bool refuses_client_certificate(const Failing& failing) {
    if (!failing.own_certificate || failing.stage < Failing::Stage::finishing) return false;
    return failing.alert == 40 || (failing.alert >= 42 && failing.alert <= 49);
}

// "server offers only TLS 1.0/1.1", or whatever else our own limits leave.
std::string version_reason(const Failing& failing) {
    if (failing.only_version.empty()) return "server offers only TLS 1.0/1.1";
    return "server does not offer " + std::string(failing.only_version) +
           ", the only version that is allowed for it";
}

std::string hello_version_reason(int version) {
    const std::string_view name = version == 0x0300   ? "SSL 3.0"
                                  : version == 0x0301 ? "TLS 1.0"
                                  : version == 0x0302 ? "TLS 1.1"
                                                      : "";
    if (name.empty()) return "client offers neither TLS 1.2 nor TLS 1.3";
    return "this device speaks " + std::string(name) +
           " only, and TLS 1.2 is the oldest that is spoken here; update it, or let it use a "
           "listener with tls = \"none\"";
}

std::string alert_reason(const Failing& failing) {
    if (wants_client_certificate(failing)) return "the server wants a client certificate";
    const std::string_view name = alert_name(failing.alert);
    const std::string alert =
        name.empty() ? "alert " + std::to_string(failing.alert) : std::string(name);
    if (refuses_client_certificate(failing))
        return "the server refuses our client certificate (alert: " + alert + ")";
    const std::string peer(peer_of(failing.client));
    if (failing.client && failing.stage == Failing::Stage::before_reply) {
        if (failing.alert == 70) return version_reason(failing) + " (alert: protocol_version)";
        if (failing.alert == 40 || failing.alert == 71) {
            return "server has no cipher, group or kind of certificate in common with us (alert: " +
                   alert + ")";
        }
    }
    return peer + " ended the connection with a TLS alert: " + alert;
}

std::string message_reason(const Failing& failing) {
    const std::string peer(peer_of(failing.client));
    if (failing.stage == Failing::Stage::established) {
        if (failing.handshake == 24)
            return peer + " sent a TLS 1.3 KeyUpdate, which is not supported";
        if (failing.handshake == 13) return "the server wants a client certificate";
    }
    return peer + " sent an unexpected TLS message";
}

std::string handshake_code_reason(int code, const Failing& failing) {
    const std::string peer(peer_of(failing.client));
    switch (code) {
        case MBEDTLS_ERR_SSL_CONN_EOF:
            return peer + " closed the connection during the TLS handshake";
        case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
            return failing.client ? version_reason(failing)
                                  : hello_version_reason(failing.hello_version);
        case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
            return "client wants another protocol than smtp (ALPN)";
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
            if (failing.hello_suites == Failing::Suites::old) {
                return "this device offers only old cipher suites (no ECDHE with AEAD); "
                       "legacy_tls = true lets it in";
            }
            return "TLS handshake failed: nothing in common with the " + peer + ": " +
                   error_text(code);
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            return "client sent no certificate";
        case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
            if (failing.downgraded) {
                return "server was asked for an older TLS than we offered: somebody on the way "
                       "changes the handshake (downgrade)";
            }
            [[fallthrough]];
        default:
            return "TLS handshake failed: " + error_text(code);
    }
}

}  // namespace

std::string_view alert_name(int description) {
    const auto* found = std::ranges::find(alerts, description, &AlertName::description);
    return found == alerts.end() ? std::string_view{} : found->name;
}

std::string certificate_reason(const Reference& wanted, const Verdict& verdict, std::uint32_t flags,
                               Time now) {
    if (flags == 0 || flags == 0xFFFFFFFFU) return {};
    std::vector<CertificateProblem> problems = verdict.problems;
    std::ranges::sort(problems, {}, &CertificateProblem::depth);
    // Some flags mbedTLS adds after the callbacks, and they are always about the server's own
    // certificate.
    std::uint32_t told = 0;
    for (const CertificateProblem& problem : problems) told |= problem.flags;
    if ((flags & ~told) != 0) {
        if (problems.empty() || problems.front().depth != 0)
            problems.insert(problems.begin(), CertificateProblem{});
        problems.front().flags |= flags & ~told;
    }
    std::string text;
    for (const CertificateProblem& problem : problems) {
        const auto list = predicates(problem, wanted, verdict, now);
        if (!list.empty()) text += (text.empty() ? "" : "; ") + describe(problem, verdict.of, list);
    }
    // Nobody but verify.cpp sets this flag.
    if ((flags & MBEDTLS_X509_BADCERT_OTHER) != 0) {
        text += (text.empty() ? "" : "; ") +
                ("the server's public key is not the pinned one: it is " + verdict.key);
    }
    return text.empty() ? "certificate is not acceptable" : text;
}

std::string failure_reason(int code, const Failing& failing) {
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return alert_reason(failing);
    if (code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE) return message_reason(failing);
    const std::string peer(peer_of(failing.client));
    // The latter is what a length beyond any record's gives.
    if (code == MBEDTLS_ERR_SSL_INVALID_RECORD || code == MBEDTLS_ERR_SSL_BAD_INPUT_DATA)
        return peer + " sent something that is not a TLS record";
    if (code == MBEDTLS_ERR_SSL_INVALID_MAC && failing.alert >= 0) return alert_reason(failing);
    if (code == MBEDTLS_ERR_SSL_INVALID_MAC)
        return peer + " sent a TLS record that cannot be decrypted";
    if (code == MBEDTLS_ERR_SSL_ALLOC_FAILED) return "out of memory in TLS";
    if (failing.stage != Failing::Stage::established) return handshake_code_reason(code, failing);
    return "TLS failed: " + error_text(code);
}

std::string plaintext_reason(bool client) {
    return std::string(peer_of(client)) + " speaks plaintext, not TLS";
}

std::string flood_reason(bool client) {
    return std::string(peer_of(client)) + " sends many TLS records without content";
}

}  // namespace waxseal::tls
