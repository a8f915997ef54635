// Client certificates, from both ends: a listener that asks for one or demands it, and a client of
// ours that has one to show. In both versions of TLS, with our own peer and with OpenSSL's.
#include "maker.hpp"
#include "openssl.hpp"
#include "raw_server.hpp"
#include "tls/certificate.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;
using namespace std::chrono_literals;

namespace {

constexpr Version versions[] = {Version::tls12, Version::tls13};
constexpr ClientCertificates modes[] = {ClientCertificates::optional, ClientCertificates::required};

Recipe ca_recipe(std::string subject) {
    Recipe recipe;
    recipe.subject = std::move(subject);
    recipe.authority = true;
    return recipe;
}

const Maker& client_ca() {
    static const Maker value(ca_recipe("CN=Client CA"));
    return value;
}

Recipe good(KeyKind kind = KeyKind::p256) {
    Recipe recipe;
    recipe.subject = "CN=printer-7";
    recipe.dns = {"printer-7.example.org"};
    recipe.use = Use::client;
    recipe.issuer = &client_ca();
    recipe.key = kind;
    return recipe;
}

std::shared_ptr<const ServerContext> asking(ClientCertificates mode) {
    ServerOptions options;
    const Issued& leaf = usual().identity.leaf;
    options.identities.push_back({leaf.certificate_pem, leaf.key_pem.clone()});
    options.client_certificates = mode;
    options.client_ca_pem = client_ca().pem;
    auto context = server_context(options);
    REQUIRE(context.has_value());
    return *context;
}

std::shared_ptr<const ClientContext> showing(Version version, const Maker* maker,
                                             const std::string& ca = {}) {
    ClientOptions options;
    options.ca_pem = ca.empty() ? usual().identity.ca.certificate_pem : ca;
    options.min_version = options.max_version =
        version == Version::tls12 ? ProtocolVersion::tls12 : ProtocolVersion::tls13;
    if (maker != nullptr) options.identity = CertifiedKey{maker->pem, Secret(maker->key_pem)};
    auto context = client_context(options);
    REQUIRE(context.has_value());
    return *context;
}

// Settled, with a line sent by the client if it thinks that it may.
Pair attempt(Version version, ClientCertificates mode, const Maker* maker) {
    Pair pair(showing(version, maker), asking(mode));
    pair.settle();
    pair.client->write("EHLO device\r\n");
    pair.settle();
    return pair;
}

// The bad certificate never gets in: nothing of the client's is read, nobody is told to be there.
void refused(const Recipe& recipe, std::string_view reason) {
    const Maker maker(recipe);
    for (const Version version : versions) {
        for (const ClientCertificates mode : modes) {
            Pair pair = attempt(version, mode, &maker);
            CHECK(pair.at_server.broken == reason);
            CHECK(pair.at_server.established == 0);
            CHECK(pair.at_server.data.empty());
            // In TLS 1.3 mbedTLS 3.6 sends the alert of a server with the keys of the handshake,
            // which its client has left behind.
            CHECK(pair.at_client.broken.starts_with(
                version == Version::tls12 ? "the server refuses our client certificate (alert: "
                                          : "server sent a TLS record that cannot be decrypted"));
            CHECK_FALSE(pair.client->verified_peer().has_value());
            CHECK(pair.server->write("250 no\r\n") == 0);
        }
    }
}

}  // namespace

TEST_CASE("a good client certificate is told, with its names") {
    for (const KeyKind kind : {KeyKind::p256, KeyKind::p384, KeyKind::rsa2048}) {
        const Maker maker(good(kind));
        for (const Version version : versions) {
            for (const ClientCertificates mode : modes) {
                Pair pair = attempt(version, mode, &maker);
                CHECK(pair.at_server.broken == "");
                CHECK(pair.at_server.data == "EHLO device\r\n");
                const auto shown = pair.server->details().client_certificate;
                REQUIRE(shown);
                CHECK(shown->subject == "CN=printer-7");
                CHECK(shown->names == std::vector<std::string>{"printer-7.example.org"});
                CHECK(shown->fingerprint == certificate_facts(maker.pem)->front().fingerprint);
                CHECK_FALSE(pair.client->details().client_certificate);
                // It is no right to send credentials to the client.
                CHECK_FALSE(pair.server->verified_peer().has_value());
            }
        }
    }
}

TEST_CASE("no client certificate: fine where it is optional, the end where it is required") {
    for (const Version version : versions) {
        Pair optional = attempt(version, ClientCertificates::optional, nullptr);
        CHECK(optional.at_server.broken == "");
        CHECK(optional.at_server.data == "EHLO device\r\n");
        CHECK_FALSE(optional.server->details().client_certificate);
        Pair required = attempt(version, ClientCertificates::required, nullptr);
        CHECK(required.at_server.broken == "client sent no certificate");
        CHECK(required.at_server.established == 0);
        CHECK(required.at_client.broken ==
              (version == Version::tls12 ? "the server wants a client certificate"
                                         : "server sent a TLS record that cannot be decrypted"));
    }
}

