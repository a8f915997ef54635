// The keys of [[listen]].
#include <algorithm>

#include "base/text.hpp"
#include "config/mail_readers.hpp"
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
constexpr std::array kinds{Word{"device", ListenKind::device}, Word{"strict", ListenKind::strict}};
constexpr std::array long_lines{Word{"pass", LongLines::pass}, Word{"fold", LongLines::fold},
                                Word{"reject", LongLines::reject}};
constexpr std::array buffers{Word{"stream", Buffer::stream}, Word{"auto", Buffer::automatic},
                             Word{"whole", Buffer::whole}};
constexpr std::array received_addresses{Word{"show", ReceivedAddress::show},
                                        Word{"hide", ReceivedAddress::hide}};

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

// Whether there is such a charset is for whoever converts from it.
void read_charset(const Given& given, Listen& target) {
    constexpr std::size_t longest = 40;  // RFC 2978 2.3
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    const auto usual = [](char c) {
        return text::alnum(c) || std::string_view("-_.:+").contains(c);
    };
    if (text->empty() || text->size() > longest || !std::ranges::all_of(*text, usual)) {
        return given.fail(quote(*text) +
                          " is not the name of a charset; write one as \"windows-1252\"");
    }
    target.legacy_charset = *text;
    target.legacy_charset_place = to_string(given.entry.value.place);
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
    Key<Listen>{"kind", "device | strict", R"("device")", "",
                "What devices do wrong is put right; or, strict, refused.",
                read_choice<&Listen::kind, kinds>},
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
    Key<Listen>{"legacy_auth", "true | false", "false", "",
                "Says AUTH= beside AUTH in the reply to EHLO, for old clients that look for that.",
                read_flag<&Listen::legacy_auth>},
    Key<Listen>{"proxy_protocol", "list of networks", "[]", "",
                "Load balancers whose connections begin with a PROXY v1 or v2 header.",
                read_networks<&Listen::proxy_protocol, true>},
    Key<Listen>{
        "line_endings", "repair | reject", R"("repair")",
        "reject with kind = \"strict\", else repair",
        "A bare LF or CR in a message: made into CRLF, or the message refused with 550 5.6.11.",
        read_choice<&Listen::line_endings, line_endings>},
    Key<Listen>{"long_lines", "pass | fold | reject", R"("pass")", "",
                "Lines of a message above 998 octets: as they are, folded, or refused.",
                read_choice<&Listen::long_lines, long_lines>},
    Key<Listen>{"buffer", "stream | auto | whole", R"("stream")", "",
                "A message goes on as it comes; once it is there if it comes slowly; or only then.",
                read_choice<&Listen::buffer, buffers>},
    Key<Listen>{"received", "true | false", "false", "",
                "Adds a Received line: from whom and when the message came.",
                read_flag<&Listen::received>},
    Key<Listen>{"received_address", "show | hide", R"("show")", "",
                "Whether the Received line has the device's address and name.",
                read_choice<&Listen::received_address, received_addresses>},
    Key<Listen>{"legacy_charset", "charset", R"("windows-1252")", "",
                "What header text is taken for that is neither ASCII nor UTF-8.", read_charset},
    Key<Listen>{"sender", sender_rule_type, sender_rule_example, "the sender is kept",
                "Puts another sender in place of the device's.", read_sender_rule<&Listen::sender>},
    Key<Listen>{"senders", "list of senders", R"(["scanner@example.com", "*@example.com", "<>"])",
                "any", "The reverse-paths that may be written in MAIL here.",
                read_senders<&Listen::senders>},
    Key<Listen>{"recipients", "list of recipients", R"(["office@example.com", "*@example.com"])",
                "anybody", "The recipients that may be written to from here.",
                read_recipients<&Listen::recipients>},
    Key<Listen>{"upstream", "list of names", R"(["default"])",
                "every [[upstream]], in the order of the file",
                "The upstreams of this listener, tried in this order.",
                read_texts<&Listen::upstream, upstream_names>},
};

}  // namespace

constinit const std::span<const Key<Listen>> listen_keys = rows;

}  // namespace waxseal::config
