// Where trust comes from, what certificates our servers take, and certificates made in memory.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "maker.hpp"
#include "openssl.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

std::string client_error(const std::string& ca_file) {
    ClientOptions options;
    options.ca_file = ca_file;
    const auto context = client_context(options);
    return context ? "" : context.error().text;
}

std::string server_error(const std::string& certificate, std::string_view key) {
    const auto context = server_context(CertifiedKey{certificate, Secret(key)});
    return context ? "" : context.error().text;
}

// The variable as it was, whatever the test did.
class Variable {
  public:
    explicit Variable(const char* name) : name_(name) {
        if (const char* value = std::getenv(name)) before_ = value;
    }
    ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    void set(const std::string& value) { ::setenv(name_, value.c_str(), 1); }

  private:
    const char* name_;
    std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("a ca_file is read, or the error names it") {
    const Folder folder;
    const std::string& pem = usual().identity.ca.certificate_pem;
    const std::string broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    CHECK(client_error(folder.write("good.pem", pem)).empty());
    CHECK(client_error(folder.write("mixed.pem", "a comment\n" + broken + pem + broken)).empty());
    const auto error = [&](std::string_view name, std::string_view content) {
        const std::string file = folder.write(name, content);
        const std::string text = client_error(file);
        CHECK(text.starts_with(file + ": "));
        return text.substr(std::min(text.size(), file.size() + 2));
    };
    CHECK(error("empty.pem", "") == "no certificate in it can be read; it is not in PEM form");
    CHECK(error("text.pem", "hello\n") ==
          "no certificate in it can be read; it is not in PEM form");
    CHECK(error("broken.pem", broken).starts_with("no certificate in it can be read"));
    CHECK(error("key.pem", usual().identity.leaf.key_pem.reveal())
              .starts_with("no certificate in it can be read"));
    CHECK(client_error(folder.path("missing.pem")) ==
          folder.path("missing.pem") + ": No such file or directory");
    CHECK(client_error(folder.path("")) == folder.path("") + ": is not a file");
    CHECK(client_error("/dev/zero") == "/dev/zero: is not a file");
}

TEST_CASE("the system's trust store: SSL_CERT_FILE first, and a Debian bundle is taken") {
    const Folder folder;
    Variable variable("SSL_CERT_FILE");
    const std::string file = folder.write("store.pem", usual().identity.ca.certificate_pem);
    variable.set(file);
    const auto context = client_context({});
    REQUIRE(context.has_value());
    Pair trusted(*context, usual().server);
    trusted.settle();
    CHECK(trusted.at_client.established == 1);

    variable.set(folder.path("missing"));
    const auto missing = client_context({});
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().text ==
          "SSL_CERT_FILE: " + folder.path("missing") + ": No such file or directory");

    variable.set("");
    if (!std::filesystem::exists("/etc/ssl/certs/ca-certificates.crt")) return;
    const auto system = client_context({});
    REQUIRE(system.has_value());
    Pair untrusted(*system, usual().server);
    untrusted.settle();
    CHECK(untrusted.at_client.broken ==
          "certificate was issued by an authority that is not trusted (issuer: CN=Test CA)");
}

TEST_CASE("a certificate our servers cannot use is an error") {
    const Issued& leaf = usual().identity.leaf;
    const Maker other{Recipe{}};
    CHECK(server_error(leaf.certificate_pem, leaf.key_pem.reveal()).empty());
    CHECK(server_error(leaf.certificate_pem, other.key_pem) ==
          "the private key is not that of the certificate");
    CHECK(server_error("", leaf.key_pem.reveal()).starts_with("certificate: "));
    CHECK(server_error(leaf.certificate_pem, "").starts_with("private key: "));
    CHECK(server_error(leaf.certificate_pem +
                           "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                       leaf.key_pem.reveal()) == "a certificate of the chain cannot be read");
}

TEST_CASE("certificates made in memory") {
    const auto ca = issue_ca("Demo CA", std::chrono::hours(24));
    REQUIRE(ca.has_value());
    CHECK_FALSE(issue_ca("", std::chrono::hours(24)).has_value());
    CHECK_FALSE(issue_ca("CN,with=syntax", std::chrono::hours(24)).has_value());
    const auto none = issue_leaf(*ca, {});
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().text == "making a certificate: it would name no server");
    CHECK_FALSE(issue_leaf(*ca, {{}, {"not an address"}}).has_value());
    CHECK_FALSE(issue_leaf(Issued{}, {{"localhost"}, {}}).has_value());

    const auto leaf = issue_leaf(*ca, {{"localhost", "mail.example.org"}, {"127.0.0.1", "::1"}});
    REQUIRE(leaf.has_value());
    const auto server = serving(leaf->certificate_pem, leaf->key_pem.reveal());
    for (const char* name : {"localhost", "mail.example.org", "127.0.0.1", "[::1]"}) {
        CAPTURE(name);
        Pair pair(trusting(ca->certificate_pem), server, name);
        pair.settle();
        CHECK(pair.at_client.established == 1);
    }
}

TEST_CASE("what issue.hpp makes satisfies OpenSSL's strict check") {
    const Folder folder;
    const Identity identity =
        make_identity({{"mail.example.org"}, {"192.0.2.1"}, std::chrono::hours(24)});
    const std::string ca = folder.write("ca.pem", identity.ca.certificate_pem);
    const std::string leaf = folder.write("leaf.pem", identity.leaf.certificate_pem);
    openssl({"verify", "-x509_strict", "-CAfile", ca, "-purpose", "sslserver", "-verify_hostname",
             "mail.example.org", leaf});
    openssl({"verify", "-x509_strict", "-CAfile", ca, "-verify_ip", "192.0.2.1", leaf});
}

TEST_CASE("an expired certificate can be asked for") {
    const Identity identity = make_identity({{"mail.example.org"}, {}, std::chrono::hours(-25)});
    Pair pair(trusting(identity.ca.certificate_pem),
              serving(identity.leaf.certificate_pem, identity.leaf.key_pem.reveal()));
    pair.settle();
    CHECK(pair.at_client.broken == "certificate expired 25 hours ago");
}
