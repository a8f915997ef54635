// The wording of failures: the reader of a log has nothing else.
#include "tls/reasons.hpp"

#include <doctest/doctest.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>

using namespace waxseal::tls;
using namespace std::chrono_literals;

namespace {

constexpr Time now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 12h;

std::string reason(const CertificateProblem& problem, std::uint32_t later_flags = 0) {
    Verdict verdict;
    verdict.presented.dns = {"mail.example.org"};
    verdict.problems = {problem};
    return certificate_reason(Reference{"smtp.example.com", {}}, verdict,
                              problem.flags | later_flags, now);
}

std::string expired(std::chrono::seconds ago) {
    CertificateProblem problem;
    problem.flags = MBEDTLS_X509_BADCERT_EXPIRED;
    problem.valid_to = now - ago;
    return reason(problem);
}

}  // namespace

TEST_CASE("how long ago a certificate expired") {
    CHECK(expired(5s) == "certificate expired 1 minute ago");
    CHECK(expired(59min) == "certificate expired 59 minutes ago");
    CHECK(expired(60min) == "certificate expired 1 hour ago");
    CHECK(expired(47h) == "certificate expired 47 hours ago");
    CHECK(expired(48h) == "certificate expired 2 days ago");
    CHECK(expired(24h * 3) == "certificate expired 3 days ago");
    CHECK(expired(24h * 800) == "certificate expired 2 years ago");
    // Our clock may be ahead of the one that judged.
    CHECK(expired(-5s) == "certificate expired 1 minute ago");
}

TEST_CASE("each flag has its words") {
    CertificateProblem problem;
    problem.flags = MBEDTLS_X509_BADCERT_FUTURE;
    problem.valid_from = now + 24h;
    CHECK(reason(problem) == "certificate is not valid before 2026-11-25 12:00 UTC");
    problem.flags = MBEDTLS_X509_BADCERT_CN_MISMATCH;
    CHECK(reason(problem) == "certificate is for mail.example.org, not smtp.example.com");
    problem.flags = MBEDTLS_X509_BADCERT_BAD_MD;
    CHECK(reason(problem) == "certificate is signed with a weak hash (SHA-1 or MD5)");
    problem.flags = MBEDTLS_X509_BADCERT_BAD_PK;
    CHECK(reason(problem) == "certificate has a key of an unknown kind");
    problem.flags = MBEDTLS_X509_BADCERT_KEY_USAGE;
    CHECK(reason(problem) == "certificate may not sign (key usage)");
    problem.flags = MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    problem.issuer = "CN=Evil\nCA";
    CHECK(reason(problem) ==
          "certificate was issued by an authority that is not trusted (issuer: CN=Evil\\x0aCA)");
    problem.self_issued = true;
    CHECK(reason(problem) == "certificate is self-signed; set ca_file to trust it");
    problem.depth = 1;
    problem.subject = "CN=Root";
    CHECK(reason(problem).starts_with(
        "certificate of the issuer (CN=Root) was issued by an authority"));
}

TEST_CASE("a flag that came after the callbacks, or that nobody knows, is a reason too") {
    const Reference wanted{"smtp.example.com", {}};
    CHECK(certificate_reason(wanted, {}, MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, now) ==
          "certificate is not for servers (extended key usage)");
    CHECK(certificate_reason(wanted, {}, 0x40000000U, now) == "certificate is not acceptable");
    CHECK(certificate_reason(wanted, {}, 0, now).empty());
    // mbedTLS's "not verified at all": the error code then has the reason.
    CHECK(certificate_reason(wanted, {}, 0xFFFFFFFFU, now).empty());
    CertificateProblem root;
    root.depth = 1;
    root.subject = "CN=Root";
    root.flags = MBEDTLS_X509_BADCERT_EXPIRED;
    root.valid_to = now - 72h;
    CHECK(reason(root, MBEDTLS_X509_BADCERT_EXT_KEY_USAGE) ==
          "certificate is not for servers (extended key usage); certificate of the issuer "
          "(CN=Root) expired 3 days "
          "ago");
}

TEST_CASE("a flood of names in a certificate does not flood the log") {
    Verdict verdict;
    for (int i = 0; i < 1000; ++i) verdict.presented.dns.push_back(std::string(1000, 'x'));
    CertificateProblem problem;
    problem.flags = MBEDTLS_X509_BADCERT_CN_MISMATCH;
    verdict.problems = {problem};
    const std::string text =
        certificate_reason(Reference{"a.example", {}}, verdict, problem.flags, now);
    CHECK(text.size() < 600);
    CHECK(text.ends_with(" and 997 more, not a.example"));
}

TEST_CASE("error codes by where they happen") {
    Failing client;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_CONN_EOF, client) ==
          "server closed the connection during the TLS handshake");
    CHECK(failure_reason(MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, client) ==
          "server offers only TLS 1.0/1.1");
    CHECK(failure_reason(MBEDTLS_ERR_SSL_INVALID_MAC, client) ==
          "server sent a TLS record that cannot be decrypted");
    CHECK(failure_reason(MBEDTLS_ERR_SSL_ALLOC_FAILED, client) == "out of memory in TLS");
    CHECK(
        failure_reason(MBEDTLS_ERR_SSL_DECODE_ERROR, client).starts_with("TLS handshake failed: "));
    CHECK(failure_reason(MBEDTLS_ERR_SSL_DECODE_ERROR, client).find("(-0x7300)") !=
          std::string::npos);

    client.alert = 40;
    client.stage = Failing::Stage::finishing;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "the server wants a client certificate");
    client.stage = Failing::Stage::handshake;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "server ended the connection with a TLS alert: handshake_failure");
    client.stage = Failing::Stage::established;
    client.handshake = 13;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, client) ==
          "the server wants a client certificate");
    client.handshake = 24;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, client) ==
          "server sent a TLS 1.3 KeyUpdate, which is not supported");
    client.handshake = 1;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, client) ==
          "server sent an unexpected TLS message");

    Failing server;
    server.client = false;
    server.alert = 48;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, server) ==
          "client ended the connection with a TLS alert: unknown_ca");
    CHECK(failure_reason(MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, server) ==
          "client offers neither TLS 1.2 nor TLS 1.3");
    CHECK(alert_name(116) == "certificate_required");
    CHECK(alert_name(255).empty());
}

TEST_CASE("our own limits and our own certificate change the reason") {
    Failing client;
    client.stage = Failing::Stage::before_reply;
    client.only_version = "TLS 1.3";
    client.alert = 70;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "server does not offer TLS 1.3, the only version that is allowed for it (alert: "
          "protocol_version)");
    client.own_certificate = true;
    client.stage = Failing::Stage::established;
    client.alert = 48;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "the server refuses our client certificate (alert: unknown_ca)");
    client.alert = 116;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "the server wants a client certificate");
    client.alert = 80;
    CHECK(failure_reason(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, client) ==
          "server ended the connection with a TLS alert: internal_error");
}
