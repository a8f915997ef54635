#include "tls/reasons.hpp"

#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.hpp"
#include "tls/mbedtls.hpp"

namespace waxseal::tls {

namespace {

constexpr std::size_t names_shown = 3;
constexpr std::size_t name_limit = 128;  // octets of a text that the peer chose

std::string date(Time time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day ymd(day);
    const std::chrono::hh_mm_ss clock(time - day);
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d UTC",
                  static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()),
                  static_cast<unsigned>(ymd.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()));
    return text.data();
}

std::string count_of(long long n, std::string_view unit) {
    return std::to_string(n) + " " + std::string(unit) + (n == 1 ? "" : "s");
}

std::string ago(std::chrono::seconds span) {
    const long long minutes = span.count() / 60;
    if (minutes < 60) return count_of(std::max(1LL, minutes), "minute") + " ago";
    if (minutes < 48LL * 60) return count_of(minutes / 60, "hour") + " ago";
    const long long days = minutes / (24 * 60);
    if (days < 730) return count_of(days, "day") + " ago";
    return count_of(days / 365, "year") + " ago";
}

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

std::string trust_problem(const CertificateProblem& problem) {
    if (problem.depth == 0 && problem.self_issued) {
        return "is self-signed; set ca_file to trust it";
    }
    return "was issued by an authority that is not trusted (issuer: " + quoted(problem.issuer) +
           ")";
}

// Each a predicate to "certificate …".
std::vector<std::string> predicates(const CertificateProblem& problem, const Reference& wanted,
                                    const Presented& presented, Time now) {
    std::vector<std::string> list;
    const auto has = [&](std::uint32_t flag) { return (problem.flags & flag) != 0; };
    if (has(MBEDTLS_X509_BADCERT_EXPIRED)) list.push_back("expired " + ago(now - problem.valid_to));
    if (has(MBEDTLS_X509_BADCERT_FUTURE)) {
        list.push_back("is not valid before " + date(problem.valid_from));
    }
    if (has(MBEDTLS_X509_BADCERT_CN_MISMATCH)) list.push_back(name_problem(wanted, presented));
    if (has(MBEDTLS_X509_BADCERT_BAD_MD))
        list.emplace_back("is signed with a weak hash (SHA-1 or MD5)");
    if (has(MBEDTLS_X509_BADCERT_BAD_KEY)) {
        list.emplace_back(
            "has a key that is too short (RSA needs 2048 bits) or on an unknown curve");
    }
    if (has(MBEDTLS_X509_BADCERT_BAD_PK)) list.emplace_back("has a key of an unknown kind");
    if (has(MBEDTLS_X509_BADCERT_KEY_USAGE)) list.emplace_back("may not sign (key usage)");
    if (has(MBEDTLS_X509_BADCERT_EXT_KEY_USAGE)) {
        list.emplace_back("is not for servers (extended key usage)");
    }
    if (has(MBEDTLS_X509_BADCERT_NOT_TRUSTED)) list.push_back(trust_problem(problem));
    return list;
}

std::string describe(const CertificateProblem& problem, const std::vector<std::string>& list) {
    std::string text = problem.depth == 0
                           ? "certificate "
                           : "certificate of the issuer (" + quoted(problem.subject) + ") ";
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
    return failing.stage == Failing::Stage::finishing &&
           (failing.alert == 40 || failing.alert == 42);
}

std::string alert_reason(const Failing& failing) {
    if (wants_client_certificate(failing)) return "the server wants a client certificate";
    const std::string_view name = alert_name(failing.alert);
    const std::string alert =
        name.empty() ? "alert " + std::to_string(failing.alert) : std::string(name);
    const std::string peer(peer_of(failing.client));
    if (failing.client && failing.stage == Failing::Stage::before_reply) {
        if (failing.alert == 70) return "server offers only TLS 1.0/1.1 (alert: protocol_version)";
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
            return failing.client ? "server offers only TLS 1.0/1.1"
                                  : "client offers neither TLS 1.2 nor TLS 1.3";
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
            return "TLS handshake failed: nothing in common with the " + peer + ": " +
                   error_text(code);
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            return "client sent no certificate";
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
        const auto list = predicates(problem, wanted, verdict.presented, now);
        if (!list.empty()) text += (text.empty() ? "" : "; ") + describe(problem, list);
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
