// Why a TLS connection failed, in words for the person who reads the log. Pure: the time is an
// argument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tls/dates.hpp"
#include "tls/names.hpp"

namespace waxseal::tls {

// What is wrong with one certificate of the chain. `flags` are mbedTLS's MBEDTLS_X509_BADCERT_*.
struct CertificateProblem {
    int depth = 0;  // 0 is the peer's own
    std::uint32_t flags = 0;
    std::string subject;
    std::string issuer;
    bool self_issued = false;
    Time valid_from;
    Time valid_to;
};

// What verification has seen; filled while it runs.
struct Verdict {
    enum class Of { server, client };
    Of of = Of::server;
    bool name_matched = false;
    bool pin_matched = false;
    std::string key;  // "sha256/…" of the peer's own, when pins were asked for
    Presented presented;
    std::vector<CertificateProblem> problems;
};

// Where the connection stood when it failed, as far as the wording depends on it.
struct Failing {
    enum class Stage { before_reply, handshake, finishing, established };
    // What a ClientHello offers beside what we took: old: only suites of legacy_tls.
    enum class Suites { any, old };
    bool client = true;
    bool own_certificate = false;  // client role: we have one to show
    Stage stage = Stage::handshake;
    int alert = -1;                   // the description octet of a fatal alert from the peer
    int handshake = -1;               // the type of the handshake message that was refused
    std::string_view only_version{};  // client role: the one version that we offer, if it is one
    bool downgraded = false;          // client role: the ServerHello announces it
    int hello_version = -1;           // server role: of the ClientHello that was refused
    Suites hello_suites = Suites::any;
};

// "certificate is for mail.example.org, not smtp.example.com". Empty when no flag is set.
[[nodiscard]] std::string certificate_reason(const Reference& wanted, const Verdict& verdict,
                                             std::uint32_t flags, Time now);
// For mbedTLS's error code `code`.
[[nodiscard]] std::string failure_reason(int code, const Failing& failing);
[[nodiscard]] std::string plaintext_reason(bool client);
[[nodiscard]] std::string flood_reason(bool client);
[[nodiscard]] std::string_view alert_name(int description);

}  // namespace waxseal::tls
