// What a hostile client may do to our server: floods, renegotiation, KeyUpdate, tiny and huge
// messages.
#include "base/limits.hpp"
#include "flight.hpp"
#include "gcm_levels.hpp"
#include "raw_server.hpp"
#include "tls/hello.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

constexpr Version versions[] = {Version::tls12, Version::tls13};

std::unique_ptr<Engine> new_server() {
    auto made = Engine::server(usual().server);
    REQUIRE(made.has_value());
    return std::move(*made);
}

// An established server with a bare client at the other end.
struct Joined {
    explicit Joined(Version version)
        : client(trusting_only(version, usual().identity.ca.certificate_pem)),
          server(new_server()) {
        client.shake_hands(*server, told);
        REQUIRE(told.ends() == 0);
    }
    void deliver() {
        server->receive(client.take());
        drain(*server, told);
    }

    RawClient client;
    std::unique_ptr<Engine> server;
    Told told;
};

std::string record(std::string_view content) {
    std::string octets("\x16\x03\x01", 3);
    octets += static_cast<char>(content.size() >> 8U);
    octets += static_cast<char>(content.size());
    return octets + std::string(content);
}

// The first flight of a real client, without its record header.
std::string client_hello() {
    auto client = Engine::client(usual().client, "mail.example.org");
    REQUIRE(client.has_value());
    return take_output(**client).substr(5);
}

}  // namespace

TEST_CASE("renegotiation is refused, a thousand times is too often") {
    Joined joined(Version::tls12);
    joined.client.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, client_hello());
    joined.deliver();
    CHECK(joined.told.ends() == 0);
    int code = 0;
    joined.client.read(take_output(*joined.server), code);
    CHECK(joined.client.last_message() == "\x01\x64");  // a warning, no_renegotiation
    joined.client.send_data("NOOP\r\n");
    joined.deliver();
    CHECK(joined.told.data == "NOOP\r\n");
    CHECK(joined.told.established == 1);
    for (int i = 0; i < 1000; ++i)
        joined.client.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, client_hello());
    joined.deliver();
    CHECK(joined.told.broken == "client sends many TLS records without content");
    CHECK(take_output(*joined.server).size() < 10'000);
}

