// Real peers: OpenSSL's server in the configurations that have made clients fail.
#include "openssl.hpp"
#include "gcm_levels.hpp"
#include "maker.hpp"
#include "tls/names.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

const Maker& ca() {
    static const Maker value([] {
        Recipe recipe;
        recipe.subject = "CN=Test CA";
        recipe.authority = true;
        return recipe;
    }());
    return value;
}

const std::shared_ptr<const ClientContext>& trusts_ca() {
    static const auto value = trusting(ca().pem);
    return value;
}

Recipe good(KeyKind kind) {
    Recipe recipe;
    recipe.dns = {"mail.example.org"};
    recipe.issuer = &ca();
    recipe.key = kind;
    return recipe;
}

// A server with a certificate of its own, and a client connected to it.
struct Peer {
    Peer(const Recipe& recipe, std::vector<std::string> options)
        : Peer(Maker(recipe), std::move(options)) {}
    Peer(const Maker& leaf, std::vector<std::string> options)
        : certificate(folder.write("cert.pem", leaf.pem)),
          key(folder.write("key.pem", leaf.key_pem)),
          server(with_identity(std::move(options))),
          connection(server.port(), trusts_ca(), "mail.example.org") {
        connection.until_established_or_ended();
    }

    [[nodiscard]] std::vector<std::string> with_identity(std::vector<std::string> options) const {
        options.insert(options.end(), {"-cert", certificate, "-key", key});
        return options;
    }
    // A line each way.
    void converse() {
        REQUIRE(connection.told.broken == "");
        REQUIRE(connection.told.established == 1);
        CHECK(connection.engine->verified_peer().has_value());
        server.type("220 ready\n");
        connection.until(
            [this] { return connection.told.data == "220 ready\n" || connection.told.ends() > 0; });
        CHECK(connection.told.data == "220 ready\n");
        write_all(*connection.engine, "EHLO waxseal\r\n");
        connection.until([this] { return connection.engine->output().empty(); });
        CHECK(server.printed("EHLO waxseal").find("EHLO waxseal") != std::string::npos);
    }

    Folder folder;
    std::string certificate;
    std::string key;
    OpensslServer server;
    Connection connection;
};

using Options = std::vector<std::string>;

}  // namespace

TEST_CASE("TLS 1.3 and 1.2 with RSA and ECDSA certificates") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        for (const KeyKind kind : {KeyKind::rsa2048, KeyKind::p256, KeyKind::p384}) {
            Peer peer(good(kind), {version});
            peer.converse();
            CHECK(peer.connection.engine->details().version ==
                  (version[6] == '2' ? "TLSv1.2" : "TLSv1.3"));
            CHECK(peer.connection.engine->details().cipher_suite.find(
                      gcm_is_fast() ? "AES_128_GCM" : "CHACHA20") != std::string::npos);
        }
    }
}

TEST_CASE("a TLS 1.2-only RSA server that signs its key exchange with RSA-PSS simply works") {
    const Maker leaf(good(KeyKind::rsa2048));
    for (const Options& options :
         {Options{"-tls1_2"}, Options{"-tls1_2", "-serverpref"},
          Options{"-tls1_2", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"},
          Options{"-tls1_2", "-serverpref", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"},
          Options{"-tls1_2", "-sigalgs", "RSA-PSS+SHA256"},
          Options{"-tls1_2", "-sigalgs", "RSA-PSS+SHA384"},
          Options{"-tls1_2", "-sigalgs", "RSA-PSS+SHA512"},
          Options{"-tls1_2", "-sigalgs", "RSA+SHA256"}}) {
        CAPTURE(options.back());
        Peer peer(leaf, options);
        peer.converse();
        CHECK(peer.connection.engine->details().version == "TLSv1.2");
    }
}

TEST_CASE("a chain signed with RSA-PSS") {
    const Folder folder;
    openssl({"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.path("k.pem"),
             "-out", folder.path("c.pem"), "-subj", "/CN=PSS", "-addext",
             "subjectAltName=DNS:mail.example.org", "-sha256", "-sigopt", "rsa_padding_mode:pss",
             "-sigopt", "rsa_pss_saltlen:32"});
    OpensslServer server({"-cert", folder.path("c.pem"), "-key", folder.path("k.pem")});
    ClientOptions trust;
    trust.ca_file = folder.path("c.pem");
    const auto context = client_context(trust);
    REQUIRE(context.has_value());
    Connection connection(server.port(), *context, "mail.example.org");
    connection.until_established_or_ended();
    CHECK(connection.told.broken == "");
    CHECK(connection.told.established == 1);
}

TEST_CASE("servers of one cipher: AES-GCM, and the CBC of an old Windows") {
    for (const char* suite : {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                              "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256"}) {
        CAPTURE(suite);
        Peer peer(good(KeyKind::rsa2048), {"-tls1_2", "-cipher", suite});
        peer.converse();
    }
    for (const char* suite : {"AES256-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"}) {
        CAPTURE(suite);
        Peer peer(good(KeyKind::rsa2048), {"-tls1_2", "-cipher", suite});
        CHECK(peer.connection.told.broken ==
              "server has no cipher, group or kind of certificate in common with us (alert: "
              "handshake_failure)");
    }
}

TEST_CASE("TLS 1.0 and 1.1 are refused by name") {
    for (const char* version : {"-tls1", "-tls1_1"}) {
        Peer peer(good(KeyKind::rsa2048), {version, "-cipher", "ALL:@SECLEVEL=0"});
        CHECK(peer.connection.told.broken ==
              "server offers only TLS 1.0/1.1 (alert: protocol_version)");
    }
}

TEST_CASE("a server without X25519 costs a HelloRetryRequest and works") {
    for (const char* group : {"P-256", "P-384", "P-521"}) {
        CAPTURE(group);
        Peer peer(good(KeyKind::p256), {"-groups", group});
        peer.converse();
        CHECK(peer.connection.engine->details().version == "TLSv1.3");
    }
}

TEST_CASE("a server that sends small records, so that handshake messages come in pieces") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Peer peer(good(KeyKind::rsa2048), {version, "-max_send_frag", "512"});
        peer.converse();
    }
}

