// What a peer may do that our own engine never does: plaintext, garbage, floods, alerts, and the
// messages that TLS allows after the handshake.
#include <array>

#include "base/limits.hpp"
#include "maker.hpp"
#include "raw_server.hpp"
#include "tls/reasons.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

constexpr Version versions[] = {Version::tls12, Version::tls13};

std::shared_ptr<const ServerContext> server_of(Version version) {
    return serving_only(version, usual().identity.leaf.certificate_pem,
                        usual().identity.leaf.key_pem.reveal());
}

std::unique_ptr<Engine> new_client() {
    auto made = Engine::client(usual().client, "mail.example.org");
    REQUIRE(made.has_value());
    return std::move(*made);
}

// An established client with a bare server at the other end.
struct Joined {
    explicit Joined(Version version) : server(server_of(version)), client(new_client()) {
        server.shake_hands(*client, told);
        REQUIRE(told.ends() == 0);
    }
    void deliver() {
        client->receive(server.take());
        drain(*client, told);
    }

    RawServer server;
    std::unique_ptr<Engine> client;
    Told told;
};

// Lifetime, age, nonce, ticket, no extensions (RFC 8446 4.6.1).
const std::string ticket =
    handshake_message(4, std::string("\0\0\x1C\x20\0\0\0\1\1\0\0\4abcd\0\0", 18));

}  // namespace

TEST_CASE("plaintext instead of TLS is called so, at the first octet") {
    for (const char* text : {"220 mail.example.org ESMTP\r\n", "2", "HTTP/1.1 400 Bad Request\r\n",
                             "\n", "\x80\x2E\x01"}) {
        CAPTURE(text);
        auto client = new_client();
        Told told;
        client->receive(text);
        drain(*client, told);
        CHECK(told.broken == "server speaks plaintext, not TLS");
        CHECK(told.ends() == 1);

        auto server = Engine::server(usual().server);
        REQUIRE(server.has_value());
        Told at_server;
        (*server)->receive(text);
        drain(**server, at_server);
        CHECK(at_server.broken == "client speaks plaintext, not TLS");
    }
}

TEST_CASE("garbage that looks like a record") {
    const std::string oversized("\x16\x03\x03\xFF\xFF", 5);
    const std::string wrong_version("\x16\x07\x03\x00\x10", 5);
    for (const std::string& octets : {oversized, wrong_version}) {
        auto client = new_client();
        Told told;
        client->receive(octets);
        drain(*client, told);
        CHECK(told.broken == "server sent something that is not a TLS record");
        CHECK(told.ends() == 1);
    }
    // A record that was not made with the keys of this connection, and a type that does not exist.
    for (const Version version : versions) {
        for (const char type : {'\x17', '\x63'}) {
            Joined joined(version);
            std::string record =
                std::string(1, type) + std::string("\x03\x03\x00\x20", 4) + std::string(32, 'x');
            joined.client->receive(record);
            drain(*joined.client, joined.told);
            CHECK(joined.told.broken == (type == '\x17'
                                             ? "server sent a TLS record that cannot be decrypted"
                                             : "server sent something that is not a TLS record"));
            CHECK(joined.told.ends() == 1);
            CHECK(joined.told.data.empty());
            CHECK(joined.client->write("x") == 0);
            CHECK_FALSE(joined.client->verified_peer().has_value());
        }
    }
}

TEST_CASE("one changed octet anywhere in a record breaks the connection") {
    for (const Version version : versions) {
        Joined sample(version);
        sample.server.send_data("250 ok\r\n");
        const std::size_t size = sample.server.take().size();
        for (std::size_t i = 0; i < size; ++i) {
            CAPTURE(i);
            Joined joined(version);
            joined.server.send_data("250 ok\r\n");
            std::string record = joined.server.take();
            record[i] = static_cast<char>(record[i] ^ 0x01);
            joined.client->receive(record);
            joined.client->end_of_input();
            drain(*joined.client, joined.told);
            CHECK(joined.told.data.empty());
            CHECK(joined.told.closed == 0);
            CHECK(joined.told.ends() == 1);
        }
    }
}

