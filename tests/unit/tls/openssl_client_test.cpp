// Real clients: OpenSSL's in the configurations of new programs and old devices, against our
// server.
#include "maker.hpp"
#include "openssl.hpp"
#include "raw_server.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

using Arguments = std::vector<std::string>;

const Maker& self_signed(KeyKind kind) {
    static const auto make = [](KeyKind k) {
        Recipe recipe;
        recipe.dns = {"mail.example.org"};
        recipe.key = k;
        return recipe;
    };
    static const Maker rsa(make(KeyKind::rsa2048));
    static const Maker ecdsa(make(KeyKind::p256));
    return kind == KeyKind::rsa2048 ? rsa : ecdsa;
}

std::shared_ptr<const ServerContext> server_with(KeyKind kind, bool legacy = false) {
    ServerOptions options;
    options.legacy_tls = legacy;
    const Maker& maker = self_signed(kind);
    options.identities.push_back({maker.pem, Secret(maker.key_pem)});
    auto context = server_context(options);
    REQUIRE(context.has_value());
    return *context;
}

}  // namespace

TEST_CASE("TLS 1.2 and 1.3 with RSA and ECDSA identities") {
    for (const KeyKind kind : {KeyKind::rsa2048, KeyKind::p256}) {
        for (const char* version : {"-tls1_2", "-tls1_3"}) {
            Served served(server_with(kind), {version});
            served.converse();
            CHECK(served.connection.engine->details().version ==
                  (std::string_view(version) == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"));
            CHECK_FALSE(served.connection.engine->details().client_certificate);
        }
    }
}

TEST_CASE("old suites are refused with the way out, and served with legacy_tls") {
    for (const char* suite : {"AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-GCM-SHA384",
                              "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"}) {
        CAPTURE(suite);
        const Arguments arguments{"-tls1_2", "-cipher", std::string(suite) + ":@SECLEVEL=0"};
        Served refused(server_with(KeyKind::rsa2048), arguments);
        CHECK(refused.connection.told.broken ==
              "this device offers only old cipher suites (no ECDHE with AEAD); legacy_tls = true "
              "lets it in");
        Served served(server_with(KeyKind::rsa2048, true), arguments);
        served.converse();
    }
    // What is good is still preferred.
    Served served(server_with(KeyKind::rsa2048, true),
                  {"-tls1_2", "-cipher", "AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256"});
    served.converse();
    CHECK(served.connection.engine->details().cipher_suite ==
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
}

TEST_CASE("what even legacy_tls does not take: DHE, Camellia, no encryption, SHA-1 signatures") {
    for (const char* suite : {"DHE-RSA-AES128-SHA", "CAMELLIA128-SHA", "NULL-SHA"}) {
        CAPTURE(suite);
        Served served(server_with(KeyKind::rsa2048, true),
                      {"-tls1_2", "-cipher", std::string(suite) + ":@SECLEVEL=0"});
        CHECK(served.connection.told.established == 0);
        CHECK(served.connection.told.broken.starts_with(
            "TLS handshake failed: nothing in common with the client"));
    }
    Served sha1(server_with(KeyKind::rsa2048, true), {"-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher",
                                                      "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"});
    CHECK(sha1.connection.told.established == 0);
}

TEST_CASE("a device of TLS 1.0 or 1.1 is refused in plain words, with legacy_tls too") {
    for (const bool legacy : {false, true}) {
        for (const auto& [option, name] :
             {std::pair{"-tls1", "TLS 1.0"}, std::pair{"-tls1_1", "TLS 1.1"}}) {
            Served served(server_with(KeyKind::rsa2048, legacy),
                          {option, "-cipher", "ALL:@SECLEVEL=0"});
            CHECK(served.connection.told.broken ==
                  "this device speaks " + std::string(name) +
                      " only, and TLS 1.2 is the oldest that is spoken here; update it, or let it "
                      "use a listener with tls = \"none\"");
            CHECK(served.until_client_ends().find("protocol version") != std::string::npos);
        }
    }
}

TEST_CASE("the hello of SSL 3.0 and of TLS 1.0, without any extension") {
    for (const auto& [minor, name] : {std::pair{'\0', "SSL 3.0"}, std::pair{'\1', "TLS 1.0"}}) {
        // version, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression
        const std::string version{'\3', minor};
        const std::string hello = handshake_message(
            1, version + std::string(32, 'r') + std::string("\0\0\2\0\x2F\1\0", 7));
        auto server = Engine::server(usual().server);
        REQUIRE(server.has_value());
        Told told;
        (*server)->receive('\x16' + version + '\0' + static_cast<char>(hello.size()) + hello);
        drain(**server, told);
        CHECK(told.broken.starts_with("this device speaks " + std::string(name) + " only"));
        CHECK((*server)->output().ends_with("\2\x46"));  // fatal protocol_version
    }
}

TEST_CASE("ALPN: smtp or nothing") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Served smtp(server_with(KeyKind::p256), {version, "-alpn", "http/1.1,smtp"});
        smtp.converse();
        CHECK(smtp.client.output().find("ALPN protocol: smtp") != std::string::npos);
        for (const char* other : {"http/1.1", "imap,h2", "smt", "smtps"}) {
            CAPTURE(other);
            Served served(server_with(KeyKind::p256), {version, "-alpn", other});
            CHECK(served.connection.told.broken ==
                  "client wants another protocol than smtp (ALPN)");
            CHECK(served.until_client_ends().find("no application protocol") != std::string::npos);
        }
    }
}

TEST_CASE("no tickets, so no resumption") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Served served(server_with(KeyKind::p256), {version});
        served.converse();
        CHECK(served.client.output().find("TLS session ticket") == std::string::npos);
    }
}

