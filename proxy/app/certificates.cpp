#include "app/certificates.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/password_file.hpp"
#include "base/log.hpp"

namespace waxseal::app {

namespace {

constexpr std::chrono::days notice(30);

CertificateNote note_of(const std::vector<tls::CertificateFacts>& chain, std::string used_by,
                        const std::string& file) {
    const auto first = std::ranges::min_element(
        chain, {}, [](const tls::CertificateFacts& one) { return one.not_after; });
    return {std::move(used_by), file, first->subject, first->not_after, chain.front().fingerprint};
}

}  // namespace

std::expected<Identity, Error> read_identity(const config::Certificate& files,
                                             std::string used_by) {
    const auto chain = read_secret(files.certificate_file, "certificate");
    if (!chain) return std::unexpected(chain.error());
    auto key = read_secret(files.key_file, "private key");
    if (!key) return std::unexpected(key.error());
    const auto facts = tls::certificate_facts(chain->reveal());
    if (!facts) return std::unexpected(Error{files.certificate_file + ": " + facts.error().text});
    if (facts->empty())
        return std::unexpected(Error{files.certificate_file + ": there is no certificate in it"});
    std::string name = files.certificate_file + " and " + files.key_file;
    return Identity{{std::string(chain->reveal()), *std::move(key), std::move(name)},
                    note_of(*facts, std::move(used_by), files.certificate_file)};
}

Expiry expiry(tls::Time not_after, tls::Time now) noexcept {
    if (not_after < now) return Expiry::past;
    return not_after - now <= notice ? Expiry::near : Expiry::far;
}

std::string expiry_line(const CertificateNote& note, tls::Time now) {
    return note.used_by + ": the certificate in " + note.file + " (" + note.subject + ") " +
           tls::expiry_text(note.not_after, now) + " (" + tls::date_text(note.not_after) +
           "); put a new one there, then reload";
}

void log_expiry(const std::vector<CertificateNote>& notes, tls::Time now) {
    for (const CertificateNote& note : notes) {
        const Expiry state = expiry(note.not_after, now);
        if (state == Expiry::far) continue;
        log::emit(state == Expiry::past ? log::Level::error : log::Level::warn,
                  "certificate_expires",
                  {{"used_by", note.used_by},
                   {"file", note.file},
                   {"subject", note.subject},
                   {"not_after", tls::date_text(note.not_after)},
                   {"text", expiry_line(note, now)}});
    }
}

tls::Time present() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace waxseal::app
