// Every kind of bad certificate, in both versions of TLS: the reason is the expected one, nothing
// was established, the server was told by an alert, and no right to send credentials came out.
#include "maker.hpp"
#include "raw_server.hpp"
#include "tls/names.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;
using namespace std::chrono_literals;

namespace {

Recipe ca_recipe(std::string subject = "CN=Test CA") {
    Recipe recipe;
    recipe.subject = std::move(subject);
    recipe.authority = true;
    return recipe;
}

const Maker& ca() {
    static const Maker value(ca_recipe());
    return value;
}

const std::shared_ptr<const ClientContext>& trusts_ca() {
    static const auto value = trusting(ca().pem);
    return value;
}

Recipe good() {
    Recipe recipe;
    recipe.dns = {"mail.example.org"};
    recipe.issuer = &ca();
    return recipe;
}

struct Outcome {
    int established = 0;
    std::string reason;
};

// `chain` follows the leaf in the server's Certificate message.
Outcome attempt(Version version, const Maker& leaf, std::string_view name,
                const std::string& chain = {},
                const std::shared_ptr<const ClientContext>& client = trusts_ca()) {
    Pair pair(client, serving_only(version, leaf.pem + chain, leaf.key_pem), name);
    pair.settle();
    CHECK(pair.at_client.established + pair.at_client.broken_count == 1);
    CHECK(pair.client->verified_peer().has_value() == (pair.at_client.established == 1));
    if (pair.at_client.established == 0) {
        CHECK(pair.client->write("secret") == 0);
        // The client does not just go away. In TLS 1.3 mbedTLS 3.6 sends its alert without the
        // handshake keys.
        CHECK(pair.at_server.established == 0);
        CHECK(pair.at_server.broken_count == 1);
        if (version == Version::tls12) {
            CHECK(pair.at_server.broken.starts_with(
                "client ended the connection with a TLS alert: "));
        }
    } else {
        CHECK(pair.at_client.broken.empty());
        CHECK(pair.client->details().version ==
              (version == Version::tls12 ? "TLSv1.2" : "TLSv1.3"));
    }
    return {pair.at_client.established, pair.at_client.broken};
}

void accepted(const Recipe& recipe, std::string_view name = "mail.example.org") {
    const Maker leaf(recipe);
    for (const Version version : {Version::tls12, Version::tls13}) {
        const Outcome outcome = attempt(version, leaf, name);
        CHECK(outcome.reason == "");
        CHECK(outcome.established == 1);
    }
}

void refused(const Recipe& recipe, std::string_view reason,
             std::string_view name = "mail.example.org") {
    const Maker leaf(recipe);
    for (const Version version : {Version::tls12, Version::tls13}) {
        const Outcome outcome = attempt(version, leaf, name);
        CHECK(outcome.established == 0);
        CHECK(outcome.reason == reason);
    }
}

}  // namespace

TEST_CASE("a good certificate is accepted, with every kind of key") {
    accepted(good());
    for (const KeyKind kind : {KeyKind::p384, KeyKind::p521, KeyKind::rsa2048}) {
        Recipe recipe = good();
        recipe.key = kind;
        accepted(recipe);
    }
    Recipe no_usage = good();
    no_usage.use = Use::none;
    accepted(no_usage);
}

TEST_CASE("the certificate's time") {
    Recipe recipe = good();
    recipe.from = -24h * 10;
    recipe.until = -24h * 3 - 1h;
    refused(recipe, "certificate expired 3 days ago");
    recipe.until = -1h;
    refused(recipe, "certificate expired 1 hour ago");
    recipe = good();
    recipe.from = 24h;
    recipe.until = 48h;
    const Maker leaf(recipe);
    for (const Version version : {Version::tls12, Version::tls13}) {
        const Outcome outcome = attempt(version, leaf, "mail.example.org");
        CHECK(outcome.established == 0);
        CHECK(outcome.reason.starts_with("certificate is not valid before 20"));
        CHECK(outcome.reason.ends_with(" UTC"));
    }
}

TEST_CASE("the certificate's name") {
    Recipe recipe = good();
    refused(recipe, "certificate is for mail.example.org, not smtp.example.com",
            "smtp.example.com");
    refused(recipe, "certificate is for mail.example.org, not example.org", "example.org");
    refused(recipe, "certificate is for mail.example.org, not 192.0.2.1", "192.0.2.1");
    accepted(recipe, "MAIL.Example.ORG.");
    recipe.dns = {"a.example", "b.example", "c.example", "d.example", "e.example"};
    refused(recipe,
            "certificate is for a.example, b.example, c.example and 2 more, not mail.example.org");
    accepted(recipe, "e.example");
}

TEST_CASE("a common name is no name") {
    Recipe recipe = good();
    recipe.subject = "CN=mail.example.org";
    recipe.dns = {};
    refused(
        recipe,
        "certificate names no server in its subjectAltName (a common name does not count), so not "
        "mail.example.org");
    recipe.addresses = {std::string("\xC0\x00\x02\x01", 4)};
    refused(recipe, "certificate is for 192.0.2.1, not mail.example.org");
}