TEST_CASE("renegotiation by a real client is refused") {
    Served served(server_with(KeyKind::p256), {"-tls1_2"});
    served.converse();
    served.client.type("R\n");
    CHECK(served.until_client_ends().find("no renegotiation") != std::string::npos);
    CHECK(served.connection.told.established == 1);
    CHECK(served.connection.told.data == "EHLO device\n");
}

TEST_CASE("a KeyUpdate of a real client ends the connection with a reason") {
    for (const char* command : {"k\n", "K\n"}) {
        Served served(server_with(KeyKind::p256), {"-tls1_3"});
        served.converse();
        served.client.type(command);
        served.client.type("late\n");
        served.connection.until_ended();
        CHECK(served.connection.told.broken ==
              "client sent a TLS 1.3 KeyUpdate, which is not supported");
        CHECK(served.connection.told.data == "EHLO device\n");
    }
}

TEST_CASE("a client of small records") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Served served(server_with(KeyKind::rsa2048), {version, "-max_send_frag", "512"});
        served.converse();
    }
}

TEST_CASE("AES-GCM both ways with a real client, in large pieces, in both versions") {
    const Arguments choices[] = {{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"},
                                 {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"},
                                 {"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"},
                                 {"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}};
    for (Arguments arguments : choices) {
        CAPTURE(arguments[2]);
        arguments.emplace_back("-quiet");
        Served served(server_with(KeyKind::p256), arguments);
        REQUIRE(served.connection.told.broken == "");
        CHECK(served.connection.engine->details().cipher_suite.find("_GCM_") != std::string::npos);
        std::string sent;
        std::string returned;
        for (std::size_t line = 0; sent.size() < 400'000; ++line) {
            const std::string text =
                std::to_string(line) + std::string(line * 7919 % 30'000, 'x') + "\n";
            served.client.type(text);
            sent += text;
            served.connection.until_received(sent.size());
            const std::string reply = "<" + text;
            write_all(*served.connection.engine, reply);
            returned += reply;
            if (line % 4 != 3) continue;
            served.connection.until([&] { return served.connection.engine->output().empty(); });
            served.client.printed(reply);
        }
        CHECK((served.connection.told.data == sent));
        served.connection.until([&] { return served.connection.engine->output().empty(); });
        CHECK(served.client.printed(returned).find(returned) != std::string::npos);
    }
}