TEST_CASE("a KeyUpdate ends the connection, what came before it is not lost") {
    for (const int count : {1, 100'000}) {
        Joined joined(Version::tls13);
        joined.client.send_data("MAIL\r\n");
        const char request = 1;
        for (int i = 0; i < count; ++i) {
            joined.client.send_record(MBEDTLS_SSL_MSG_HANDSHAKE,
                                      handshake_message(24, {&request, 1}));
        }
        joined.deliver();
        CHECK(joined.told.data == "MAIL\r\n");
        CHECK(joined.told.broken == "client sent a TLS 1.3 KeyUpdate, which is not supported");
        CHECK(joined.told.ends() == 1);
        CHECK(joined.server->buffered() == 0);
        CHECK(joined.server->output().size() < 100);
    }
}

TEST_CASE("records of one octet are data like any other") {
    for (const Version version : versions) {
        Joined joined(version);
        for (int i = 0; i < 5000; ++i) joined.client.send_data("x");
        joined.deliver();
        CHECK(joined.told.data == std::string(5000, 'x'));
        CHECK(joined.told.ends() == 0);
    }
}

TEST_CASE("a flood of warnings or of empty records is bounded") {
    for (const Version version : versions) {
        Joined warned(version);
        for (std::size_t i = 0; i <= limits::tls_quiet_records; ++i)
            warned.client.send_alert(1, 90);
        warned.client.send_data("never seen");
        warned.deliver();
        CHECK(warned.told.broken == "client sends many TLS records without content");
        CHECK(warned.told.data.empty());

        Joined empty(version);
        for (int i = 0; i < 70; ++i) empty.client.send_data("");
        empty.client.send_data("never seen");
        empty.deliver();
        CHECK(empty.told.broken_count == 1);
        CHECK(empty.told.data.empty());
    }
    // Before the handshake as well.
    auto server = new_server();
    Told told;
    for (std::size_t i = 0; i <= limits::tls_handshake_records; ++i)
        server->receive(std::string("\x15\x03\x03\x00\x02\x01\x5A", 7));
    drain(*server, told);
    CHECK(told.broken_count == 1);
    CHECK(told.established == 0);
}

TEST_CASE("a flood of ChangeCipherSpec in the handshake of TLS 1.3 is bounded, a few are not") {
    const std::string change("\x14\x03\x03\x00\x01\x01", 6);
    for (const std::size_t count :
         {std::size_t{100}, limits::tls_handshake_records, std::size_t{100'000}}) {
        CAPTURE(count);
        RawClient client(trusting_only(Version::tls13, usual().identity.ca.certificate_pem));
        auto server = new_server();
        Told told;
        client.step({});
        server->receive(client.take());
        drain(*server, told);
        CHECK(client.step(take_output(*server)) == 0);
        const std::string finished = client.take();
        for (std::size_t i = 0; i < count; ++i) server->receive(change);
        server->receive(finished);
        drain(*server, told);
        const bool few = count == 100;
        CHECK(told.established == (few ? 1 : 0));
        CHECK(told.broken == (few ? "" : "client sends many TLS records without content"));
        CHECK(server->buffered() == 0);
    }
    // Afterwards one is too many (RFC 8446 5).
    for (const Version version : versions) {
        Joined joined(version);
        joined.server->receive(change);
        joined.client.send_data("never seen");
        joined.deliver();
        CHECK(joined.told.broken == (version == Version::tls13
                                         ? "client sent an unexpected TLS message"
                                         : "client sent a TLS record that cannot be decrypted"));
        CHECK(joined.told.data == "");
        int code = 0;
        joined.client.read(take_output(*joined.server), code);
        CHECK(code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    }
}

TEST_CASE("empty records of each kind in the handshake are bounded") {
    for (const int type : {20, 21, 22, 23}) {
        CAPTURE(type);
        for (const bool begun : {false, true}) {
            auto server = new_server();
            Told told;
            if (begun) server->receive(record(client_hello()));
            for (int i = 0; i < 100'000; ++i) server->receive(plain_record(type, ""));
            drain(*server, told);
            CHECK(told.broken_count == 1);
            CHECK(told.established == 0);
            CHECK(server->output().size() < 2000);
            CHECK(server->buffered() == 0);
        }
    }
}

TEST_CASE("close_notify, and data behind it that is nothing") {
    for (const Version version : versions) {
        Joined joined(version);
        joined.client.send_data("DATA\r\n");
        joined.client.send_alert(1, 0);
        joined.client.send_data("injected");
        joined.deliver();
        joined.server->receive("plaintext");
        drain(*joined.server, joined.told);
        CHECK(joined.told.data == "DATA\r\n");
        CHECK(joined.told.closed == 1);
        CHECK(joined.told.ends() == 1);
        CHECK(joined.server->buffered() == 0);
    }
}

TEST_CASE("a hello that claims to be huge is refused before it is there") {
    for (const std::string& length :
         {std::string("\xFF\xFF\xFF", 3), std::string("\x00\xFF\xFF", 3)}) {
        auto server = new_server();
        Told told;
        std::size_t taken = 0;
        for (int i = 0; i < 100 && told.ends() == 0; ++i) {
            server->receive(record((i == 0 ? "\x01" + length : "") + std::string(16'000, 'h')));
            taken += 16'000;
            drain(*server, told);
        }
        CHECK(told.broken_count == 1);
        CHECK(taken <= 48'000);
        CHECK(server->buffered() == 0);
    }
}

TEST_CASE("a hello in many small records works, one that splits its own header does not") {
    const std::string hello = client_hello();
    for (const std::size_t piece : {1U, 3U, 4U, 16U, 100U}) {
        CAPTURE(piece);
        auto server = new_server();
        Told told;
        for (std::size_t at = 0; at < hello.size() && told.ends() == 0; at += piece) {
            server->receive(record(hello.substr(at, piece)));
            drain(*server, told);
        }
        if (piece < 4) {  // mbedTLS wants the header of a message in one record
            CHECK(told.broken == "client sent something that is not a TLS record");
        } else {
            CHECK(told.broken == "");
            CHECK(server->output().starts_with("\x16\x03\x03"));  // a ServerHello
        }
    }
}

TEST_CASE("what a ClientHello offers, and where it is cut short") {
    const std::string hello = client_hello();
    const auto read = read_hello(hello);
    REQUIRE(read.has_value());
    CHECK(read->version == 0x0303);
    CHECK(read->suites.size() > 10);
    CHECK(read->suites.front() == (gcm_is_fast() ? 0x1301 : 0x1303));
    const std::size_t suites_end =
        4 + 2 + 32 + 1 + std::size_t(hello[38]) + 2 + read->suites.size() * 2;
    for (std::size_t size = 0; size < suites_end; ++size)
        CHECK_FALSE(read_hello(std::string_view(hello).substr(0, size)).has_value());
    CHECK(read_hello(std::string_view(hello).substr(0, suites_end)).has_value());
    CHECK_FALSE(read_hello("\x02" + hello.substr(1)).has_value());
}