TEST_CASE("wildcards stand for the one left-most label") {
    Recipe recipe = good();
    recipe.dns = {"*.example.org"};
    accepted(recipe);
    refused(recipe, "certificate is for *.example.org, not example.org", "example.org");
    refused(recipe, "certificate is for *.example.org, not a.mail.example.org",
            "a.mail.example.org");
    for (const char* misuse :
         {"*.*", "*", "*.org", "m*.example.org", "*l.example.org", "mail.*.org", "*.*.org"}) {
        CAPTURE(misuse);
        recipe.dns = {misuse};
        refused(recipe, "certificate is for " + std::string(misuse) + ", not mail.example.org");
    }
}

TEST_CASE("an IP address needs an iPAddress entry") {
    Recipe recipe = good();
    recipe.dns = {};
    recipe.addresses = {address_octets("192.0.2.1"), address_octets("2001:db8::1")};
    accepted(recipe, "192.0.2.1");
    accepted(recipe, "[2001:db8::1]");
    accepted(recipe, "2001:DB8:0::1");
    refused(recipe, "certificate is for 192.0.2.1, 2001:db8::1, not 192.0.2.2", "192.0.2.2");
    // A DNS entry that spells the address: mbedTLS alone would take it.
    recipe.dns = {"192.0.2.1"};
    recipe.addresses = {};
    refused(recipe, "certificate is for 192.0.2.1, not 192.0.2.1", "192.0.2.1");
    // And the address of an IPv4 server mapped into IPv6 is another address.
    recipe.dns = {};
    recipe.addresses = {address_octets("::ffff:192.0.2.1")};
    refused(recipe, "certificate is for ::ffff:192.0.2.1, not 192.0.2.1", "192.0.2.1");
}

TEST_CASE("a NUL or line break in a name deceives neither the check nor the log") {
    Recipe recipe = good();
    recipe.dns = {std::string("mail.example.org\0.evil.example", 30)};
    refused(recipe, "certificate is for mail.example.org\\x00.evil.example, not mail.example.org");
    recipe.dns = {"x\r\nINFO all is well"};
    refused(recipe, "certificate is for x\\x0d\\x0aINFO all is well, not mail.example.org");
}

TEST_CASE("who issued it") {
    Recipe recipe = good();
    recipe.issuer = nullptr;
    refused(recipe, "certificate is self-signed; set ca_file to trust it");
    const Maker self_signed(recipe);
    // Trusted as itself, its name still counts.
    const auto itself = trusting(self_signed.pem);
    CHECK(attempt(Version::tls13, self_signed, "mail.example.org", {}, itself).established == 1);
    CHECK(attempt(Version::tls13, self_signed, "smtp.example.org", {}, itself).reason ==
          "certificate is for mail.example.org, not smtp.example.org");

    const Maker stranger(ca_recipe("CN=Some CA,O=Nobody"));
    recipe.issuer = &stranger;
    refused(recipe,
            "certificate was issued by an authority that is not trusted (issuer: CN=Some CA, "
            "O=Nobody)");
    // An authority of the same name with another key.
    const Maker impostor(ca_recipe());
    recipe.issuer = &impostor;
    refused(recipe,
            "certificate was issued by an authority that is not trusted (issuer: CN=Test CA)");
    // Somebody else's leaf is no authority.
    const Maker leaf(good());
    recipe.issuer = &leaf;
    recipe.subject = "CN=below";
    const Maker below(recipe);
    for (const Version version : {Version::tls12, Version::tls13}) {
        CHECK(attempt(version, below, "mail.example.org", leaf.pem).reason ==
              "certificate was issued by an authority that is not trusted (issuer: CN=leaf)");
    }
}

TEST_CASE("intermediate authorities") {
    Recipe middle = ca_recipe("CN=Middle");
    middle.issuer = &ca();
    Recipe recipe = good();
    for (const bool expired : {false, true}) {
        if (expired) {
            middle.from = -24h * 800;
            middle.until = -24h * 740;
        }
        const Maker intermediate(middle);
        recipe.issuer = &intermediate;
        const Maker leaf(recipe);
        for (const Version version : {Version::tls12, Version::tls13}) {
            const Outcome outcome = attempt(version, leaf, "mail.example.org", intermediate.pem);
            CHECK(outcome.reason ==
                  (expired ? "certificate of the issuer (CN=Middle) expired 2 years ago" : ""));
            CHECK(attempt(version, leaf, "mail.example.org").reason ==
                  "certificate was issued by an authority that is not trusted (issuer: CN=Middle)");
        }
    }
}

TEST_CASE("weak hashes and keys") {
    Recipe recipe = good();
    recipe.hash = MBEDTLS_MD_SHA1;
    refused(recipe, "certificate is signed with a weak hash (SHA-1 or MD5)");
    recipe = good();
    recipe.key = KeyKind::rsa1024;
    refused(recipe,
            "certificate has a key that is too short (RSA needs 2048 bits) or on an unknown curve");
}

TEST_CASE("several faults at once are all told") {
    Recipe recipe = good();
    recipe.issuer = nullptr;
    recipe.from = -24h * 9;
    recipe.until = -24h * 2 - 1h;
    refused(recipe,
            "certificate expired 2 days ago and is for mail.example.org, not smtp.example.com and "
            "is self-signed; "
            "set ca_file to trust it",
            "smtp.example.com");
}
