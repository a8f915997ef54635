// One upstream as a whole: encryption and files; its login is in check_login.cpp.
#include "config/check.hpp"
#include "config/check_login.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[upstream]]";

class Check : public SectionCheck<Upstream> {
  public:
    Check(Draft<Upstream>& draft, const Directories& directories, Problems& problems)
        : SectionCheck(section, draft, problems), directories_(directories) {}

    void run(bool passthrough) {
        if (!draft_.has("address"))
            fail("address", "is missing; write address = \"smtp.example.com:465\"");
        if (!draft_.has("tls") && value_.address.port != 465) value_.tls = UpstreamTls::starttls;
        if (value_.server_name.empty()) value_.server_name = value_.address.host;
        if (value_.tls == UpstreamTls::none) {
            without_tls();
        } else {
            with_tls();
        }
        check_login(draft_, passthrough, problems_);
        certificate();
        file("password_file", value_.password_file, password, directories_);
        file("token_file", value_.token_file, token, directories_);
        file("ca_file", value_.ca_file, certificates, directories_);
    }

  private:
    void without_tls() {
        if (!true_("allow_cleartext")) {
            fail("tls",
                 "\"none\" sends everything in clear, the messages included; write tls = "
                 "\"implicit\" or "
                 "\"starttls\", or allow_cleartext = true beside it if that is meant");
        }
        for (const std::string_view key : {"min_tls", "max_tls", "pin_sha256", "pin_only"}) {
            if (!given(key) || (key == "pin_only" && !true_(key))) continue;
            fail(key,
                 "has no effect without TLS; remove it, or write tls = \"implicit\" or "
                 "\"starttls\"");
        }
    }

    void with_tls() {
        if (true_("allow_cleartext"))
            warn("allow_cleartext", "has no effect without tls = \"none\"; remove it");
        if (value_.address.port == 465 && value_.tls == UpstreamTls::starttls) {
            warn("tls",
                 "port 465 is implicit TLS nearly everywhere, and STARTTLS to it would wait for "
                 "ever; write "
                 "tls = \"implicit\" or port 587 (smtps:// in a URL)");
        }
        if (value_.address.port == 587 && value_.tls == UpstreamTls::implicit) {
            warn("tls",
                 "port 587 is STARTTLS nearly everywhere; write tls = \"starttls\" or port 465 "
                 "(smtp:// in a URL)");
        }
        if (value_.min_tls > value_.max_tls) {
            fail(draft_.has("min_tls") ? "min_tls" : "max_tls",
                 "no version is left from min_tls to max_tls; write min_tls = \"1.2\" or max_tls = "
                 "\"1.3\"");
        }
        pins();
    }

    void pins() {
        if (!value_.pin_only) return;
        if (!given("pin_sha256")) {
            fail("pin_only",
                 "without a pin nothing would be verified; write pin_sha256 beside it, or remove "
                 "it");
        }
        if (given("ca_file"))
            warn("ca_file", "has no effect with pin_only = true; remove one of the two");
    }

    void certificate() {
        const bool chain = given("certificate_file");
        const bool key = given("key_file");
        if (value_.tls == UpstreamTls::none && (chain || key)) {
            fail(chain ? "certificate_file" : "key_file",
                 "a certificate is shown only in a TLS handshake; remove it, or write tls = "
                 "\"implicit\" or \"starttls\"");
        } else if (chain && !key) {
            fail("certificate_file",
                 "there is no key for it; write key_file = \"client.key\" beside it");
        } else if (key && !chain) {
            fail("key_file",
                 "there is no certificate for it; write certificate_file = \"client.crt\" beside "
                 "it");
        }
        file("certificate_file", value_.certificate.certificate_file, certificates, directories_);
        file("key_file", value_.certificate.key_file, private_key, directories_);
    }

    const Directories& directories_;
};

}  // namespace

void check_upstreams(Drafts& drafts, const Directories& directories, Problems& problems) {
    const std::set<std::string> passthrough = passed_through(drafts);
    for (Draft<Upstream>& draft : drafts.upstream)
        Check(draft, directories, problems).run(passthrough.contains(draft.value.name));
    check_unique(drafts.upstream, section, problems);
}

}  // namespace waxseal::config