TEST_CASE("alerts in the handshake are told by name") {
    const auto after_alert = [](char description) {
        auto client = new_client();
        Told told;
        client->receive(std::string("\x15\x03\x03\x00\x02\x02", 6) + description);
        drain(*client, told);
        CHECK(told.ends() == 1);
        return told.broken;
    };
    CHECK(after_alert(70) == "server offers only TLS 1.0/1.1 (alert: protocol_version)");
    CHECK(after_alert(40) ==
          "server has no cipher, group or kind of certificate in common with us (alert: "
          "handshake_failure)");
    CHECK(after_alert(112) == "server ended the connection with a TLS alert: unrecognized_name");
    CHECK(after_alert(80) == "server ended the connection with a TLS alert: internal_error");
    CHECK(after_alert(99) == "server ended the connection with a TLS alert: alert 99");
}

TEST_CASE("alerts after the handshake") {
    for (const Version version : versions) {
        Joined fatal(version);
        fatal.server.send_data("before");
        fatal.server.send_alert(2, 80);
        fatal.deliver();
        CHECK(fatal.told.data == "before");
        CHECK(fatal.told.broken == "server ended the connection with a TLS alert: internal_error");

        Joined required(version);
        required.server.send_alert(2, 116);
        required.deliver();
        CHECK(required.told.broken == "the server wants a client certificate");

        Joined warning(version);
        warning.server.send_alert(1, 90);  // user_canceled, which may precede close_notify
        warning.server.send_data("after");
        warning.server.send_alert(1, 0);
        warning.deliver();
        CHECK(warning.told.data == "after");
        CHECK(warning.told.closed == 1);
    }
}

TEST_CASE("a flood of records without content is bounded, a few are not") {
    for (const Version version : versions) {
        Joined few(version);
        for (int round = 0; round < 10; ++round) {
            for (int i = 0; i < 20; ++i) few.server.send_alert(1, 90);
            few.server.send_data("x");
            few.deliver();
        }
        CHECK(few.told.data == std::string(10, 'x'));
        CHECK(few.told.ends() == 0);

        // Delivered at once, octet by octet, and in halves of records: it is the records that
        // count.
        for (const std::size_t chunk : {SIZE_MAX, std::size_t{1}, std::size_t{17}}) {
            Joined many(version);
            for (std::size_t i = 0; i <= limits::tls_quiet_records; ++i)
                many.server.send_alert(1, 90);
            many.server.send_data("never seen");
            Pair::feed(*many.client, many.told, many.server.take(), chunk);
            drain(*many.client, many.told);
            CHECK(many.told.broken == "server sends many TLS records without content");
            CHECK(many.told.data.empty());
        }
    }
}

TEST_CASE("empty records are bounded, one is nothing and no end") {
    for (const Version version : versions) {
        Joined one(version);
        one.server.send_data("");
        one.deliver();
        CHECK(one.told.ends() == 0);
        one.server.send_data("");
        one.deliver();
        CHECK(one.told.ends() == 0);
        one.server.send_data("data");
        one.deliver();
        CHECK(one.told.data == "data");
        CHECK(one.told.ends() == 0);

        Joined many(version);
        for (int i = 0; i < 70; ++i) many.server.send_data("");
        many.deliver();
        CHECK(many.told.broken_count == 1);
        CHECK(many.told.truncated == 0);
    }
}

