// A man in the middle who wants TLS 1.2 where both sides can do 1.3 (RFC 8446 4.1.3), or another
// round of hellos.
#include "flight.hpp"
#include "openssl.hpp"
#include "raw_server.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view sentinel = "DOWNGRD\x01";
constexpr int illegal_parameter = 47;

std::shared_ptr<const ServerContext> server_of(Version version) {
    return serving_only(version, usual().identity.leaf.certificate_pem,
                        usual().identity.leaf.key_pem.reveal());
}

std::unique_ptr<Engine> new_client(const std::shared_ptr<const ClientContext>& context) {
    auto made = Engine::client(context, "mail.example.org");
    REQUIRE(made.has_value());
    return std::move(*made);
}

std::unique_ptr<Engine> new_server() {
    auto made = Engine::server(usual().server);
    REQUIRE(made.has_value());
    return std::move(*made);
}

// What our server answers to a hello.
std::string answer_to(std::string_view hello) {
    auto server = new_server();
    Told told;
    server->receive(hello);
    drain(*server, told);
    CHECK(told.ends() == 0);
    return take_output(*server);
}

// The answer of a server of TLS 1.2 only, with the end of ServerHello.random replaced.
std::string flight_of_12(Engine& client, std::string_view random_end) {
    RawServer server(server_of(Version::tls12));
    server.step(take_output(client));
    std::string flight = server.take();
    REQUIRE(message_types(flight) == "\x02\x0B\x0C\x0E");
    flight.replace(5 + 4 + 2 + 24, random_end.size(), random_end);
    return flight;
}

void check_refused(Engine& client, const Told& told) {
    CHECK(told.broken ==
          "server was asked for an older TLS than we offered: somebody on the way changes the "
          "handshake (downgrade)");
    CHECK(told.ends() == 1);
    CHECK(last_alert(client.output()) == illegal_parameter);
    CHECK_FALSE(client.verified_peer().has_value());
}

}  // namespace

TEST_CASE("our server announces that it could do more than the TLS 1.2 it was asked for") {
    RawClient old(trusting_only(Version::tls12, usual().identity.ca.certificate_pem));
    old.step({});
    const auto hello = hello_of(answer_to(old.take()));
    CHECK_FALSE(hello.extensions.contains(43));
    CHECK(hello.random.ends_with(sentinel));
    // And not where nothing is amiss.
    const auto chosen = hello_of(answer_to(take_output(*new_client(usual().client))));
    CHECK(chosen.extensions.at(43) == "\x03\x04"sv);
    CHECK_FALSE(chosen.random.ends_with(sentinel));
}

TEST_CASE("a downgrade that the server announces is refused, by a client that offered more") {
    for (const std::string_view end : {sentinel, "DOWNGRD\0"sv}) {
        auto client = new_client(usual().client);
        Told told;
        client->receive(flight_of_12(*client, end));
        drain(*client, told);
        check_refused(*client, told);
    }
    // Any other end is chance, and so is this one for a client that wanted no more than TLS 1.2.
    const auto only_12 = trusting_only(Version::tls12, usual().identity.ca.certificate_pem);
    for (const auto& [context, end] :
         {std::pair{usual().client, "DOWNGRD\x02"sv}, std::pair{only_12, sentinel}}) {
        auto client = new_client(context);
        Told told;
        const std::string flight = flight_of_12(*client, end);
        client->receive(records(flight).front());
        drain(*client, told);
        CHECK(told.broken == "");
        CHECK(client->output() == "");
    }
}

TEST_CASE("supported_versions taken out of the hello on its way: our client sees what came of it") {
    auto client = new_client(usual().client);
    std::string hello = take_output(*client);
    const std::size_t at = hello.find("\0\x2B\0\5\4\3\4\3\3"sv);
    REQUIRE(at != std::string::npos);
    hello.replace(at, 2, "\x4A\x4A");  // a type that nobody knows (RFC 8701)
    const std::string answer = answer_to(hello);
    REQUIRE(message_types(answer) == "\x02\x0B\x0C\x0E");
    Told told;
    client->receive(answer);
    drain(*client, told);
    check_refused(*client, told);
}

TEST_CASE("a real client that fell back to TLS 1.2") {
    Served served(usual().server, {"-tls1_2", "-fallback_scsv"});
    CHECK(served.until_client_ends().find("inappropriate fallback") != std::string::npos);
    CHECK(served.connection.told.broken ==
          "client ended the connection with a TLS alert: illegal_parameter");
    CHECK(served.connection.told.established == 0);
}

TEST_CASE("a second HelloRetryRequest is refused") {
    const auto context = server_of(Version::tls13);
    const std::uint16_t p256_only[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                       MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(const_cast<mbedtls_ssl_config*>(context->config.get()), p256_only);
    RawServer server(context);
    auto client = new_client(usual().client);
    Told told;
    server.step(take_output(*client));
    const std::string retry = records(server.take()).front();
    client->receive(retry);
    drain(*client, told);
    CHECK(told.ends() == 0);
    CHECK(message_types(take_output(*client)) == "");
    client->receive(retry);
    drain(*client, told);
    CHECK(told.broken == "server sent an unexpected TLS message");
    CHECK(last_alert(client->output()) == 10);
}
