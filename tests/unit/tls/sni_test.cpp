// Our own certificates: which one a client gets, what is repaired, and what is refused with which
// words.
#include "maker.hpp"
#include "openssl.hpp"
#include "tls/names.hpp"

using namespace waxseal;
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

Maker leaf(std::vector<std::string> names, KeyKind kind = KeyKind::p256,
           std::vector<std::string> addresses = {}) {
    Recipe recipe;
    recipe.dns = std::move(names);
    recipe.addresses = std::move(addresses);
    recipe.issuer = &ca();
    recipe.key = kind;
    return Maker(recipe);
}

CertifiedKey identity(const Maker& maker, std::string name = {}) {
    return {maker.pem, Secret(maker.key_pem), std::move(name)};
}

ServerOptions several(std::vector<const Maker*> makers) {
    ServerOptions options;
    for (const Maker* maker : makers) options.identities.push_back(identity(*maker));
    return options;
}

std::shared_ptr<const ServerContext> made(const ServerOptions& options) {
    auto context = server_context(options);
    REQUIRE_MESSAGE(context.has_value(), (context ? std::string() : context.error().text));
    return *context;
}

std::string error_of(const ServerOptions& options) {
    const auto context = server_context(options);
    return context ? "" : context.error().text;
}

// The client checks the name, so what it says tells which certificate it got.
std::string outcome(const std::shared_ptr<const ServerContext>& server, std::string_view name) {
    static const auto client = trusting(ca().pem);
    Pair pair(client, server, name);
    pair.settle();
    CHECK(pair.at_client.ends() + pair.at_client.established == 1);
    return pair.at_client.broken;
}

}  // namespace

TEST_CASE("the certificate is chosen by name: exact, then wildcard, else the first one") {
    const Maker first = leaf({"first.example"}, KeyKind::p256, {address_octets("192.0.2.1")});
    const Maker wildcard = leaf({"*.example.org"});
    const Maker exact = leaf({"mail.example.org", "smtp.example.org"});
    for (const auto& server :
         {made(several({&first, &wildcard, &exact})), made(several({&first, &exact, &wildcard}))}) {
        CHECK(outcome(server, "first.example") == "");
        CHECK(outcome(server, "MAIL.example.org.") == "");
        CHECK(outcome(server, "smtp.example.org") == "");
        CHECK(outcome(server, "other.example.org") == "");
        // No SNI for an address.
        CHECK(outcome(server, "192.0.2.1") == "");
        // Unknown names are no alert.
        CHECK(outcome(server, "a.mail.example.org") ==
              "certificate is for first.example, 192.0.2.1, not a.mail.example.org");
        CHECK(outcome(server, "nowhere.example") ==
              "certificate is for first.example, 192.0.2.1, not nowhere.example");
    }
}

TEST_CASE("the exact name wins over the wildcard of another certificate") {
    const Maker wildcard = leaf({"*.example.org"});
    const Maker exact = leaf({"mail.example.org"});
    const auto server = made(several({&wildcard, &exact}));
    const Served served(server, {"-servername", "mail.example.org"});
    const Folder folder;
    // The leaf's own name is in what s_client prints only with its SAN; so by verification.
    const std::string file = folder.write("ca.pem", ca().pem);
    Served strict(server, {"-servername", "mail.example.org", "-CAfile", file,
                           "-verify_return_error", "-verify_hostname", "mail.example.org"});
    strict.converse();
    CHECK(strict.client.output().find("Verified peername: mail.example.org") != std::string::npos);
    Served other(server, {"-servername", "x.example.org", "-CAfile", file, "-verify_return_error",
                          "-verify_hostname", "x.example.org"});
    other.converse();
    CHECK(other.client.output().find("Verified peername: *.example.org") != std::string::npos);
}