TEST_CASE("a flood within the handshake is bounded") {
    // ChangeCipherSpec, which a TLS 1.3 client ignores in any number, and warnings.
    for (const std::string& record : {std::string("\x14\x03\x03\x00\x01\x01", 6),
                                      std::string("\x15\x03\x03\x00\x02\x01\x5A", 7)}) {
        RawServer server(server_of(Version::tls13));
        auto client = new_client();
        Told told;
        server.step(take_output(*client));
        const std::string flight = server.take();
        // The first record is the ServerHello.
        const std::size_t first =
            std::size_t{5} + (static_cast<unsigned>(static_cast<unsigned char>(flight[3])) << 8U |
                              static_cast<unsigned char>(flight[4]));
        client->receive(flight.substr(0, record[0] == '\x14' ? first : 0));
        for (std::size_t i = 0; i < limits::tls_handshake_records; ++i) client->receive(record);
        CHECK(client->buffered() > 0);
        client->receive(record);
        drain(*client, told);
        CHECK(told.broken == "server sends many TLS records without content");
        CHECK(told.ends() == 1);
    }
}

TEST_CASE("ChangeCipherSpec belongs to the handshake, behind it one is too many") {
    for (const Version version : versions) {
        Joined joined(version);
        joined.client->receive(std::string("\x14\x03\x03\x00\x01\x01", 6));
        joined.server.send_data("never seen");
        joined.deliver();
        CHECK(joined.told.broken == (version == Version::tls13
                                         ? "server sent an unexpected TLS message"
                                         : "server sent a TLS record that cannot be decrypted"));
        CHECK(joined.told.data == "");
    }
}

TEST_CASE("session tickets are passed over") {
    Joined joined(Version::tls13);
    joined.server.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, ticket + ticket);
    joined.server.send_data("220 hello\r\n");
    joined.server.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, ticket);
    joined.deliver();
    CHECK(joined.told.data == "220 hello\r\n");
    CHECK(joined.told.ends() == 0);
    write_all(*joined.client, "EHLO x\r\n");
    int code = 0;
    CHECK(joined.server.read(take_output(*joined.client), code) == "EHLO x\r\n");
}

TEST_CASE(
    "a KeyUpdate ends the connection with a reason, what came before it is not lost, and the peer "
    "is told") {
    for (const char request : {'\0', '\1'}) {
        Joined joined(Version::tls13);
        joined.server.send_data("250 ok\r\n");
        joined.server.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, handshake_message(24, {&request, 1}));
        joined.server.send_data("never seen");
        joined.deliver();
        CHECK(joined.told.data == "250 ok\r\n");
        CHECK(joined.told.broken == "server sent a TLS 1.3 KeyUpdate, which is not supported");
        CHECK(joined.told.ends() == 1);
        CHECK(joined.client->write("x") == 0);
        int code = 0;
        joined.server.read(take_output(*joined.client), code);
        CHECK(code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    }
}

TEST_CASE("renegotiation is refused, and refused only so often") {
    Joined joined(Version::tls12);
    joined.server.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, handshake_message(0, ""));  // HelloRequest
    joined.deliver();
    CHECK(joined.told.ends() == 0);
    int code = 0;
    joined.server.read(take_output(*joined.client), code);
    CHECK(joined.server.last_message() == "\x01\x64");  // a warning, no_renegotiation
    joined.server.send_data("250 still here\r\n");
    joined.deliver();
    CHECK(joined.told.data == "250 still here\r\n");
    for (int i = 0; i < 1000; ++i)
        joined.server.send_record(MBEDTLS_SSL_MSG_HANDSHAKE, handshake_message(0, ""));
    joined.deliver();
    CHECK(joined.told.broken == "server sends many TLS records without content");
    CHECK(take_output(*joined.client).size() < 10'000);
}

TEST_CASE("nothing has to be drained after a failure, and nothing more is told") {
    Joined joined(Version::tls13);
    joined.client->receive("\x17\x03\x03\x7F\xFFgarbage");
    drain(*joined.client, joined.told);
    CHECK(joined.told.broken_count == 1);
    joined.server.send_data("late");
    joined.deliver();
    joined.client->end_of_input();
    drain(*joined.client, joined.told);
    CHECK(joined.told.ends() == 1);
    CHECK(joined.told.data.empty());
    joined.client->close();
    CHECK(joined.client->buffered() == 0);
}
