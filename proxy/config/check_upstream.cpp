// One upstream as a whole: encryption, credentials, files. The rule behind it: a credential never
// leaves in clear, and a configuration that looks as if it would log in either does or does not
// start.
#include <map>

#include "config/checks.hpp"
#include "config/files.hpp"
#include "config/overrides.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[upstream]]";

class Check {
  public:
    Check(Draft<Upstream>& draft, const Directories& directories, Problems& problems)
        : draft_(draft), upstream_(draft.value), directories_(directories), problems_(problems) {}

    void run() {
        if (!draft_.has("address"))
            fail("address", "is missing; write address = \"smtp.example.com:465\"");
        if (!draft_.has("tls") && upstream_.address.port != 465)
            upstream_.tls = UpstreamTls::starttls;
        if (upstream_.server_name.empty()) upstream_.server_name = upstream_.address.host;
        encryption();
        credentials();
        file("password_file", upstream_.password_file);
        file("ca_file", upstream_.ca_file);
    }

  private:
    void fail(std::string_view key, const std::string& text) {
        const Place& place = draft_.at(key);
        problems_.error(place, label(place, section, key) + text);
    }

    void warn(std::string_view key, const std::string& text) {
        const Place& place = draft_.at(key);
        problems_.warn(place, label(place, section, key) + text);
    }

    // Given, be it wrong; an empty text is as good as nothing.
    [[nodiscard]] bool given(std::string_view key) const {
        const Entry* entry = draft_.find(key);
        return entry != nullptr &&
               !(entry->value.kind == Value::Kind::string && entry->value.text.empty());
    }

    [[nodiscard]] bool true_(std::string_view key) const {
        const Entry* entry = draft_.find(key);
        return entry != nullptr && entry->value.flag;
    }

    void encryption() {
        if (upstream_.tls == UpstreamTls::none) {
            if (!true_("allow_cleartext")) {
                fail("tls",
                     "\"none\" sends everything in clear, the messages included; write tls = "
                     "\"implicit\" or "
                     "\"starttls\", or allow_cleartext = true beside it if that is meant");
            }
            return;
        }
        if (true_("allow_cleartext"))
            warn("allow_cleartext", "has no effect without tls = \"none\"; remove it");
        if (upstream_.address.port == 465 && upstream_.tls == UpstreamTls::starttls) {
            warn("tls",
                 "port 465 is implicit TLS nearly everywhere, and STARTTLS to it would wait for "
                 "ever; write "
                 "tls = \"implicit\" or port 587 (smtps:// in a URL)");
        }
        if (upstream_.address.port == 587 && upstream_.tls == UpstreamTls::implicit) {
            warn("tls",
                 "port 587 is STARTTLS nearly everywhere; write tls = \"starttls\" or port 465 "
                 "(smtp:// in a URL)");
        }
    }

    void credentials() {
        const bool user = given("username");
        const bool password = given("password_file");
        const bool logs_in = upstream_.auth != Auth::automatic && upstream_.auth != Auth::none;
        if (upstream_.tls == UpstreamTls::none) {
            in_clear(user, password, logs_in);
        } else if (user && !password) {
            fail("username", "there is no password file for it; give it with " +
                                 spelling(draft_.at("username"), "password_file"));
        } else if (password && !user) {
            fail("password_file", "there is no user name for it; give it with " +
                                      spelling(draft_.at("password_file"), "username"));
        } else if (logs_in && !user) {
            fail("auth",
                 "needs username and password_file; write them beside it, or auth = \"none\"");
        } else if (user && upstream_.auth == Auth::none && none_was_written()) {
            fail("auth",
                 "\"none\" does not log in, yet there is a username; remove one of the two");
        }
        if (upstream_.auth == Auth::automatic && !user) upstream_.auth = Auth::none;
    }

    // A credential never leaves without TLS.
    void in_clear(bool user, bool password, bool logs_in) {
        if (user || password) {
            fail(user ? "username" : "password_file",
                 "with tls = \"none\" the password would be sent in clear; remove username and "
                 "password_file, or "
                 "write tls = \"implicit\" or \"starttls\"");
        } else if (logs_in) {
            fail("auth",
                 "logging in without TLS would send the password in clear; write auth = \"none\", "
                 "or "
                 "tls = \"implicit\" or \"starttls\"");
        }
    }

    // And is not what a wrong word has left behind.
    [[nodiscard]] bool none_was_written() const {
        const Entry* auth = draft_.find("auth");
        return auth != nullptr && auth->value.text == "none";
    }

    void file(std::string_view key, std::string& path) {
        if (path.empty()) return;
        const bool in_file = draft_.at(key).line > 0;
        const std::string& directory = in_file ? directories_.file : directories_.working;
        const bool relative = !path.starts_with('/');
        const bool home = path.starts_with('~');
        path = resolve(directory, path);
        const FileState state = check_file(path);
        if (state.error) {
            // The path itself stays out: where a file name is wanted people write the password.
            std::string text = "the file cannot be read: " + *state.error;
            if (home) {
                text += "; ~ is not expanded, write the whole path";
            } else if (relative) {
                text += "; it is looked for in " + directory;
            }
            return fail(key, text);
        }
        if (state.empty)
            return fail(key, key == "ca_file" ? "the file is empty; write PEM certificates into it"
                                              : "the file is empty; write the password into it");
        if (key == "password_file" && state.others_can_read) {
            warn(key, "other users of this host can read the file; chmod 600 it");
        }
    }

    Draft<Upstream>& draft_;
    Upstream& upstream_;
    const Directories& directories_;
    Problems& problems_;
};

}  // namespace

void check_upstreams(std::vector<Draft<Upstream>>& drafts, const Directories& directories,
                     Problems& problems) {
    std::map<std::string, Place> seen;
    for (Draft<Upstream>& draft : drafts) {
        Check(draft, directories, problems).run();
        const auto [first, fresh] = seen.emplace(draft.value.name, draft.at("name"));
        if (fresh) continue;
        const Place& place = draft.at("name");
        problems.error(place, label(place, section, "name") + quote(draft.value.name) +
                                  " is the name of the one in line " +
                                  std::to_string(first->second.line) +
                                  " too; write a name of its own for each");
    }
}

}  // namespace waxseal::config