TEST_CASE("an Ed25519 certificate is refused, not misread") {
    const Folder folder;
    openssl({"req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", folder.path("k.pem"),
             "-out", folder.path("c.pem"), "-subj", "/CN=ed", "-addext",
             "subjectAltName=DNS:mail.example.org"});
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        OpensslServer server(
            {version, "-cert", folder.path("c.pem"), "-key", folder.path("k.pem")});
        Connection connection(server.port(), trusts_ca(), "mail.example.org");
        connection.until_established_or_ended();
        CHECK(connection.told.broken ==
              "server has no cipher, group or kind of certificate in common with us (alert: "
              "handshake_failure)");
    }
}

TEST_CASE("a certificate for clients only") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Recipe recipe = good(KeyKind::p256);
        recipe.use = Use::client;
        Peer peer(recipe, {version});
        CHECK(peer.connection.told.broken == "certificate is not for servers (extended key usage)");
        CHECK(peer.connection.told.established == 0);
    }
}

TEST_CASE("a server that wants a client certificate") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        CAPTURE(version);
        Peer peer(good(KeyKind::rsa2048), {version, "-Verify", "1", "-verify_return_error"});
        peer.connection.until_ended();
        CHECK(peer.connection.told.broken == "the server wants a client certificate");
        CHECK_FALSE(peer.connection.engine->verified_peer().has_value());
        // One that only asks is content with none.
        Peer asking(good(KeyKind::rsa2048), {version, "-verify", "1"});
        asking.converse();
    }
}

TEST_CASE("session tickets change nothing") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Peer peer(good(KeyKind::p256), {version, "-num_tickets", "8"});
        peer.converse();
        CHECK(peer.connection.told.ends() == 0);
    }
}

TEST_CASE("a KeyUpdate of a real server is a failure with a reason, after its data") {
    for (const char* command : {"k\n", "K\n"}) {
        Peer peer(good(KeyKind::p256), {"-tls1_3"});
        peer.converse();
        peer.server.type(command);
        // OpenSSL sends the KeyUpdate together with the next octets.
        peer.server.type("250 after\n");
        peer.connection.until_ended();
        CHECK(peer.connection.told.broken ==
              "server sent a TLS 1.3 KeyUpdate, which is not supported");
        CHECK(peer.connection.told.data == "220 ready\n");
    }
}

TEST_CASE("the end: close_notify of a real server, and its death") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Peer closing(good(KeyKind::p256), {version});
        closing.converse();
        closing.connection.engine->close();
        closing.connection.until_ended();
        CHECK(closing.connection.told.closed == 1);

        auto dying = std::make_unique<OpensslServer>(
            Options{version, "-cert", closing.certificate, "-key", closing.key});
        Connection connection(dying->port(), trusts_ca(), "mail.example.org");
        connection.until_established_or_ended();
        CHECK(connection.told.established == 1);
        dying.reset();
        connection.until_ended();
        CHECK(connection.told.truncated == 1);
    }
}

TEST_CASE("SNI is sent for names and not for addresses") {
    Recipe recipe = good(KeyKind::p256);
    recipe.addresses = {address_octets("127.0.0.1")};
    const Maker leaf(recipe);
    Peer named(leaf, {"-tlsextdebug"});
    named.converse();
    CHECK(named.server.printed("TLS client extension \"server name\"").find("\"server name\"") !=
          std::string::npos);
    OpensslServer server({"-tlsextdebug", "-cert", named.certificate, "-key", named.key});
    Connection connection(server.port(), trusts_ca(), "127.0.0.1");
    connection.until_established_or_ended();
    CHECK(connection.told.established == 1);
    const std::string printed = server.printed("CIPHER is");
    CHECK(printed.find("TLS client extension \"supported versions\"") != std::string::npos);
    CHECK(printed.find("\"server name\"") == std::string::npos);
}

TEST_CASE("AES-GCM both ways, by the megabyte, in both versions") {
    // s_server echoes what it is sent, reversed line by line.
    for (const bool old : {true, false}) {
        for (const bool wide : {false, true}) {
            CAPTURE(old);
            CAPTURE(wide);
            const Options options =
                old ? Options{"-tls1_2", "-cipher",
                              wide ? "ECDHE-RSA-AES256-GCM-SHA384" : "ECDHE-RSA-AES128-GCM-SHA256"}
                    : Options{"-tls1_3", "-ciphersuites",
                              wide ? "TLS_AES_256_GCM_SHA384" : "TLS_AES_128_GCM_SHA256"};
            Options all = options;
            all.emplace_back("-rev");
            Peer peer(good(KeyKind::rsa2048), all);
            REQUIRE(peer.connection.told.broken == "");
            CHECK(peer.connection.engine->details().cipher_suite.find(
                      wide ? "AES_256_GCM" : "AES_128_GCM") != std::string::npos);
            std::string expected;
            // Each time no more than fits into what lies between.
            for (std::size_t line = 0; expected.size() < 1'500'000; ++line) {
                const std::string text = std::to_string(line) + std::string(line * 7 % 9000, 'x');
                write_all(*peer.connection.engine, text + "\n");
                expected += std::string(text.rbegin(), text.rend()) + "\n";
                if (line % 4 == 3) peer.connection.until_received(expected.size());
            }
            peer.connection.until_received(expected.size());
            CHECK((peer.connection.told.data == expected));
        }
    }
}
