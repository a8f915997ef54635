// When a certificate is worth a word, and what is said of files that are none.
#include "app/certificates.hpp"

#include <doctest/doctest.h>

#include "tls/issue.hpp"
#include "unit/app/directory.hpp"

using namespace waxseal;
using namespace waxseal::app;
using namespace std::chrono_literals;
using testing::TemporaryDirectory;

TEST_CASE("a word from 30 days before") {
    const tls::Time now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 25};
    CHECK(expiry(now + 30 * 24h + 1s, now) == Expiry::far);
    CHECK(expiry(now + 30 * 24h, now) == Expiry::near);
    CHECK(expiry(now, now) == Expiry::near);
    CHECK(expiry(now - 1s, now) == Expiry::past);
    const CertificateNote note{"listener [::]:465", "/etc/tls.crt", "CN=a", now + 12 * 24h, "AB"};
    CHECK(expiry_line(note, now) ==
          "listener [::]:465: the certificate in /etc/tls.crt (CN=a) expires in 12 days "
          "(2026-12-07 00:00 UTC); put a new one there, then reload");
    CHECK(expiry_line(note, now + 14 * 24h).find("expired 2 days ago") != std::string::npos);
}

TEST_CASE("a chain is good until the first of it expires") {
    auto ca = tls::issue_ca("short-lived authority", 24h);
    REQUIRE(ca.has_value());
    auto leaf = tls::issue_leaf(
        *ca, {.dns_names = {"mail.example.test"}, .ip_addresses = {}, .valid_for = 12h});
    REQUIRE(leaf.has_value());
    const TemporaryDirectory directory;
    const config::Certificate files{
        directory.file("chain", ca->certificate_pem + leaf->certificate_pem),
        directory.file("key", leaf->key_pem.reveal())};
    const auto identity = read_identity(files, "upstream main");
    REQUIRE(identity.has_value());
    CHECK(identity->note.used_by == "upstream main");
    CHECK(identity->note.file == files.certificate_file);
    CHECK(identity->note.subject.find("authority") == std::string::npos);
    CHECK(expiry(identity->note.not_after, present()) == Expiry::near);
}

TEST_CASE("the error names the file that is bad, and holds nothing of it") {
    auto ca = tls::issue_ca("authority", 24h);
    REQUIRE(ca.has_value());
    const TemporaryDirectory directory;
    const std::string chain = directory.file("chain", ca->certificate_pem);
    const std::string key = directory.file("key", ca->key_pem.reveal());
    const std::string junk = directory.file("junk", "junk-of-mine");
    const std::string absent = directory.path() + "/absent";
    const auto error = [](const config::Certificate& files) {
        const auto identity = read_identity(files, "x");
        REQUIRE_FALSE(identity.has_value());
        CHECK(identity.error().text.find("junk-of-mine") == std::string::npos);
        return identity.error().text;
    };
    CHECK(error({absent, key}).starts_with(absent + ": cannot read the certificate: "));
    CHECK(error({chain, absent}).starts_with(absent + ": cannot read the private key: "));
    CHECK(error({junk, key}).starts_with(junk + ": "));
}