TEST_CASE("RSA and ECDSA for one name: each client gets what it can use, also without SNI") {
    const Maker ecdsa = leaf({"mail.example.org"});
    const Maker rsa = leaf({"mail.example.org"}, KeyKind::rsa2048);
    const auto server = made(several({&ecdsa, &rsa}));
    for (const bool named : {true, false}) {
        for (const auto& [suite, kind] : {std::pair{"ECDHE-RSA-AES128-GCM-SHA256", "RSA"},
                                          std::pair{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA"}}) {
            std::vector<std::string> arguments{"-tls1_2", "-cipher", suite, "-noservername"};
            if (named) {
                arguments.back() = "-servername";
                arguments.emplace_back("mail.example.org");
            }
            Served served(server, arguments);
            served.converse();
            CHECK(served.connection.engine->details().cipher_suite ==
                  "TLS_ECDHE_" + std::string(kind) + "_WITH_AES_128_GCM_SHA256");
        }
    }
    Served rsa13(server, {"-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"});
    rsa13.converse();
    Served ecdsa13(server, {"-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"});
    ecdsa13.converse();
}

TEST_CASE("a chain in any order is sent in the right one") {
    Recipe middle;
    middle.subject = "CN=Middle";
    middle.authority = true;
    middle.issuer = &ca();
    const Maker intermediate(middle);
    Recipe low = middle;
    low.subject = "CN=Low";
    low.issuer = &intermediate;
    const Maker lower(low);
    Recipe recipe;
    recipe.dns = {"mail.example.org"};
    recipe.issuer = &lower;
    const Maker own(recipe);
    for (const std::string& chain :
         {own.pem + lower.pem + intermediate.pem, intermediate.pem + lower.pem + own.pem,
          lower.pem + own.pem + own.pem + ca().pem + intermediate.pem}) {
        const auto server = made([&] {
            ServerOptions options;
            options.identities.push_back({chain, Secret(own.key_pem)});
            return options;
        }());
        CHECK(outcome(server, "mail.example.org") == "");
        Served served(server, {"-showcerts"});
        served.converse();
        const std::string& output = served.client.output();
        const std::size_t at[] = {output.find(" 0 s:CN = leaf"), output.find(" 1 s:CN = Low"),
                                  output.find(" 2 s:CN = Middle")};
        CHECK(at[0] != std::string::npos);
        CHECK(at[1] != std::string::npos);
        CHECK(at[2] != std::string::npos);
    }
}

TEST_CASE("errors name the certificate and what is wrong with it") {
    const Maker good = leaf({"mail.example.org"});
    const Maker other = leaf({"other.example.org"});
    ServerOptions options = several({&good});
    options.identities.push_back({other.pem, Secret(good.key_pem)});
    CHECK(error_of(options) == "certificate 2: the private key is not that of the certificate");
    options.identities[1].name = "other.crt";
    CHECK(error_of(options) == "other.crt: the private key is not that of the certificate");
    options.identities[1].key_pem = Secret(other.pem);
    CHECK(error_of(options) == "other.crt: private key: there is a certificate in its place");
    options.identities[1].key_pem = Secret("rubbish");
    CHECK(error_of(options) == "other.crt: private key: it is not in PEM form");
    options.identities[1].certificate_pem = "rubbish";
    CHECK(error_of(options) == "other.crt: certificate: it is not in PEM form");
    CHECK(error_of({}) == "a TLS listener needs a certificate");
    options = several({&good});
    options.client_certificates = ClientCertificates::optional;
    CHECK(error_of(options) == "client certificates need a client_ca_file");
}

TEST_CASE("an encrypted key, in both forms, is called so") {
    const Folder folder;
    const Maker good = leaf({"mail.example.org"});
    const std::string plain = folder.write("key.pem", good.key_pem);
    openssl({"pkcs8", "-topk8", "-in", plain, "-out", folder.path("pkcs8.pem"), "-passout",
             "pass:secret"});
    openssl(
        {"ec", "-in", plain, "-out", folder.path("old.pem"), "-aes128", "-passout", "pass:secret"});
    for (const char* file : {"pkcs8.pem", "old.pem"}) {
        ServerOptions options;
        options.identities.push_back({good.pem, Secret(folder.read(file)), "tls.crt"});
        CHECK(error_of(options) ==
              "tls.crt: private key: it is encrypted; write it without a passphrase (openssl pkey "
              "-in ENCRYPTED -out KEY)");
    }
}
