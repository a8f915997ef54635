// Two engines joined over memory: handshake, data, close, and every way of cutting the stream into
// pieces.
#include "pair.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

TEST_CASE("a client and a server shake hands, exchange data and close") {
    Pair pair(usual().client, usual().server);
    CHECK(pair.client->write("early") == 0);
    CHECK_FALSE(pair.client->verified_peer().has_value());
    pair.settle();
    CHECK(pair.at_client.established == 1);
    CHECK(pair.at_server.established == 1);
    CHECK(pair.client->verified_peer().has_value());
    CHECK_FALSE(pair.server->verified_peer().has_value());
    CHECK(pair.client->details().version == "TLSv1.3");
    CHECK(pair.client->details().cipher_suite == "TLS_CHACHA20_POLY1305_SHA256");
    CHECK(pair.server->details().cipher_suite == "TLS_CHACHA20_POLY1305_SHA256");

    write_all(*pair.client, "EHLO client\r\n");
    write_all(*pair.server, "250 server\r\n");
    pair.settle();
    CHECK(pair.at_server.data == "EHLO client\r\n");
    CHECK(pair.at_client.data == "250 server\r\n");

    pair.client->close();
    CHECK(pair.client->write("late") == 0);
    pair.settle();
    CHECK(pair.at_server.closed == 1);
    // The other half stays open until it closes too.
    write_all(*pair.server, "221 bye\r\n");
    pair.server->close();
    pair.settle();
    CHECK(pair.at_client.data == "250 server\r\n221 bye\r\n");
    CHECK(pair.at_client.closed == 1);
    CHECK(pair.at_client.ends() == 1);
    CHECK(pair.at_server.ends() == 1);
}
