#include "app/demo.hpp"

#include <cstdio>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

#include "app/exit_codes.hpp"
#include "app/service.hpp"
#include "app/snapshot.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "demo/mailbox.hpp"
#include "tls/issue.hpp"

namespace waxseal::app {

namespace {

void show(const std::string& text) {
    (void)std::fputs(text.c_str(), stdout);
    (void)std::fflush(stdout);
}

int give_up(const Error& error, int code) {
    (void)std::fprintf(stderr, "%s\n", error.text.c_str());
    return code;
}

std::string value(const log::Fields& fields, std::string_view key) {
    for (const log::Field& field : fields) {
        if (field.key() != key) continue;
        if (const auto* text = std::get_if<std::string>(&field.value())) return *text;
        if (const auto* number = std::get_if<std::int64_t>(&field.value()))
            return std::to_string(*number);
    }
    return {};
}

std::string describe(const log::Fields& session, const log::Fields& message) {
    std::ostringstream text;
    text << "  relayed   " << value(message, "outcome") << ": "
         << text::escape(value(message, "reply")) << "\n"
         << "  upstream  " << value(session, "upstream_address") << ", "
         << value(session, "upstream_tls") << ", " << value(session, "upstream_cipher")
         << ", certificate verified\n"
         << "  time      connection " << value(message, "connection") << ": connect "
         << value(message, "connect_ms") << " ms, TLS " << value(message, "tls_ms") << " ms, login "
         << value(message, "login_ms") << " ms, envelope " << value(message, "envelope_ms")
         << " ms, body " << value(message, "body_ms") << " ms, reply " << value(message, "reply_ms")
         << " ms\n\n";
    return text.str();
}

// Instead of a log: what a person wants to see of each session.
class Terminal final : public log::Sink {
  public:
    void write(log::Level level, std::string_view event,
               const log::Fields& fields) noexcept override {
        if (level >= log::Level::warn)
            show(log::format(log::Format::text, {}, level, event, fields) + "\n");
        if (event != "session_end") return;
        for (const log::Field& field : fields) {
            const auto* messages = std::get_if<std::vector<log::Fields>>(&field.value());
            if (messages == nullptr) continue;
            for (const log::Fields& message : *messages) show(describe(fields, message));
        }
    }
};

void show_message(const demo::Delivered& message) {
    std::string to;
    for (const std::string& recipient : message.recipients)
        to += (to.empty() ? "" : ", ") + text::escape(recipient);
    std::string lines;
    std::istringstream content(message.beginning);
    for (std::string line; std::getline(content, line);) {
        if (line.ends_with('\r')) line.pop_back();
        lines += "  | " + text::escape(line) + "\n";
    }
    show("message from " + text::escape(message.reverse_path) + " to " + to + ", " +
         std::to_string(message.octets) + " octets\n" + lines);
}

struct Certificates {
    std::string ca_pem;
    std::shared_ptr<const tls::ServerContext> server;
};

std::expected<Certificates, Error> make_certificates() {
    auto ca = tls::issue_ca("waxseal demo CA", std::chrono::hours(24));
    if (!ca) return std::unexpected(ca.error());
    auto leaf = tls::issue_leaf(*ca, {.dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}});
    if (!leaf) return std::unexpected(leaf.error());
    auto server = tls::server_context({leaf->certificate_pem, std::move(leaf->key_pem)});
    if (!server) return std::unexpected(server.error());
    return Certificates{ca->certificate_pem, *server};
}

std::string welcome(const std::string& address) {
    return "waxseal demo: proxy on " + address +
           " (cleartext SMTP), in front of a TLS mailbox on loopback.\nPaste this into another "
           "terminal to send a message:\n\n  "
           "printf 'Subject: Hello\\r\\n\\r\\nIt works.\\r\\n' | curl -sS smtp://" +
           address +
           " --mail-from printer@example.com --mail-rcpt you@example.com -T -\n\nCtrl-C ends "
           "it.\n\n";
}

}  // namespace

int demo(const std::string& listen) {
    config::Flags flags;
    flags.listen = {listen};
    flags.upstream =
        "smtps://localhost:465";  // its port is put right below, when the mailbox has one
    flags.default_config.clear();
    auto loaded = config::load(flags, {});
    if (!loaded) {
        for (const config::Problem& problem : loaded.error())
            (void)std::fprintf(stderr, "%s\n", problem.to_string().c_str());
        return exit_usage;
    }
    const auto certificates = make_certificates();
    if (!certificates) return give_up(certificates.error(), exit_system);
    log::install(std::make_shared<Terminal>(), log::Level::info);

    Service service;
    auto mailbox = demo::Mailbox::open(service.loop(), certificates->server, show_message);
    if (!mailbox) return give_up(mailbox.error(), exit_system);
    config::Upstream& upstream = loaded->config.upstream.front();
    upstream.address = {"127.0.0.1", (*mailbox)->port()};
    auto snapshot = build(service.runtime(), loaded->config, Missing::make,
                          {.ca_pem = {{upstream.name, certificates->ca_pem}}});
    if (!snapshot) return give_up(snapshot.error().front(), exit_system);
    if (auto started = service.start(*std::move(snapshot)); !started)
        return give_up(started.error(), exit_system);
    show(welcome(service.addresses().front().text()));
    service.run();
    log::install(nullptr, log::Level::info);
    return exit_ok;
}

}  // namespace waxseal::app
