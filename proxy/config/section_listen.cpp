// The keys of [[listen]].
#include "config/readers.hpp"
#include "config/sections.hpp"

namespace waxseal::config {
namespace {

constexpr std::array listen_tls{
    Word{"none", ListenTls::none}, Word{"starttls", ListenTls::starttls},
    Word{"implicit", ListenTls::implicit}, Word{"auto", ListenTls::automatic}};
constexpr std::array listen_auth{Word{"none", ListenAuth::none}, Word{"any", ListenAuth::any},
                                 Word{"local", ListenAuth::local},
                                 Word{"passthrough", ListenAuth::passthrough}};
constexpr std::array client_certificate{Word{"required", ClientCertificate::required},
                                        Word{"optional", ClientCertificate::optional}};
constexpr std::array line_endings{Word{"repair", LineEndings::repair},
                                  Word{"reject", LineEndings::reject}};

void read_address(const Given& given, Listen& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    auto address = parse_listener(*text);
    // Port 0: so that nobody takes the default for a second listener on it.
    target.address = address ? *address : Endpoint{"127.0.0.1", 0};
    if (!address) given.fail(address.error());
}

void read_mode(const Given& given, Listen& target) {
    if (given.entry.value.kind != Value::Kind::string)
        return given.wrong_type("file permissions in quotes");
    const auto mode = parse_mode(given.entry.value.text);
    if (!mode) return given.fail(mode.error());
    target.mode = *mode;
}

// The first path of one key belongs to the first of the other; whether there are as many is a
// cross check.
template <std::string Certificate::* Member>
void read_paths(const Given& given, Listen& target) {
    const auto put = [&](std::size_t position, const std::string& text) {
        if (target.certificates.size() <= position) target.certificates.resize(position + 1);
        target.certificates[position].*Member = text;
    };
    if (given.entry.value.kind != Value::Kind::list) {
        const std::string* text = string_of(given);
        if (text != nullptr && !text->empty()) put(0, *text);
        return;
    }
    std::size_t position = 0;
    read_list(given, "a path or a list of paths", [&](const Value& value, const std::string& text) {
        if (text.empty()) return given.fail_at(value.place, "is empty; write a path");
        put(position++, text);
    });
}

constexpr std::array rows{
    Key<Listen>{"address", "address", R"("127.0.0.1:2525")", "",
                "Where devices connect: IP address and port, unix:PATH or systemd:NAME; \":2525\" "
                "is every address.",
                read_address},
    Key<Listen>{"mode", "permissions", R"("0660")", "0660 on a unix socket",
                "Permissions of a unix socket: who may connect.", read_mode},
    Key<Listen>{"tls", "none | starttls | implicit | auto", R"("none")", "",
                "TLS towards the devices; auto takes implicit TLS and STARTTLS on one port.",
                read_choice<&Listen::tls, listen_tls>},
    Key<Listen>{"require_tls", "true | false", "false", "",
                "With STARTTLS: nothing but 530 5.7.0 until it is used.",
                read_flag<&Listen::require_tls>},
    Key<Listen>{"certificate_file", "path or list of paths", R"("tls.crt")", "a self-signed one",
                "PEM chain to show to devices; of several one is chosen by the name they ask for.",
                read_paths<&Certificate::certificate_file>},
    Key<Listen>{"key_file", "path or list of paths", R"("tls.key")", "a self-signed one",
                "PEM key of each certificate, in the same order.",
                read_paths<&Certificate::key_file>},
    Key<Listen>{"legacy_tls", "true | false", "false", "",
                "Takes RSA key exchange and CBC suites of TLS 1.2 too, for old devices.",
                read_flag<&Listen::legacy_tls>},
    Key<Listen>{"client_ca_file", "path", R"("clients.pem")", "no client certificates",
                "PEM file of the authorities that sign the certificates of devices.",
                read_text<&Listen::client_ca_file>},
    Key<Listen>{"client_certificate", "required | optional", R"("required")",
                "required with client_ca_file",
                "Whether a device must have one; optional takes one in place of a login.",
                read_choice<&Listen::client_certificate, client_certificate>},
    Key<Listen>{"allow", "list of networks", R"(["127.0.0.0/8", "::1/128"])", "",
                "Who may connect. Required off loopback, unless devices log in or have "
                "certificates.",
                read_networks<&Listen::allow, false>},
    Key<Listen>{"auth", "none | any | local | passthrough", R"("none")", "",
                "Whether devices log in: not; with anything; as a [[user]]; as themselves at the "
                "upstream.",
                read_choice<&Listen::auth, listen_auth>},
    Key<Listen>{"proxy_protocol", "list of networks", "[]", "",
                "Load balancers whose connections begin with a PROXY v1 or v2 header.",
                read_networks<&Listen::proxy_protocol, true>},
    Key<Listen>{
        "line_endings", "repair | reject", R"("repair")", "",
        "A bare LF or CR in a message: made into CRLF, or the message refused with 550 5.6.11.",
        read_choice<&Listen::line_endings, line_endings>},
    Key<Listen>{"upstream", "list of names", R"(["default"])",
                "every [[upstream]], in the order of the file",
                "The upstreams of this listener, tried in this order.",
                read_texts<&Listen::upstream, upstream_names>},
};

}  // namespace

constinit const std::span<const Key<Listen>> listen_keys = rows;

}  // namespace waxseal::config
