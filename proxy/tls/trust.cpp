// Trust anchors: a given file, or the bundle that the system keeps.
//
// A system's bundle may hold certificates that mbedTLS cannot read (Ed25519, a critical extension
// it does not know); they are left out. A file with none that can be read is an error that names
// it.
#include <sys/stat.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tls/mbedtls.hpp"

namespace waxseal::tls {

namespace {

// The largest bundle known is below 1 MiB; more is a wrong file, such as /dev/zero.
constexpr std::size_t largest_bundle = std::size_t{16} << 20;

// Debian, Ubuntu, Alpine, Arch; Fedora, RHEL 7 and later; older RHEL, OpenSUSE; FreeBSD (two
// generations); OpenBSD and others.
constexpr std::array system_bundles = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/ssl/cert.pem",
};

std::expected<std::string, Error> read_file(const std::string& path) {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) {
        return std::unexpected(Error{path + ": " + std::strerror(errno)});
    }
    if (!S_ISREG(about.st_mode)) return std::unexpected(Error{path + ": is not a file"});
    if (static_cast<std::size_t>(about.st_size) > largest_bundle) {
        return std::unexpected(Error{path + ": is too large for a file of certificates"});
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text(static_cast<std::size_t>(about.st_size), '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.is_open() || file.bad()) {
        return std::unexpected(Error{path + ": " + std::strerror(errno != 0 ? errno : EIO)});
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

}  // namespace

std::expected<void, Error> load_trust_pem(std::string_view pem, std::string_view what,
                                          mbedtls_x509_crt& trust) {
    // The NUL counted in the length is how mbedTLS tells PEM from DER.
    const std::string text(pem);
    const int code = mbedtls_x509_crt_parse(
        &trust, reinterpret_cast<const unsigned char*>(text.c_str()), text.size() + 1);
    if (trust.version != 0) return {};  // at least one was read; code then counts the others
    std::string reason = std::string(what) + ": no certificate in it can be read";
    if (text.find("-----BEGIN") == std::string::npos) {
        reason += "; it is not in PEM form";
    } else if (code < 0) {
        reason += ": " + error_text(code);
    }
    return std::unexpected(Error{std::move(reason)});
}

std::expected<void, Error> load_trust_file(const std::string& path, mbedtls_x509_crt& trust) {
    const auto text = read_file(path);
    if (!text) return std::unexpected(text.error());
    return load_trust_pem(*text, path, trust);
}

std::expected<void, Error> load_system_trust(mbedtls_x509_crt& trust) {
    const char* chosen = std::getenv("SSL_CERT_FILE");  // NOLINT(concurrency-mt-unsafe)
    if (chosen != nullptr && *chosen != '\0') {
        auto loaded = load_trust_file(chosen, trust);
        if (!loaded) return std::unexpected(Error{"SSL_CERT_FILE: " + loaded.error().text});
        return {};
    }
    for (const char* path : system_bundles) {
        struct stat about{};
        if (::stat(path, &about) == 0 && S_ISREG(about.st_mode)) {
            return load_trust_file(path, trust);
        }
    }
    return std::unexpected(
        Error{"the system has no bundle of trusted certificates; install ca-certificates or set "
              "ca_file"});
}

}  // namespace waxseal::tls
