// Sessions with a real server, resumed: as the server sees it, and as we do.
#include "maker.hpp"
#include "openssl.hpp"
#include "raw_server.hpp"
#include "tls/certificate.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;
using namespace std::chrono_literals;

namespace {

using Options = std::vector<std::string>;

const Maker& ca() {
    static const Maker value([] {
        Recipe recipe;
        recipe.subject = "CN=Test CA";
        recipe.authority = true;
        return recipe;
    }());
    return value;
}

Recipe good() {
    Recipe recipe;
    recipe.dns = {"mail.example.org", "smtp.example.org"};
    recipe.issuer = &ca();
    return recipe;
}

struct Seen {
    bool resumed = false;  // by us
    bool reused = false;   // by the server
    bool verified = false;
    std::string version{};
    std::string broken{};
};

// A server, which may be replaced by another one, and a client's context.
struct Provider {
    explicit Provider(Options options, const Recipe& recipe = good())
        : leaf(recipe),
          certificate(folder.write("cert.pem", leaf.pem)),
          key(folder.write("key.pem", leaf.key_pem)) {
        restart(std::move(options));
    }
    void restart(Options options) {
        options.insert(options.end(), {"-cert", certificate, "-key", key});
        server = std::make_unique<OpensslServer>(std::move(options));
    }
    Seen visit(std::string_view name = "mail.example.org", std::string_view upstream = "main") {
        return visit(context, name, upstream);
    }
    // A line each way, and an orderly end.
    Seen visit(const std::shared_ptr<const ClientContext>& with, std::string_view name,
               std::string_view upstream) {
        const std::size_t before = server->output().size();
        Connection connection(server->port(), with, name, upstream);
        Engine& engine = *connection.engine;
        connection.until_established_or_ended();
        Seen seen;
        seen.broken = connection.told.broken;
        if (seen.broken != "") return seen;
        seen.resumed = engine.details().resumed;
        seen.verified = engine.verified_peer().has_value();
        seen.version = engine.details().version;
        CHECK(engine.details().cipher_suite.starts_with("TLS_"));
        const std::string line = "EHLO visit " + std::to_string(++visits) + '.';
        write_all(engine, line + "\r\n");
        connection.until([&] { return engine.output().empty(); });
        const std::string printed = server->printed(line);
        CHECK(printed.find(line) != std::string::npos);
        seen.reused = printed.find("Reused session-id", before) != std::string::npos;
        server->type("250 served\n");
        connection.until([&] { return connection.told.data.ends_with("250 served\n"); });
        engine.close();
        connection.until_ended();
        CHECK(connection.told.closed == 1);
        return seen;
    }
    [[nodiscard]] std::size_t kept() const { return context->sessions.size(); }

    Folder folder;
    Maker leaf;
    std::string certificate;
    std::string key;
    std::unique_ptr<OpensslServer> server;
    std::shared_ptr<const ClientContext> context = trusting(ca().pem);
    int visits = 0;
};

void check_full(const Seen& seen) {
    CHECK(seen.broken == "");
    CHECK(seen.verified);
    CHECK_FALSE(seen.resumed);
    CHECK_FALSE(seen.reused);
}

void check_resumed(const Seen& seen) {
    CHECK(seen.broken == "");
    CHECK(seen.verified);
    CHECK(seen.resumed);
    CHECK(seen.reused);
}

const Options kinds[] = {{"-tls1_2"}, {"-tls1_2", "-no_ticket"}, {"-tls1_3"}, {}};
const std::string place = "main\nmail.example.org";

Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// Whatever is kept, changed.
template <typename Change>
void change(const Provider& provider, Change how) {
    std::vector<KeptSession> all;
    const std::size_t count = provider.kept();  // of this place alone
    while (auto kept = provider.context->sessions.take(place, now())) {
        const bool last = all.size() + 1 == count;
        how(*kept);
        all.push_back(std::move(*kept));
        if (last) break;
    }
    REQUIRE_FALSE(all.empty());
    provider.context->sessions.forget(place);
    for (auto& kept : all) provider.context->sessions.keep(place, std::move(kept), now());
}

}  // namespace

TEST_CASE("the second connection is resumed, as both sides say, in each way there is") {
    for (const Options& kind : kinds) {
        CAPTURE(kind.size());
        Provider provider(kind);
        check_full(provider.visit());
        CHECK(provider.kept() > 0);
        for (int i = 0; i < 4; ++i) check_resumed(provider.visit());
    }
}

TEST_CASE("many at once, all resumed, though the first has brought two tickets") {
    for (const Options& kind : kinds) {
        Provider provider(kind);
        check_full(provider.visit());
        std::vector<std::unique_ptr<Engine>> waiting;
        for (int i = 0; i < 5; ++i) {
            waiting.push_back(*Engine::client(provider.context, "mail.example.org", "main"));
            CHECK(waiting.back()->offered_session());
        }
        CHECK(provider.kept() == 1);
        for (int i = 0; i < 3; ++i) check_resumed(provider.visit());
        CHECK(provider.kept() >= 1);
    }
}

TEST_CASE("nothing is kept or offered without an upstream") {
    for (const Options& kind : kinds) {
        Provider provider(kind);
        for (int i = 0; i < 2; ++i) check_full(provider.visit("mail.example.org", ""));
        CHECK(provider.kept() == 0);
    }
}

