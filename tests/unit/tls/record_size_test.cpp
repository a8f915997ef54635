// Records as large as TLS allows, and one octet larger, towards both of our roles, before and after
// the handshake.
#include "flight.hpp"
#include "sealed.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

constexpr Version versions[] = {Version::tls12, Version::tls13};
constexpr std::size_t content_limit = 16384;
constexpr int record_overflow = 22;

std::string not_a_record(bool client) {
    return std::string(client ? "server" : "client") + " sent something that is not a TLS record";
}

std::unique_ptr<Engine> engine_of(bool client) {
    auto made = client ? Engine::client(usual().client, "mail.example.org")
                       : Engine::server(usual().server);
    REQUIRE(made.has_value());
    return std::move(*made);
}

std::unique_ptr<RawPeer, void (*)(RawPeer*)> peer_of(bool client, Version version) {
    if (client) {
        auto context = serving_only(version, usual().identity.leaf.certificate_pem,
                                    usual().identity.leaf.key_pem.reveal());
        only_chacha(context->config.get());
        return {new RawServer(context), [](RawPeer* p) { delete static_cast<RawServer*>(p); }};
    }
    auto context = trusting_only(version, usual().identity.ca.certificate_pem);
    only_chacha(context->config.get());
    return {new RawClient(context), [](RawPeer* p) { delete static_cast<RawClient*>(p); }};
}

// Our engine in either role, established, and the keys of its peer.
struct Joined {
    Joined(bool client, Version version)
        : client_role(client),
          peer(peer_of(client, version)),
          sealer(*peer, !client),
          engine(engine_of(client)) {
        peer->shake_hands(*engine, told);
        REQUIRE(told.ends() == 0);
    }
    void deliver(std::string_view octets) {
        engine->receive(octets);
        drain(*engine, told);
    }
    // It has ended, nothing of it was data, and the peer is told why.
    void check_overflow() {
        CHECK(told.data == "");
        CHECK(told.broken == not_a_record(client_role));
        CHECK(told.ends() == 1);
        CHECK(engine->buffered() == 0);
        int code = 0;
        peer->read(take_output(*engine), code);
        CHECK(code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
        CHECK(peer->last_message() == "\x02\x16");  // fatal, record_overflow
    }

    bool client_role;
    std::unique_ptr<RawPeer, void (*)(RawPeer*)> peer;
    Sealer sealer;
    std::unique_ptr<Engine> engine;
    Told told;
};

std::string header(int type, std::size_t size) {
    return {static_cast<char>(type), '\x03', '\x03', static_cast<char>(size >> 8U),
            static_cast<char>(size)};
}

}  // namespace

TEST_CASE("the largest record is data like any other") {
    for (const bool client : {false, true}) {
        for (const Version version : versions) {
            Joined joined(client, version);
            const std::string content(content_limit, 'x');
            joined.deliver(joined.sealer.seal(version, content));
            CHECK(joined.told.broken == "");
            CHECK(joined.told.data == content);
        }
        // TLS 1.3: padding is not content, but counts.
        Joined padded(client, Version::tls13);
        padded.deliver(padded.sealer.seal(Version::tls13, "x", content_limit - 1));
        CHECK(padded.told.data == "x");
    }
}

TEST_CASE("one octet more, truly encrypted, is refused with record_overflow") {
    for (const bool client : {false, true}) {
        CAPTURE(client);
        for (const Version version : versions) {
            for (const std::size_t more : {1U, 100U, 239U}) {
                CAPTURE(more);
                Joined joined(client, version);
                const std::string content(content_limit + more, 'x');
                joined.deliver(joined.sealer.seal(version, content));
                joined.check_overflow();
            }
        }
        for (const std::size_t padding : {0U, 1U, 239U, 240U, 300U, 2000U}) {
            CAPTURE(padding);
            Joined padded(client, Version::tls13);
            padded.deliver(padded.sealer.seal(Version::tls13, "x", content_limit + padding));
            padded.check_overflow();
        }
    }
}

TEST_CASE("a length that no record has is refused before its octets are there") {
    for (const bool client : {false, true}) {
        CAPTURE(client);
        for (const Version version : versions) {
            const std::size_t expansion = version == Version::tls12 ? 2048 : 256;
            for (const std::size_t size : {content_limit + expansion + 1, std::size_t{65535}}) {
                CAPTURE(size);
                Joined joined(client, version);
                joined.deliver(header(23, size));
                joined.check_overflow();
            }
        }
    }
}

TEST_CASE("in the handshake too, a length that no record has") {
    for (const bool client : {false, true}) {
        CAPTURE(client);
        for (const std::size_t size :
             {content_limit + 1, content_limit + 257, content_limit + 2049, std::size_t{65535}}) {
            CAPTURE(size);
            auto engine = engine_of(client);
            take_output(*engine);
            Told told;
            engine->receive(header(22, size) + std::string(size, '\1'));
            drain(*engine, told);
            CHECK(told.broken == not_a_record(client));
            CHECK(told.ends() == 1);
            CHECK(last_alert(engine->output()) == record_overflow);
            CHECK(engine->buffered() == 0);
        }
    }
}
