#include "tls/sni.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace waxseal::tls {

namespace {

// An exact entry counts before a wildcard, whatever the order of the certificates.
enum class Match { exact, wildcard };

bool has_name(const OwnCertificate& own, std::string_view name, Match match) {
    return std::ranges::any_of(own.names.dns, [&](const std::string& entry) {
        if (entry.starts_with("*.") != (match == Match::wildcard)) return false;
        return dns_name_matches(name, entry);
    });
}

// All with the name are given to mbedTLS, which takes the first that suits the client's algorithms:
// so RSA may stand beside ECDSA.
int choose(const ServerContext& context, mbedtls_ssl_context* ssl, std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    for (const Match match : {Match::exact, Match::wildcard}) {
        bool found = false;
        for (const auto& own : context.own) {
            if (!has_name(*own, name, match)) continue;
            const int code = mbedtls_ssl_set_hs_own_cert(ssl, own->chain.get(), own->key.get());
            if (code != 0) return code;
            found = true;
        }
        if (found) return 0;
    }
    return 0;
}

int on_server_name(void* context, mbedtls_ssl_context* ssl, const unsigned char* name,
                   std::size_t size) noexcept {
    return choose(*static_cast<const ServerContext*>(context), ssl,
                  {reinterpret_cast<const char*>(name), size});
}

bool same_names(const OwnCertificate& a, const OwnCertificate& b) {
    return !a.names.dns.empty() &&
           std::ranges::is_permutation(a.names.dns, b.names.dns, text::iequals);
}

}  // namespace

std::expected<void, Error> serve_by_name(ServerContext& context) {
    mbedtls_ssl_config* config = context.config.get();
    for (const auto& own : context.own) {
        if (own != context.own.front() && !same_names(*own, *context.own.front())) continue;
        const int code = mbedtls_ssl_conf_own_cert(config, own->chain.get(), own->key.get());
        if (code != 0) return std::unexpected(Error{"certificate: " + error_text(code)});
    }
    mbedtls_ssl_conf_sni(config, on_server_name, &context);
    return {};
}

}  // namespace waxseal::tls
