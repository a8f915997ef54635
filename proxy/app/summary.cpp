#include "app/summary.hpp"

#include <algorithm>
#include <string_view>

#include "app/processors.hpp"

namespace waxseal::app {

namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string tls_words(config::ListenTls tls, bool required) {
    switch (tls) {
        case config::ListenTls::none:
            return "no TLS";
        case config::ListenTls::starttls:
            return required ? "STARTTLS required" : "STARTTLS offered";
        case config::ListenTls::implicit:
            return "implicit TLS";
        case config::ListenTls::automatic:
            return required ? "implicit TLS or STARTTLS, required"
                            : "implicit TLS, STARTTLS or cleartext";
    }
    return {};
}

std::string self_signed_words(const Snapshot& snapshot) {
    if (!snapshot.self_signed) return {};
    const std::string& file = snapshot.self_signed->files.certificate_file;
    const auto note =
        std::ranges::find(snapshot.certificates, file, [](const auto& one) { return one.file; });
    if (note == snapshot.certificates.end())
        return " with a self-signed certificate, which the first start makes: " + file;
    return " with the self-signed certificate " + file + ", SHA-256 " + note->fingerprint;
}

std::string certificate_words(const Snapshot& snapshot, const config::Listen& listen) {
    if (wants_self_signed(listen)) return self_signed_words(snapshot);
    std::vector<std::string> files;
    for (const config::Certificate& one : listen.certificates)
        files.push_back(one.certificate_file);
    return files.empty() ? "" : " with " + joined(files);
}

std::string_view client_certificate_words(config::ClientCertificate wanted) {
    switch (wanted) {
        case config::ClientCertificate::none:
            break;
        case config::ClientCertificate::optional:
            return ", client certificates verified";
        case config::ClientCertificate::required:
            return ", client certificates required";
    }
    return {};
}

std::string_view login_words(config::ListenAuth auth) {
    switch (auth) {
        case config::ListenAuth::none:
            return "no login";
        case config::ListenAuth::any:
            return "any login accepted";
        case config::ListenAuth::local:
            return "login of a [[user]] required";
        case config::ListenAuth::passthrough:
            return "login checked by the upstream";
    }
    return {};
}

std::string listener_line(const Snapshot& snapshot, const config::Listen& listen) {
    return "listener " + config::to_string(listen.address) + ": " +
           tls_words(listen.tls, listen.require_tls) + certificate_words(snapshot, listen) +
           std::string(client_certificate_words(listen.client_certificate)) + ", " +
           std::string(login_words(listen.auth)) +
           (listen.proxy_protocol.empty() ? "" : ", PROXY headers") + ", to " +
           joined(listen.upstream);
}

std::string verified_words(const config::Upstream& upstream) {
    if (upstream.pin_only) return ", verified by its public key alone";
    return ", verified as " + upstream.server_name +
           (upstream.ca_file.empty() ? "" : " with " + upstream.ca_file) +
           (upstream.pin_sha256.empty() ? "" : " and its public key");
}

std::string account_words(const config::Upstream& upstream) {
    if (upstream.auth == config::Auth::external)
        return ", login with " + upstream.certificate.certificate_file;
    if (upstream.username.empty()) return ", no login of its own";
    return ", login as " + upstream.username + " with a " +
           (upstream.token_file.empty() ? "password" : "token");
}

std::string upstream_line(const config::Upstream& upstream) {
    const std::string line =
        "upstream " + upstream.name + ": " + config::to_string(upstream.address) + ", ";
    if (upstream.tls == config::UpstreamTls::none) return line + "no TLS, no login";
    return line +
           (upstream.tls == config::UpstreamTls::implicit ? "implicit TLS" : "STARTTLS required") +
           verified_words(upstream) + account_words(upstream);
}

}  // namespace

std::vector<std::string> summary(const Snapshot& snapshot) {
    std::vector<std::string> lines;
    for (const config::Listen& listen : snapshot.config.listen)
        lines.push_back(listener_line(snapshot, listen));
    for (const config::Upstream& upstream : snapshot.config.upstream)
        lines.push_back(upstream_line(upstream));
    lines.push_back("workers: " + std::to_string(worker_count(snapshot.config.workers)) +
                    (snapshot.config.workers == 0 ? ", one a processor" : ""));
    return lines;
}

}  // namespace waxseal::app
