// Our own certificates: read from their files, and when they expire.
//
// A certificate that has expired is still served, as a device may not look at the date; but it is
// said, from 30 days before, in `check` and in the log, at each start and reload and once a day.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "tls/certificate.hpp"
#include "tls/engine.hpp"

namespace waxseal::app {

// One that is in use, for a person.
struct CertificateNote {
    std::string used_by;  // "listener 127.0.0.1:465", "upstream default"
    std::string file;
    std::string subject;      // of the one in the chain that expires first
    tls::Time not_after;      // the chain is good until then
    std::string fingerprint;  // of the first one in the file
};

struct Identity {
    tls::CertifiedKey key;
    CertificateNote note;
};

[[nodiscard]] std::expected<Identity, Error> read_identity(const config::Certificate& files,
                                                           std::string used_by);

enum class Expiry { far, near, past };
[[nodiscard]] Expiry expiry(tls::Time not_after, tls::Time now) noexcept;
// "listener 127.0.0.1:465: the certificate in tls.crt expires in 12 days (2026-12-07 12:00 UTC); …"
[[nodiscard]] std::string expiry_line(const CertificateNote& note, tls::Time now);
// certificate_expires, for each that needs it.
void log_expiry(const std::vector<CertificateNote>& notes, tls::Time now);

[[nodiscard]] tls::Time present();

}  // namespace waxseal::app
