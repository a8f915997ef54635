// Pins beside and instead of a CA, and the limits of the version.
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

Recipe ca_recipe(std::string subject) {
    Recipe recipe;
    recipe.subject = std::move(subject);
    recipe.authority = true;
    return recipe;
}

const Maker& ca() {
    static const Maker value(ca_recipe("CN=Test CA"));
    return value;
}

Recipe good() {
    Recipe recipe;
    recipe.dns = {"mail.example.org"};
    recipe.issuer = &ca();
    return recipe;
}

std::string pin_of(const Maker& maker) {
    const auto facts = certificate_facts(maker.pem);
    REQUIRE(facts.has_value());
    const auto pin = parse_pin(facts->front().pin);
    REQUIRE(pin.has_value());
    return *pin;
}

std::shared_ptr<const ClientContext> pinning(PinMode mode, std::vector<std::string> pins) {
    ClientOptions options;
    if (mode == PinMode::beside) options.ca_pem = ca().pem;
    options.ca_file = mode == PinMode::instead ? "/nonexistent" : "";
    options.pins = std::move(pins);
    options.pin_mode = mode;
    auto context = client_context(options);
    REQUIRE_MESSAGE(context.has_value(), (context ? std::string() : context.error().text));
    return *context;
}

// The reason, empty when the client is established.
std::string outcome(const std::shared_ptr<const ClientContext>& client, Version version,
                    const Maker& leaf, const std::string& chain = {},
                    std::string_view name = "mail.example.org") {
    Pair pair(client, serving_only(version, leaf.pem + chain, leaf.key_pem), name);
    pair.settle();
    CHECK(pair.at_client.established + pair.at_client.broken_count == 1);
    CHECK(pair.client->verified_peer().has_value() == (pair.at_client.established == 1));
    if (pair.at_client.established == 0) CHECK(pair.at_server.established == 0);
    return pair.at_client.broken;
}

const std::string wrong_pin(32, 'x');

}  // namespace

TEST_CASE("beside a CA: a pinned key anywhere in the verified chain, and all the rest as ever") {
    const Maker middle([] {
        Recipe recipe = ca_recipe("CN=Middle");
        recipe.issuer = &ca();
        return recipe;
    }());
    Recipe recipe = good();
    recipe.issuer = &middle;
    const Maker leaf(recipe);
    const Maker stranger(ca_recipe("CN=Stranger"));
    const std::string mismatch =
        "the server's public key is not the pinned one: it is " + pin_text(pin_of(leaf));
    for (const Version version : versions) {
        for (const Maker* pinned : {&leaf, &middle, &ca()}) {
            CHECK(outcome(pinning(PinMode::beside, {wrong_pin, pin_of(*pinned)}), version, leaf,
                          middle.pem) == "");
        }
        CHECK(outcome(pinning(PinMode::beside, {wrong_pin}), version, leaf, middle.pem) ==
              mismatch);
        // A certificate that is sent along but is no part of the verified chain does not count.
        CHECK(outcome(pinning(PinMode::beside, {pin_of(stranger)}), version, leaf,
                      middle.pem + stranger.pem) == mismatch);
        // A pin excuses nothing.
        const auto pinned = pinning(PinMode::beside, {pin_of(leaf)});
        CHECK(outcome(pinned, version, leaf, middle.pem, "smtp.example.com") ==
              "certificate is for mail.example.org, not smtp.example.com");
        CHECK(outcome(pinned, version, leaf) ==
              "certificate was issued by an authority that is not trusted (issuer: CN=Middle)");
        CHECK(outcome(pinning(PinMode::beside, {wrong_pin}), version, leaf, middle.pem,
                      "smtp.example.com") ==
              "certificate is for mail.example.org, not smtp.example.com; " + mismatch);
    }
}

TEST_CASE("instead of a CA: the server's own key counts, and nothing else") {
    Recipe recipe = good();
    recipe.issuer = nullptr;
    recipe.dns = {"other.example"};
    recipe.from = -24h * 9;
    recipe.until = -24h * 3;
    const Maker expired(recipe);
    const Maker issued(good());
    const Maker weak([] {
        Recipe r = good();
        r.hash = MBEDTLS_MD_SHA1;
        r.key = KeyKind::rsa1024;
        return r;
    }());
    for (const Version version : versions) {
        CHECK(outcome(pinning(PinMode::instead, {pin_of(expired)}), version, expired) == "");
        CHECK(outcome(pinning(PinMode::instead, {wrong_pin, pin_of(issued)}), version, issued) ==
              "");
        CHECK(outcome(pinning(PinMode::instead, {pin_of(issued)}), version, issued, {},
                      "192.0.2.1") == "");
        for (const Maker* other : {&expired, &issued, &weak}) {
            CHECK(outcome(pinning(PinMode::instead, {wrong_pin}), version, *other) ==
                  "the server's public key is not the pinned one: it is " +
                      pin_text(pin_of(*other)));
        }
        // The issuer's key is not the server's.
        CHECK(outcome(pinning(PinMode::instead, {pin_of(ca())}), version, issued, ca().pem)
                  .starts_with("the server's public key is not the pinned one"));
    }
    // A renewed certificate with the same key keeps its pin.
    CHECK(pin_of(Maker([] {
              Recipe r = good();
              r.key = KeyKind::rsa2048;
              return r;
          }())) == pin_of(Maker([] {
              Recipe r = good();
              r.key = KeyKind::rsa2048;
              r.dns = {"renewed.example.org"};
              return r;
          }())));
}

