// The keys of [[upstream]].
#include "base/text.hpp"
#include "config/mail_readers.hpp"
#include "config/sections.hpp"

namespace waxseal::config {
namespace {

constexpr std::int64_t day = 24LL * 3'600'000;

constexpr std::array upstream_tls{Word{"implicit", UpstreamTls::implicit},
                                  Word{"starttls", UpstreamTls::starttls},
                                  Word{"none", UpstreamTls::none}};
constexpr std::array upstream_auth{
    Word{"auto", Auth::automatic},    Word{"none", Auth::none},
    Word{"plain", Auth::plain},       Word{"login", Auth::login},
    Word{"cram-md5", Auth::cram_md5}, Word{"scram-sha-256", Auth::scram_sha_256},
    Word{"xoauth2", Auth::xoauth2},   Word{"oauthbearer", Auth::oauthbearer},
    Word{"external", Auth::external}};
constexpr std::array versions{Word{"1.2", TlsVersion::tls12}, Word{"1.3", TlsVersion::tls13}};

void read_name(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    bool good = !text->empty() && text->size() <= 64;
    for (const char c : *text) good = good && (text::alnum(c) || c == '-' || c == '_' || c == '.');
    if (!good)
        return given.fail(quote(*text) +
                          " is not a name; write 1 to 64 letters, digits, \"-\", \"_\" and \".\"");
    target.name = *text;
}

void read_upstream_address(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    auto address = parse_upstream_address(*text);
    if (!address) return given.fail(address.error());
    target.address = *address;
}

void read_server_name(const Given& given, Upstream& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    if (!text->empty() && !valid_server_name(*text)) {
        return given.fail(
            quote(*text) +
            " is not a host name or IP address; write the name that is in the certificate");
    }
    target.server_name = *text;
}

void read_pins(const Given& given, Upstream& target) {
    target.pin_sha256.clear();
    read_list(given, "a list of pins", [&](const Value& value, const std::string& text) {
        const auto pin = parse_pin(text);
        if (!pin) return given.fail_at(value.place, pin.error());
        target.pin_sha256.push_back(*pin);
    });
}

template <std::string Certificate::* Member>
void read_certificate(const Given& given, Upstream& target) {
    if (const std::string* text = string_of(given)) target.certificate.*Member = *text;
}

constexpr std::array rows{
    Key<Upstream>{"name", "name", R"("default")", "",
                  "What the log and a listener's upstream list call it.", read_name},
    Key<Upstream>{"address", "address", R"("smtp.example.com:465")", "required",
                  "The provider's submission server: host and port.", read_upstream_address},
    Key<Upstream>{"tls", "implicit | starttls | none", R"("implicit")",
                  "implicit on port 465, else starttls",
                  "How the connection is encrypted. There is no falling back to cleartext.",
                  read_choice<&Upstream::tls, upstream_tls>},
    Key<Upstream>{"allow_cleartext", "true | false", "false", "",
                  "Must be true for tls = \"none\"; such an upstream gets no credentials.",
                  check_flag},
    Key<Upstream>{"server_name", "host name", R"("smtp.example.com")", "the host of address",
                  "The name its certificate must be for, and that is sent as SNI.",
                  read_server_name},
    Key<Upstream>{
        "ca_file", "path", R"("ca.pem")", "the system's trust store",
        "PEM file of the authorities to trust for this upstream, instead of the system's.",
        read_text<&Upstream::ca_file>},
    Key<Upstream>{"min_tls", "1.2 | 1.3", R"("1.2")", "", "The oldest version of TLS to take.",
                  read_choice<&Upstream::min_tls, versions>},
    Key<Upstream>{"max_tls", "1.2 | 1.3", R"("1.3")", "", "The newest version of TLS to offer.",
                  read_choice<&Upstream::max_tls, versions>},
    Key<Upstream>{
        "pin_sha256", "list of SHA-256", R"(["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="])",
        "no pin",
        "Public keys of which a certificate of its chain must have one, beside a good chain and "
        "name.",
        read_pins},
    Key<Upstream>{
        "pin_only", "true | false", "false", "",
        "The pin, of its own key, instead of chain and name: for a self-signed certificate.",
        read_flag<&Upstream::pin_only>},
    Key<Upstream>{"auth",
                  "auto | none | plain | login | cram-md5 | scram-sha-256 | xoauth2 | oauthbearer "
                  "| external",
                  R"("auto")", "",
                  "How to log in; auto takes the strongest that both sides have, external never.",
                  read_choice<&Upstream::auth, upstream_auth>},
    Key<Upstream>{"username", "text", R"("scanner@example.com")", "no login",
                  "The account to send as.", read_text<&Upstream::username>},
    Key<Upstream>{"password_file", "path", R"("/run/secrets/smtp-password")", "no login",
                  "File with its password; one newline at the end is ignored.",
                  read_text<&Upstream::password_file>},
    Key<Upstream>{"token_file", "path", R"("/run/secrets/smtp-token")", "no login by token",
                  "File with an OAuth 2.0 access token, read anew for each login; instead of a "
                  "password.",
                  read_text<&Upstream::token_file>},
    Key<Upstream>{"certificate_file", "path", R"("client.crt")", "no client certificate",
                  "PEM chain of our own certificate, for an upstream that asks for one.",
                  read_certificate<&Certificate::certificate_file>},
    Key<Upstream>{"key_file", "path", R"("client.key")", "no client certificate", "PEM key of it.",
                  read_certificate<&Certificate::key_file>},
    Key<Upstream>{"sender", sender_rule_type, sender_rule_example, "the sender is kept",
                  "Puts the sender that this account may use in place of the device's.",
                  read_sender_rule<&Upstream::sender>},
    Key<Upstream>{
        "xclient", "true | false", "false", "",
        "Tells the client's address, port and HELO name to an upstream that offers XCLIENT.",
        read_flag<&Upstream::xclient>},
    Key<Upstream>{
        "max_connections", "number", "10", "",
        "Connections to it at once; further sessions wait their turn, within timeouts.queue.",
        read_count<&Upstream::max_connections, 1, 10'000>},
    Key<Upstream>{"idle_connections", "number", "2", "",
                  "Connections that each worker keeps ready; 0: each message has its own.",
                  read_count<&Upstream::idle_connections, 0, 10'000>},
    Key<Upstream>{"idle_timeout", "duration", R"("30s")", "",
                  "How long a connection is kept without being used.",
                  read_duration<&Upstream::idle_timeout, 0, day>},
    Key<Upstream>{"max_transactions_per_connection", "number", "1000", "",
                  "Messages on one connection before a new one takes its place.",
                  read_count<&Upstream::max_transactions_per_connection, 1, 1'000'000>},
};

}  // namespace

constinit const std::span<const Key<Upstream>> upstream_keys = rows;

}  // namespace waxseal::config