TEST_CASE("never for another name, another upstream or another context") {
    for (const Options& kind : kinds) {
        Provider provider(kind);
        check_full(provider.visit());
        check_full(provider.visit("smtp.example.org"));
        check_full(provider.visit("mail.example.org", "other"));
        check_full(provider.visit(trusting(ca().pem), "mail.example.org", "main"));
        check_resumed(provider.visit());
        const Seen wrong = provider.visit("mail.example.com");
        CHECK(wrong.broken ==
              "certificate is for mail.example.org, smtp.example.org, not mail.example.com");
    }
}

TEST_CASE("a server that forgot, or refuses: a full handshake, and a verified one") {
    for (const Options& kind : kinds) {
        CAPTURE(kind.size());
        Provider provider(kind);
        check_full(provider.visit());
        provider.restart(kind);
        check_full(provider.visit());
        // The certificate is looked at again: there is nothing for the old one to vouch for.
        provider.restart(kind);
        provider.context->sessions.forget(place);
        check_full(provider.visit());
        const Maker stranger([] {
            Recipe recipe = good();
            recipe.issuer = nullptr;
            return recipe;
        }());
        provider.certificate = provider.folder.write("other.pem", stranger.pem);
        provider.key = provider.folder.write("other-key.pem", stranger.key_pem);
        provider.restart(kind);
        const Seen seen = provider.visit();
        CHECK(seen.broken.starts_with("certificate is self-signed"));
        CHECK_FALSE(seen.verified);
        CHECK(provider.kept() == 0);
    }
}

TEST_CASE("a server without X25519 asks again, with a ticket too") {
    Provider provider({"-tls1_3", "-groups", "P-384"});
    check_full(provider.visit());
    check_resumed(provider.visit());
    provider.restart({"-tls1_3", "-groups", "P-384"});
    check_full(provider.visit());
}

TEST_CASE("a certificate that has expired since is never vouched for by a session") {
    for (const Options& kind : kinds) {
        Provider provider(kind);
        check_full(provider.visit());
        CHECK(provider.context->sessions.take(place, now() + 25h) == std::nullopt);
        check_full(provider.visit());
        // Within the day, when the certificate is nearer to its end.
        change(provider, [](KeptSession& kept) { kept.proof.valid_to = now() - 1s; });
        CHECK(provider.kept() == 0);
        check_full(provider.visit());
        check_resumed(provider.visit());
    }
    Recipe recipe = good();
    recipe.until = 2h;
    for (const Options& kind : kinds) {
        Provider provider(kind, recipe);
        check_full(provider.visit());
        CHECK(provider.context->sessions.take(place, now() + 3h) == std::nullopt);
    }
}

TEST_CASE("expired during the handshake: not verified") {
    for (const Options& kind : kinds) {
        Provider provider(kind);
        check_full(provider.visit());
        change(provider, [](KeptSession& kept) { kept.proof.valid_to = now() + 1s; });
        Connection connection(provider.server->port(), provider.context, "mail.example.org",
                              "main");
        const Time offered = now();
        while (now() < offered + 3s) {
        }
        connection.until_established_or_ended();
        CHECK(connection.told.broken == "certificate was not verified");
        CHECK(connection.told.established == 0);
        CHECK_FALSE(connection.engine->verified_peer().has_value());
        CHECK(provider.kept() == 0);
    }
}

TEST_CASE("what is kept may be garbage: a full handshake") {
    for (const Options& kind : kinds) {
        for (const std::size_t at : {0U, 4U, 8U, 40U, 90U}) {
            CAPTURE(at);
            Provider provider(kind);
            check_full(provider.visit());
            change(provider, [&](KeptSession& kept) {
                std::string octets(kept.octets.reveal().substr(0, at));
                kept.octets = Secret::adopt(std::move(octets));
            });
            check_full(provider.visit());
        }
    }
}

TEST_CASE("pins: kept with the session, and asked for again") {
    const auto facts = certificate_facts(ca().pem);
    REQUIRE(facts.has_value());
    for (const PinMode mode : {PinMode::beside, PinMode::instead}) {
        for (const Options& kind : kinds) {
            Provider provider(kind);
            const auto of =
                certificate_facts(mode == PinMode::beside ? ca().pem : provider.leaf.pem);
            ClientOptions options;
            options.ca_pem = mode == PinMode::beside ? ca().pem : "";
            options.pins = {*parse_pin(of->front().pin)};
            options.pin_mode = mode;
            provider.context = *client_context(options);
            check_full(provider.visit());
            check_resumed(provider.visit());
            change(provider, [](KeptSession& kept) { kept.proof.pinned = std::string(32, 'x'); });
            check_full(provider.visit());
        }
    }
}

TEST_CASE("a server that speaks another version since: one failure, then full handshakes") {
    for (const bool older : {true, false}) {
        Provider provider({older ? "-tls1_3" : "-tls1_2"});
        check_full(provider.visit());
        provider.restart({older ? "-tls1_2" : "-tls1_3"});
        const Seen failed = provider.visit();
        CHECK(failed.broken != "");
        CHECK(provider.kept() == 0);
        for (int i = 0; i < 2; ++i) check_full(provider.visit());
        CHECK(provider.kept() == 0);
    }
}

TEST_CASE("an older version does not stick when the server learns a newer one") {
    Provider provider({"-tls1_2"});
    check_full(provider.visit());
    provider.restart({});
    CHECK(provider.visit().version == "TLSv1.2");
    provider.restart({});
    const Seen seen = provider.visit();
    check_full(seen);
    CHECK(seen.version == "TLSv1.3");
}
