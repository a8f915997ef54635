// The TLS of one listener. The rule behind it: a key that promises security either has its effect
// or keeps waxseal from starting.
#include "config/check.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[listen]]";

class Check : public SectionCheck<Listen> {
  public:
    Check(Draft<Listen>& draft, const Directories& directories, Problems& problems)
        : SectionCheck(section, draft, problems), directories_(directories) {}

    void run() {
        if (value_.tls == ListenTls::none && none_meant()) without_tls();
        if (value_.tls == ListenTls::implicit && true_("require_tls")) {
            fail("require_tls",
                 "with tls = \"implicit\" there is nothing but TLS; remove it, or write tls = "
                 "\"starttls\" or \"auto\"");
        }
        certificates_in_pairs();
        client_certificates();
    }

  private:
    // A wrong word is reported where it stands; what it would have meant is not known.
    [[nodiscard]] bool none_meant() const { return !draft_.has("tls") || written("tls", "none"); }

    void without_tls() {
        for (const std::string_view key : {"certificate_file", "key_file", "client_ca_file"}) {
            if (given(key)) needs_tls(key);
        }
        for (const std::string_view key : {"require_tls", "legacy_tls"}) {
            if (true_(key)) needs_tls(key);
        }
    }

    void needs_tls(std::string_view key) {
        fail(key,
             "has no effect without TLS; write tls = \"starttls\", \"implicit\" or \"auto\" beside "
             "it, or remove it");
    }

    [[nodiscard]] std::size_t paths_in(std::string_view key) const {
        if (!given(key)) return 0;
        const Value& value = draft_.find(key)->value;
        return value.kind == Value::Kind::list ? value.items.size() : 1;
    }

    void certificates_in_pairs() {
        const std::size_t chains = paths_in("certificate_file");
        const std::size_t keys = paths_in("key_file");
        if (chains > 0 && keys == 0) {
            fail("certificate_file",
                 "there is no key for it; write key_file = \"tls.key\" beside it");
        } else if (keys > 0 && chains == 0) {
            fail("key_file",
                 "there is no certificate for it; write certificate_file = \"tls.crt\" beside it");
        } else if (chains != keys) {
            fail("key_file", "there are " + std::to_string(chains) + " certificates and " +
                                 std::to_string(keys) +
                                 " keys; write one for each, in the same order");
        }
        for (std::size_t i = 0; i < value_.certificates.size(); ++i) {
            file_of("certificate_file", i, value_.certificates[i].certificate_file, certificates);
            file_of("key_file", i, value_.certificates[i].key_file, private_key);
        }
    }

    void file_of(std::string_view key, std::size_t position, std::string& path, FileRole role) {
        const Entry* entry = draft_.find(key);
        if (entry == nullptr) return;
        const bool own = position < entry->value.items.size();
        const Place& place = own ? entry->value.items[position].place : entry->value.place;
        check_file(place, label(place, section, key), role, path, directories_, problems_);
    }

    void client_certificates() {
        if (value_.client_ca_file.empty()) {
            if (draft_.has("client_certificate") && !given("client_ca_file")) {
                fail("client_certificate",
                     "needs the authorities that sign the certificates; write client_ca_file = "
                     "\"clients.pem\" beside it");
            }
            value_.client_certificate = ClientCertificate::none;
            return;
        }
        file("client_ca_file", value_.client_ca_file, certificates, directories_);
        if (!draft_.has("client_certificate"))
            value_.client_certificate = ClientCertificate::required;
        if (value_.client_certificate != ClientCertificate::required) return;
        // A session that may leave TLS out would leave the certificate out with it.
        if (draft_.has("require_tls") && !value_.require_tls && value_.tls != ListenTls::implicit &&
            value_.tls != ListenTls::none) {
            fail("require_tls",
                 "without TLS nobody shows the certificate that is required; remove it, or write "
                 "client_certificate = \"optional\"");
        }
        value_.require_tls = true;
    }

    const Directories& directories_;
};

}  // namespace

void check_listener_tls(Draft<Listen>& draft, const Directories& directories, Problems& problems) {
    Check(draft, directories, problems).run();
}

}  // namespace waxseal::config