TEST_CASE("where none is asked for, none is shown") {
    const Maker maker(good());
    for (const Version version : versions) {
        Pair pair(showing(version, &maker), usual().server);
        pair.settle();
        CHECK(pair.at_server.established == 1);
        CHECK_FALSE(pair.server->details().client_certificate);
    }
}

TEST_CASE("a bad client certificate ends the handshake, whether one is required or not") {
    const Maker stranger(ca_recipe("CN=Stranger"));
    Recipe recipe = good();
    recipe.issuer = &stranger;
    refused(recipe,
            "client certificate (CN=printer-7) was issued by an authority that is not trusted "
            "(issuer: CN=Stranger)");
    recipe = good();
    recipe.issuer = nullptr;
    refused(recipe, "client certificate (CN=printer-7) is self-signed and not in client_ca_file");
    recipe = good();
    recipe.from = -24h * 9;
    recipe.until = -24h * 3 - 1h;
    refused(recipe, "client certificate (CN=printer-7) expired 3 days ago");
    recipe = good();
    recipe.use = Use::server;
    refused(recipe, "client certificate (CN=printer-7) is not for clients (extended key usage)");
    recipe = good();
    recipe.hash = MBEDTLS_MD_SHA1;
    refused(recipe, "client certificate (CN=printer-7) is signed with a weak hash (SHA-1 or MD5)");
    recipe = good(KeyKind::rsa1024);
    refused(recipe,
            "client certificate (CN=printer-7) has a key that is too short (RSA needs 2048 bits) "
            "or on an unknown curve");
    recipe = good();
    recipe.subject = "CN=evil\ninfo";
    recipe.issuer = &stranger;
    refused(recipe,
            // mbedTLS escapes names, we what it makes of them.
            "client certificate (CN=evil\\\\0Ainfo) was issued by an authority that is not trusted "
            "(issuer: CN=Stranger)");
}

TEST_CASE("a real client: with a certificate, without, with a wrong one") {
    const Folder folder;
    const Maker maker(good(KeyKind::rsa2048));
    Recipe wrong = good();
    wrong.issuer = nullptr;
    const Maker bad(wrong);
    const auto with = [&](const char* version, const Maker& one) {
        return std::vector<std::string>{version, "-cert", folder.write("c.pem", one.pem), "-key",
                                        folder.write("k.pem", one.key_pem)};
    };
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        for (const ClientCertificates mode : modes) {
            Served good_one(asking(mode), with(version, maker));
            good_one.converse();
            CHECK(good_one.connection.engine->details().client_certificate->subject ==
                  "CN=printer-7");
            Served bad_one(asking(mode), with(version, bad));
            CHECK(bad_one.connection.told.broken ==
                  "client certificate (CN=printer-7) is self-signed and not in client_ca_file");
        }
        Served none(asking(ClientCertificates::optional), {version});
        none.converse();
        Served missing(asking(ClientCertificates::required), {version});
        CHECK(missing.connection.told.broken == "client sent no certificate");
    }
}

TEST_CASE("our certificate at a real server that demands one") {
    const Folder folder;
    const std::string ca = folder.write("ca.pem", client_ca().pem);
    const Issued& leaf = usual().identity.leaf;
    const std::string certificate = folder.write("s.pem", leaf.certificate_pem);
    const std::string key = folder.write("sk.pem", leaf.key_pem.reveal());
    Recipe wrong = good();
    wrong.issuer = nullptr;
    const Maker bad(wrong);
    for (const Version version : versions) {
        for (const KeyKind kind : {KeyKind::p256, KeyKind::rsa2048}) {
            const Maker maker(good(kind));
            for (const Maker* shown : {&maker, static_cast<const Maker*>(nullptr), &bad}) {
                OpensslServer server({"-cert", certificate, "-key", key, "-CAfile", ca, "-Verify",
                                      "2", "-verify_return_error"});
                Connection connection(server.port(), showing(version, shown), "mail.example.org");
                connection.until_established_or_ended();
                if (shown == &maker) {
                    server.type("220 ready\n");
                    connection.until([&] {
                        return !connection.told.data.empty() || connection.told.ends() > 0;
                    });
                    CHECK(connection.told.data == "220 ready\n");
                    CHECK(server.printed("printer-7").find("printer-7") != std::string::npos);
                    continue;
                }
                connection.until_ended();
                CHECK(connection.told.broken.starts_with(
                    shown == nullptr ? "the server wants a client certificate"
                                     : "the server refuses our client certificate (alert: "));
            }
        }
    }
}

TEST_CASE("a client identity that cannot be used is an error that names it") {
    ClientOptions options;
    options.ca_pem = client_ca().pem;
    const Maker maker(good());
    const Maker other(good());
    options.identity = CertifiedKey{maker.pem, Secret(other.key_pem), "client.crt"};
    const auto context = client_context(options);
    REQUIRE_FALSE(context.has_value());
    CHECK(context.error().text == "client.crt: the private key is not that of the certificate");
}
