// Nothing of an earlier connection gets a client into ours: no ticket, no session ID, no early
// data.
#include "flight.hpp"
#include "openssl.hpp"
#include "raw_server.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;
using Session = Owned<mbedtls_ssl_session, mbedtls_ssl_session_init, mbedtls_ssl_session_free>;

// A client of TLS 1.2 that would like to resume, and may lack extended_master_secret as OpenSSL
// before 1.1.0 does.
std::shared_ptr<const ClientContext> old_client(bool extended) {
    auto context = trusting_only(Version::tls12, usual().identity.ca.certificate_pem);
    auto* config = const_cast<mbedtls_ssl_config*>(context->config.get());
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_extended_master_secret(
        config, extended ? MBEDTLS_SSL_EXTENDED_MS_ENABLED : MBEDTLS_SSL_EXTENDED_MS_DISABLED);
    return context;
}

std::unique_ptr<Engine> new_server() {
    auto made = Engine::server(usual().server);
    REQUIRE(made.has_value());
    return std::move(*made);
}

// One handshake of such a client with our server, and all that was said in clear.
struct Visit {
    explicit Visit(bool extended, const mbedtls_ssl_session* earlier = nullptr)
        : client(old_client(extended)), server(new_server()) {
        if (earlier != nullptr) REQUIRE(mbedtls_ssl_set_session(client.ssl(), earlier) == 0);
        int code = client.step({});
        hello = client.take();
        server->receive(hello);
        for (int i = 0; i < 10 && code != 0; ++i) {
            drain(*server, told);
            const std::string octets = take_output(*server);
            heard += octets;
            code = client.step(octets);
            server->receive(client.take());
        }
        drain(*server, told);
        REQUIRE(code == 0);
        REQUIRE(told.established == 1);
    }

    RawClient client;
    std::unique_ptr<Engine> server;
    Told told;
    std::string hello;
    std::string heard;
};

}  // namespace

TEST_CASE("TLS 1.2 with and without extended_master_secret: served, and nothing to resume") {
    for (const bool extended : {true, false}) {
        CAPTURE(extended);
        Visit first(extended);
        CHECK(hello_of(first.hello).extensions.contains(23) == extended);
        CHECK(hello_of(first.hello).extensions.contains(35));  // it asks for a ticket
        CHECK(hello_of(first.heard).extensions.contains(23) == extended);
        CHECK_FALSE(hello_of(first.heard).extensions.contains(35));
        // ServerHello, Certificate, ServerKeyExchange, ServerHelloDone, and no NewSessionTicket.
        CHECK(message_types(first.heard) == "\x02\x0B\x0C\x0E");
        first.client.send_data("EHLO device\r\n");
        first.server->receive(first.client.take());
        drain(*first.server, first.told);
        CHECK(first.told.data == "EHLO device\r\n");

        // The session ID is worth nothing.
        Session session;
        REQUIRE(mbedtls_ssl_get_session(first.client.ssl(), session.get()) == 0);
        Visit second(extended, session.get());
        const std::string offered = hello_of(second.hello).session;
        CHECK(offered.size() == 32);
        CHECK(offered == hello_of(first.heard).session);
        CHECK(hello_of(second.heard).session != offered);
        CHECK(message_types(second.heard) == "\x02\x0B\x0C\x0E");
    }
}

