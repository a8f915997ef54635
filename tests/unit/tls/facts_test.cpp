// What is told about certificates, and the self-signed one that a listener makes itself.
#include "maker.hpp"
#include "openssl.hpp"
#include "tls/certificate.hpp"
#include "tls/names.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;
using namespace std::chrono_literals;

TEST_CASE("how long a certificate is still good") {
    constexpr Time now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);
    CHECK(expiry_text(now + 24h * 12, now) == "expires in 12 days");
    CHECK(expiry_text(now + 24h * 3652, now) == "expires in 10 years");
    CHECK(expiry_text(now + 5h + 59min, now) == "expires in 5 hours");
    CHECK(expiry_text(now + 1h, now) == "expires in 1 hour");
    CHECK(expiry_text(now, now) == "expires in 1 minute");
    CHECK(expiry_text(now - 1s, now) == "expired 1 minute ago");
    CHECK(expiry_text(now - 24h * 3, now) == "expired 3 days ago");
    CHECK(date_text(now + 90min) == "2026-11-25 01:30 UTC");
}

TEST_CASE("the facts of a chain are those that OpenSSL prints") {
    const Folder folder;
    Recipe recipe;
    recipe.subject = "CN=mail.example.org,O=Example";
    recipe.dns = {"mail.example.org", "*.example.net", "x\ny"};
    recipe.addresses = {address_octets("192.0.2.1"), address_octets("2001:db8::1")};
    recipe.key = KeyKind::p384;
    const Maker leaf(recipe);
    Recipe rsa;
    rsa.subject = "CN=Other";
    rsa.key = KeyKind::rsa2048;
    rsa.issuer = &leaf;
    const auto facts = certificate_facts(leaf.pem + Maker(rsa).pem);
    REQUIRE(facts.has_value());
    REQUIRE(facts->size() == 2);
    const CertificateFacts& first = facts->front();
    CHECK(first.subject == "CN=mail.example.org, O=Example");
    CHECK(first.issuer == first.subject);
    CHECK(first.self_issued);
    CHECK(first.names == std::vector<std::string>{"mail.example.org", "*.example.net", "x\\x0ay",
                                                  "192.0.2.1", "2001:db8::1"});
    CHECK(first.key == "ECDSA P-384");
    CHECK(first.not_after - first.not_before == 25h);
    CHECK(facts->back().key == "RSA 2048");
    CHECK(facts->back().issuer == "CN=mail.example.org, O=Example");
    CHECK_FALSE(facts->back().self_issued);

    const std::string file = folder.write("c.pem", leaf.pem);
    openssl({"x509", "-in", file, "-noout", "-fingerprint", "-sha256", "-out", folder.path("f")});
    CHECK(folder.read("f").find("=" + first.fingerprint + "\n") != std::string::npos);
    openssl({"x509", "-in", file, "-noout", "-pubkey", "-out", folder.path("p.pem")});
    openssl({"pkey", "-pubin", "-in", folder.path("p.pem"), "-outform", "DER", "-out",
             folder.path("p.der")});
    openssl({"dgst", "-sha256", "-binary", "-out", folder.path("h"), folder.path("p.der")});
    CHECK(parse_pin(first.pin) == folder.read("h"));

    CHECK(certificate_facts("").error().text == "certificate: it is not in PEM form");
    CHECK(certificate_facts(leaf.pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
                                       "CERTIFICATE-----\n")
              .error()
              .text == "a certificate of the chain cannot be read");
}

TEST_CASE("a pin in each of its spellings, and what is none") {
    std::string octets;
    for (int i = 0; i < 32; ++i) octets += static_cast<char>(i * 7);
    const std::string base64 = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=";
    CHECK(parse_pin(base64) == octets);
    CHECK(parse_pin("sha256/" + base64) == octets);
    CHECK(pin_text(octets) == "sha256/" + base64);
    const std::string hex = "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9";
    CHECK(parse_pin(hex) == octets);
    std::string colons;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        colons += (i == 0 ? "" : ":") + hex.substr(i, 2);
    CHECK(parse_pin(colons) == octets);
    for (const std::string& bad :
         {std::string(), std::string("sha256/"), base64.substr(1), base64 + "=",
          base64.substr(0, 43), " " + base64, base64 + "\n", "sha1/" + base64, hex + "00",
          hex.substr(2), hex.substr(1), "0:" + hex.substr(1), std::string(64, 'g')}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_pin(bad).has_value());
    }
}

namespace {

const Issued& self_signed() {
    static const Issued value = [] {
        auto issued = issue_self_signed({{"printer.lan", "mail.example.org"}, {"192.0.2.1"}});
        REQUIRE_MESSAGE(issued.has_value(), (issued ? std::string() : issued.error().text));
        return std::move(*issued);
    }();
    return value;
}

}  // namespace

TEST_CASE("the self-signed certificate is what was asked for") {
    const auto facts = certificate_facts(self_signed().certificate_pem);
    REQUIRE(facts.has_value());
    CHECK(facts->front().subject == "CN=printer.lan");
    CHECK(facts->front().self_issued);
    CHECK(facts->front().key == "RSA 2048");
    CHECK(facts->front().names ==
          std::vector<std::string>{"printer.lan", "mail.example.org", "192.0.2.1"});
    CHECK(facts->front().not_after - facts->front().not_before == 24h * 3653);
    const auto now = std::chrono::system_clock::now();
    CHECK(facts->front().not_before < now - 23h);
    CHECK_FALSE(issue_self_signed({}).has_value());
    CHECK_FALSE(issue_self_signed({{}, {"nowhere"}}).has_value());
    const auto address_only = issue_self_signed({{}, {"192.0.2.1"}});
    REQUIRE(address_only.has_value());
    CHECK(certificate_facts(address_only->certificate_pem)->front().subject == "CN=waxseal");
}

TEST_CASE("the self-signed certificate is its own authority for OpenSSL, strictly, and for us") {
    const Folder folder;
    const std::string file = folder.write("self.pem", self_signed().certificate_pem);
    for (const char* name : {"printer.lan", "mail.example.org"}) {
        openssl({"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", file,
                 "-verify_hostname", name, file});
    }
    openssl({"verify", "-x509_strict", "-CAfile", file, "-verify_ip", "192.0.2.1", file});
    const auto server = serving(self_signed().certificate_pem, self_signed().key_pem.reveal());
    for (const char* name : {"printer.lan", "mail.example.org", "192.0.2.1"}) {
        Pair pair(trusting(self_signed().certificate_pem), server, name);
        pair.settle();
        CHECK(pair.at_client.established == 1);
    }
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Served served(server, {version, "-CAfile", file, "-verify_return_error", "-verify_hostname",
                               "printer.lan"});
        served.converse();
    }
}

TEST_CASE("the self-signed certificate serves RSA key exchange to an old device") {
    ServerOptions options;
    options.legacy_tls = true;
    options.identities.push_back({self_signed().certificate_pem, self_signed().key_pem.clone()});
    const auto context = server_context(options);
    REQUIRE(context.has_value());
    const Folder folder;
    const std::string file = folder.write("self.pem", self_signed().certificate_pem);
    Served served(*context, {"-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0", "-CAfile", file,
                             "-verify_return_error"});
    served.converse();
    CHECK(served.connection.engine->details().cipher_suite == "TLS_RSA_WITH_AES_128_CBC_SHA");
}