TEST_CASE("a copy of the pinned certificate without its key is worth nothing") {
    const Maker pinned(good());
    const Maker thief(good());
    // The context refuses such a pair, so it is put together behind its back.
    auto context = serving_only(Version::tls13, thief.pem, thief.key_pem);
    auto* chain = context->own.front()->chain.get();
    mbedtls_x509_crt_free(chain);
    mbedtls_x509_crt_init(chain);
    REQUIRE(mbedtls_x509_crt_parse(chain,
                                   reinterpret_cast<const unsigned char*>(pinned.pem.c_str()),
                                   pinned.pem.size() + 1) == 0);
    for (const Version version : versions) {
        limit(context->config.get(), version);
        Pair pair(pinning(PinMode::instead, {pin_of(pinned)}), context);
        pair.settle();
        CHECK(pair.at_client.established == 0);
        CHECK(pair.at_client.ends() == 1);
        CHECK_FALSE(pair.client->verified_peer().has_value());
    }
}

TEST_CASE("a real server by its pin, in both versions") {
    const Folder folder;
    openssl({"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.path("k.pem"),
             "-out", folder.path("c.pem"), "-subj", "/CN=self"});
    openssl(
        {"x509", "-in", folder.path("c.pem"), "-pubkey", "-noout", "-out", folder.path("p.pem")});
    openssl({"pkey", "-pubin", "-in", folder.path("p.pem"), "-outform", "DER", "-out",
             folder.path("p.der")});
    openssl({"dgst", "-sha256", "-binary", "-out", folder.path("hash"), folder.path("p.der")});
    const std::string pin = folder.read("hash");
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        OpensslServer server(
            {version, "-cert", folder.path("c.pem"), "-key", folder.path("k.pem")});
        Connection connection(server.port(), pinning(PinMode::instead, {pin}), "127.0.0.1");
        connection.until_established_or_ended();
        CHECK(connection.told.broken == "");
        CHECK(connection.engine->verified_peer().has_value());
    }
}

TEST_CASE("pins that cannot be are errors") {
    const auto error = [](std::vector<std::string> pins, PinMode mode) {
        ClientOptions options;
        options.ca_pem = ca().pem;
        options.pins = std::move(pins);
        options.pin_mode = mode;
        const auto context = client_context(options);
        return context ? "" : context.error().text;
    };
    CHECK(error({}, PinMode::beside) == "");
    CHECK(error({}, PinMode::instead) == "pins instead of a CA, but no pin");
    for (const PinMode mode : {PinMode::beside, PinMode::instead}) {
        for (const std::size_t size : {0U, 31U, 33U}) {
            CHECK(error({wrong_pin, std::string(size, 'x')}, mode) ==
                  "a pin is the SHA-256 of a public key, 32 octets");
        }
    }
}

TEST_CASE("the version's limits, and a server beyond them") {
    const Folder folder;
    const Maker leaf(good());
    const std::string certificate = folder.write("c.pem", leaf.pem);
    const std::string key = folder.write("k.pem", leaf.key_pem);
    for (const Version version : versions) {
        const bool old = version == Version::tls12;
        OpensslServer both({"-cert", certificate, "-key", key});
        Connection limited(both.port(), trusting_only(version, ca().pem), "mail.example.org");
        limited.until_established_or_ended();
        CHECK(limited.told.broken == "");
        CHECK(limited.engine->details().version == (old ? "TLSv1.2" : "TLSv1.3"));

        OpensslServer other({old ? "-tls1_3" : "-tls1_2", "-cert", certificate, "-key", key});
        Connection refused(other.port(), trusting_only(version, ca().pem), "mail.example.org");
        refused.until_established_or_ended();
        CHECK(refused.told.broken.starts_with("server does not offer " +
                                              std::string(old ? "TLS 1.2" : "TLS 1.3") +
                                              ", the only version that is allowed for it"));
    }
    ClientOptions options;
    options.ca_pem = ca().pem;
    options.min_version = ProtocolVersion::tls13;
    options.max_version = ProtocolVersion::tls12;
    const auto context = client_context(options);
    REQUIRE_FALSE(context.has_value());
    CHECK(context.error().text == "the lowest TLS version is above the highest");
}