namespace {

// What a real client keeps of another server that gives tickets, with early data allowed.
std::string foreign_session(const Folder& folder, const std::string& version) {
    const std::string chain = folder.write("chain.pem", usual().identity.leaf.certificate_pem);
    const std::string key = folder.write("key.pem", usual().identity.leaf.key_pem.reveal());
    OpensslServer other({"-cert", chain, "-key", key, version, "-max_early_data", "16384"});
    OpensslClient client(other.port(), {version, "-servername", "mail.example.org", "-sess_out",
                                        folder.path("session")});
    client.printed("Verify return code");
    if (version == "-tls1_3") client.printed("Max Early Data: 16384");
    client.type("Q\n");
    while (client.listen(std::chrono::seconds(10))) {
    }
    CHECK(folder.read("session").starts_with("-----BEGIN SSL SESSION"));
    // Where it comes from it is worth something.
    OpensslClient again(other.port(), {version, "-servername", "mail.example.org", "-sess_in",
                                       folder.path("session")});
    CHECK(again.printed("\nReused, TLSv1.").find("\nReused, TLSv1.") != std::string::npos);
    return folder.path("session");
}

}  // namespace

TEST_CASE("the ticket of another server is passed over: a full handshake") {
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
        CAPTURE(version);
        const Folder folder;
        const std::string session = foreign_session(folder, version);
        Served served(usual().server,
                      {version, "-servername", "mail.example.org", "-sess_in", session});
        served.converse();
        CHECK(served.client.output().find("\nNew, TLSv1.") != std::string::npos);
        CHECK(served.client.output().find("Reused") == std::string::npos);
    }
}

TEST_CASE("early data of a real client is never data") {
    const Folder folder;
    const std::string session = foreign_session(folder, "-tls1_3");
    const std::string early = folder.write("early", "MAIL FROM:<early@example.org>\r\n");
    Served served(usual().server, {"-tls1_3", "-servername", "mail.example.org", "-sess_in",
                                   session, "-early_data", early});
    CHECK(served.until_client_ends().find("Early data was rejected") != std::string::npos);
    CHECK(served.client.output().find("\nNew, TLSv1.3") != std::string::npos);
    // mbedTLS cannot skip it. Nobody has a ticket of ours, so nobody has a reason to send any.
    CHECK(served.connection.told.broken == "client sent a TLS record that cannot be decrypted");
    CHECK(served.connection.told.established == 0);
    CHECK(served.connection.told.data == "");
}

namespace {

std::string extension(int type, std::string_view content) {
    std::string octets{'\0', static_cast<char>(type), '\0', static_cast<char>(content.size())};
    return octets + std::string(content);
}

// The hello of our client, with a forged ticket and the announcement of early data.
std::string forged_hello() {
    auto client = Engine::client(usual().client, "mail.example.org");
    REQUIRE(client.has_value());
    const std::string hello = messages(take_output(**client)).front();
    const std::size_t at = HelloParts(hello).extensions_at;
    const std::string identity = "\0\x26\0\x20"s + std::string(32, 't') + "\0\0\0\0"s;
    const std::string extensions = hello.substr(at) + extension(45, "\1\1") + extension(42, "") +
                                   extension(41, identity + "\0\x21\x20"s + std::string(32, 'b'));
    std::string body = hello.substr(4, at - 2 - 4);
    body += static_cast<char>(extensions.size() >> 8U);
    body += static_cast<char>(extensions.size());
    return plain_record(22, handshake_message(1, body + extensions));
}

}  // namespace

TEST_CASE("a forged ticket with early data: not resumed, and what comes early ends it") {
    REQUIRE(hello_of(forged_hello()).extensions.contains(41));
    auto server = new_server();
    Told told;
    server->receive(forged_hello());
    drain(*server, told);
    CHECK(told.broken == "");
    const std::string answer = take_output(*server);
    const auto hello = hello_of(answer);
    CHECK(hello.extensions.at(43) == "\x03\x04"sv);
    CHECK_FALSE(hello.extensions.contains(41));
    CHECK(answer.size() > 600);  // with a certificate
    for (int i = 0; i < 1000; ++i) server->receive(plain_record(23, std::string(1000, 'e')));
    drain(*server, told);
    CHECK(told.broken == "client sent a TLS record that cannot be decrypted");
    CHECK(told.ends() == 1);
    CHECK(server->buffered() == 0);
    CHECK(told.established == 0);
    CHECK(told.data == "");
}
