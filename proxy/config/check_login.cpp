// The rules behind it: a credential never leaves in clear, and a configuration that looks as if it
// would log in either does or does not start.
//
// An upstream has one secret: a password or a token, never both. "auto" chooses among the
// mechanisms for the one that is there; with two, a login that fails would leave open which was
// tried, and the one that is rarely used would rot unseen.
#include "config/check_login.hpp"

#include "config/check.hpp"
#include "config/overrides.hpp"

namespace waxseal::config {
namespace {

class Check : public SectionCheck<Upstream> {
  public:
    Check(Draft<Upstream>& draft, Problems& problems)
        : SectionCheck("[[upstream]]", draft, problems) {}

    void run(bool passthrough) {
        const bool own = given("username") || given("password_file") || given("token_file");
        if (value_.tls == UpstreamTls::none) {
            in_clear(passthrough);
        } else if (value_.auth == Auth::external) {
            external();
        } else if (own) {
            credential();
        } else if (names_mechanism() && !passthrough) {
            missing();
        }
        if (passthrough && value_.tls != UpstreamTls::none) others_credentials();
        if (value_.auth == Auth::automatic && !given("username") && !passthrough)
            value_.auth = Auth::none;
    }

  private:
    [[nodiscard]] bool names_mechanism() const {
        return value_.auth != Auth::automatic && value_.auth != Auth::none;
    }

    [[nodiscard]] bool takes_token() const {
        return value_.auth == Auth::xoauth2 || value_.auth == Auth::oauthbearer;
    }

    void in_clear(bool passthrough) {
        for (const std::string_view key : {"username", "password_file", "token_file"}) {
            if (!given(key)) continue;
            const bool by_token = key == "token_file" || given("token_file");
            return fail(key, std::string("with tls = \"none\" the ") +
                                 (by_token ? "token" : "password") +
                                 " would be sent in clear; remove username and " +
                                 (by_token ? "token_file" : "password_file") +
                                 ", or "
                                 "write tls = \"implicit\" or \"starttls\"");
        }
        if (names_mechanism()) {
            fail("auth",
                 "logging in without TLS would send the password in clear; write auth = \"none\", "
                 "or "
                 "tls = \"implicit\" or \"starttls\"");
        }
        if (passthrough) {
            fail("tls",
                 "a listener with auth = \"passthrough\" leads here, and with \"none\" the "
                 "passwords of its devices would be sent in clear; write \"implicit\" or "
                 "\"starttls\", or name other upstreams under that listener");
        }
    }

    // The certificate is the credential; the user name is only whom to act for (RFC 4422 A).
    void external() {
        if (!given("certificate_file")) {
            fail("auth",
                 "\"external\" logs in with a certificate; write certificate_file and key_file "
                 "beside it");
        }
        for (const std::string_view key : {"password_file", "token_file"}) {
            if (given(key)) fail(key, "auth = \"external\" does not use it; remove one of the two");
        }
    }

    void credential() {
        const bool user = given("username");
        const bool password = given("password_file");
        const bool token = given("token_file");
        if (password && token) {
            fail("token_file",
                 "an upstream has one secret, and there is a password_file too; remove one of the "
                 "two");
        } else if (token && names_mechanism() && !takes_token()) {
            fail("token_file",
                 "this auth takes a password, not a token; write password_file, or "
                 "auth = \"oauthbearer\" or \"xoauth2\"");
        } else if (password && takes_token()) {
            fail("password_file",
                 "this auth takes a token, not a password; write token_file = "
                 "\"/run/secrets/smtp-token\" instead");
        } else if (user && takes_token() && !token) {
            fail("username",
                 "there is no token for it; write token_file = \"/run/secrets/smtp-token\"");
        } else if (user && !password && !token) {
            fail("username", "there is no password file for it; give it with " +
                                 spelling(draft_.at("username"), "password_file"));
        } else if (!user) {
            const std::string_view secret = password ? "password_file" : "token_file";
            fail(secret, "there is no user name for it; give it with " +
                             spelling(draft_.at(secret), "username"));
        } else if (written("auth", "none")) {
            fail("auth",
                 "\"none\" does not log in, yet there is a username; remove one of the two");
        }
    }

    void missing() {
        fail("auth", takes_token()
                         ? "needs username and token_file; write them beside it, or auth = \"none\""
                         : "needs username and password_file; write them beside it, or auth = "
                           "\"none\"");
    }

    // A device gives a password; a token or a certificate would be somebody else's.
    void others_credentials() {
        if (!written("auth", "none") && value_.auth != Auth::external && !takes_token()) return;
        fail("auth", quote(draft_.find("auth")->value.text) +
                         " cannot log in with the credentials of a device, yet a listener with "
                         "auth = \"passthrough\" leads here; write \"auto\", or name other "
                         "upstreams under that listener");
    }
};

}  // namespace

void check_login(Draft<Upstream>& draft, bool passthrough, Problems& problems) {
    Check(draft, problems).run(passthrough);
}

}  // namespace waxseal::config
