// Two engines joined over memory: handshake, data and close, in both versions of TLS, with the
// stream cut into pieces in every way and cut off at every octet.
#include <algorithm>
#include <atomic>
#include <thread>

#include "gcm_levels.hpp"
#include "raw_server.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

std::shared_ptr<const ServerContext> server_of(Version version) {
    static const auto make = [](Version v) {
        return serving_only(v, usual().identity.leaf.certificate_pem,
                            usual().identity.leaf.key_pem.reveal());
    };
    static const auto tls12 = make(Version::tls12);
    static const auto tls13 = make(Version::tls13);
    return version == Version::tls12 ? tls12 : tls13;
}

constexpr Version versions[] = {Version::tls12, Version::tls13};

// What one whole conversation says to each side: handshake, a line each way, close each way.
void converse(Pair& pair, std::size_t chunk) {
    pair.settle(chunk);
    write_all(*pair.client, "EHLO client\r\n");
    write_all(*pair.server, "250 server\r\n");
    pair.settle(chunk);
    pair.client->close();
    pair.server->close();
    pair.settle(chunk);
}

void check_whole(const Pair& pair) {
    CHECK(pair.at_client.established == 1);
    CHECK(pair.at_server.established == 1);
    CHECK(pair.at_client.data == "250 server\r\n");
    CHECK(pair.at_server.data == "EHLO client\r\n");
    CHECK(pair.at_client.closed == 1);
    CHECK(pair.at_server.closed == 1);
    CHECK(pair.at_client.ends() == 1);
    CHECK(pair.at_server.ends() == 1);
}

}  // namespace

TEST_CASE("a client and a server shake hands, exchange data and close") {
    Pair pair(usual().client, usual().server);
    CHECK_FALSE(pair.client->output().empty());
    CHECK(pair.client->write("early") == 0);
    CHECK(pair.server->write("early") == 0);
    CHECK_FALSE(pair.client->verified_peer().has_value());
    pair.settle();
    CHECK(pair.at_client.established == 1);
    CHECK(pair.at_server.established == 1);
    CHECK(pair.client->verified_peer().has_value());
    CHECK_FALSE(pair.server->verified_peer().has_value());
    CHECK(pair.client->details().version == "TLSv1.3");
    const std::string suite =
        gcm_is_fast() ? "TLS_AES_128_GCM_SHA256" : "TLS_CHACHA20_POLY1305_SHA256";
    CHECK(pair.client->details().cipher_suite == suite);
    CHECK(pair.server->details().cipher_suite == suite);

    write_all(*pair.client, "EHLO client\r\n");
    write_all(*pair.server, "250 server\r\n");
    pair.settle();
    CHECK(pair.at_server.data == "EHLO client\r\n");
    CHECK(pair.at_client.data == "250 server\r\n");

    pair.client->close();
    CHECK(pair.client->write("late") == 0);
    CHECK_FALSE(pair.client->verified_peer().has_value());
    pair.client->close();  // once is enough, twice is harmless
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

TEST_CASE("with mbedTLS's own AES-GCM, which is slow, ChaCha20 comes first") {
    const int best = gcm_level();
    limit_gcm(0);
    const auto& leaf = usual().identity.leaf;
    const auto client = trusting(usual().identity.ca.certificate_pem);
    for (const Version version : versions) {
        Pair pair(client, serving_only(version, leaf.certificate_pem, leaf.key_pem.reveal()));
        pair.settle();
        CHECK(pair.client->details().cipher_suite.ends_with("CHACHA20_POLY1305_SHA256"));
    }
    limit_gcm(best);
}

TEST_CASE("TLS 1.2 prefers the faster cipher too, and says its names as IANA does") {
    Pair pair(usual().client, server_of(Version::tls12));
    pair.settle();
    CHECK(pair.client->details().version == "TLSv1.2");
    CHECK(pair.client->details().cipher_suite ==
          (gcm_is_fast() ? "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
                         : "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"));
    CHECK(pair.client->verified_peer().has_value());
}

TEST_CASE("any chunking gives the same conversation") {
    for (const Version version : versions) {
        for (const std::size_t chunk :
             {1U, 2U, 3U, 4U, 5U, 6U, 7U, 13U, 64U, 250U, 1000U, 100'000U}) {
            CAPTURE(chunk);
            Pair pair(usual().client, server_of(version));
            converse(pair, chunk);
            check_whole(pair);
        }
    }
}

TEST_CASE("every flight in two pieces") {
    for (const Version version : versions) {
        bool more = true;
        // At every octet of the first records; further on every third, for the time it takes.
        for (std::size_t cut = 1; more; cut += cut < 160 ? 1 : 3) {
            Pair pair(usual().client, server_of(version));
            more = false;
            // The client's first flight and the server's answer; what follows goes in one piece.
            for (int flight = 0; flight < 2; ++flight) {
                Engine& from = flight == 0 ? *pair.client : *pair.server;
                Engine& to = flight == 0 ? *pair.server : *pair.client;
                Told& told = flight == 0 ? pair.at_server : pair.at_client;
                const std::string octets = take_output(from);
                REQUIRE_FALSE(octets.empty());
                to.receive(std::string_view(octets).substr(0, cut));
                drain(to, told);
                if (cut < octets.size()) {
                    more = true;
                    CHECK(told.established == 0);
                    to.receive(std::string_view(octets).substr(cut));
                    drain(to, told);
                }
            }
            converse(pair, SIZE_MAX);
            check_whole(pair);
        }
    }
}

namespace {

// A conversation whose transport ends after `limit` octets from one side; what that did to the
// other side, and to how many octets there would have been.
struct Cut {
    Told told;
    bool verified = false;
    std::size_t sent = 0;         // octets the cut side would have sent so far
    std::size_t established = 0;  // of these, when the other side was established
};

Cut converse_cut(Version version, bool cut_server, std::size_t limit) {
    Pair pair(usual().client, server_of(version));
    Engine& from = cut_server ? *pair.server : *pair.client;
    Engine& to = cut_server ? *pair.client : *pair.server;
    Told& told = cut_server ? pair.at_client : pair.at_server;
    Told& other = cut_server ? pair.at_server : pair.at_client;
    Cut cut;
    const auto exchange = [&] {
        for (int i = 0; i < 10; ++i) {
            drain(to, told);
            from.receive(take_output(to));
            drain(from, other);
            for (const char octet : take_output(from)) {
                if (++cut.sent > limit) continue;
                to.receive({&octet, 1});
                drain(to, told);
                if (told.established == 1 && cut.established == 0) cut.established = cut.sent;
            }
        }
    };
    exchange();
    if (from.write("250 line\r\n") > 0) from.close();
    exchange();
    to.end_of_input();
    drain(to, told);
    cut.verified = to.verified_peer().has_value();
    cut.told = told;
    return cut;
}

}  // namespace

TEST_CASE(
    "a transport that ends early is Broken during the handshake, Truncated after it, at every "
    "octet") {
    for (const Version version : versions) {
        for (const bool cut_server : {true, false}) {
            const Cut whole = converse_cut(version, cut_server, SIZE_MAX);
            CHECK(whole.told.closed == 1);
            CHECK(whole.told.ends() == 1);
            CHECK(whole.told.data == "250 line\r\n");
            REQUIRE(whole.established > 0);
            // Far from the borders every third octet, for the time it takes.
            const auto near = [&](std::size_t at) {
                return at < 160 || at + 160 > whole.sent ||
                       (at + 40 > whole.established && at < whole.established + 40);
            };
            for (std::size_t limit = 0; limit < whole.sent; limit += near(limit) ? 1U : 3U) {
                CAPTURE(limit);
                const Cut cut = converse_cut(version, cut_server, limit);
                // An ECDSA signature has no fixed length, so the border is not at the same octet
                // each time.
                const bool established = cut.established > 0;
                if (limit + 16 < whole.established) CHECK_FALSE(established);
                if (limit > whole.established + 16) CHECK(established);
                CHECK(cut.told.established == (established ? 1 : 0));
                if (limit + 16 < whole.sent) {
                    CHECK(cut.told.truncated == (established ? 1 : 0));
                    CHECK(cut.told.broken_count == (established ? 0 : 1));
                }
                CHECK(cut.told.ends() == 1);
                if (cut.told.closed == 0) CHECK_FALSE(cut.verified);
                if (!established) {
                    CHECK(cut.told.broken == std::string(cut_server ? "server" : "client") +
                                                 " closed the connection during the TLS handshake");
                }
            }
        }
    }
}

TEST_CASE("data of any size, in any number of records") {
    for (const Version version : versions) {
        Pair pair(usual().client, server_of(version));
        pair.settle();
        std::string all;
        for (const std::size_t size : {1U, 2U, 511U, 512U, 513U, 4096U, 16382U, 16383U, 16384U,
                                       16385U, 40'000U, 1'000'000U}) {
            CAPTURE(size);
            std::string block(size, '\0');
            std::ranges::generate(block, [n = size]() mutable {
                return static_cast<char>(n = n * 1103515245 + 12345);
            });
            all += block;
            std::string_view rest = block;
            while (!rest.empty()) {
                const std::size_t taken = pair.client->write(rest);
                REQUIRE(taken > 0);
                REQUIRE(taken <= 16384);
                rest.remove_prefix(taken);
            }
            pair.settle(1460);
        }
        CHECK((pair.at_server.data == all));
        CHECK(pair.client->write("") == 0);
        pair.client->close();
        pair.settle();
        CHECK(pair.at_server.ends() == 1);
    }
}

TEST_CASE("one record's plaintext at a time, until NeedInput; the view lives until the next call") {
    Pair pair(usual().client, usual().server);
    pair.settle();
    for (const char* line : {"a\r\n", "b\r\n", "c\r\n"}) write_all(*pair.client, line);
    CHECK(pair.server->buffered() == 0);
    const std::string octets = take_output(*pair.client);
    pair.server->receive(octets);
    CHECK(pair.server->buffered() == octets.size());
    for (const char* line : {"a\r\n", "b\r\n", "c\r\n"}) {
        const Event event = pair.server->next();
        REQUIRE(std::holds_alternative<Data>(event));
        CHECK(std::get<Data>(event).plaintext == line);
    }
    CHECK(std::holds_alternative<NeedInput>(pair.server->next()));
    CHECK(pair.server->buffered() == 0);
    // Half a record is not nothing.
    write_all(*pair.client, "d\r\n");
    const std::string record = take_output(*pair.client);
    pair.server->receive(record.substr(0, 10));
    CHECK(std::holds_alternative<NeedInput>(pair.server->next()));
    CHECK(pair.server->buffered() == 10);
}

TEST_CASE("output leaves in partial writes") {
    Pair pair(usual().client, usual().server);
    pair.settle();
    write_all(*pair.client, std::string(50'000, 'x'));
    while (!pair.client->output().empty()) {
        const std::size_t n = std::min<std::size_t>(7, pair.client->output().size());
        pair.server->receive(pair.client->output().substr(0, n));
        pair.client->sent(n);
    }
    drain(*pair.server, pair.at_server);
    CHECK(pair.at_server.data == std::string(50'000, 'x'));
}

TEST_CASE("what comes after close_notify is nothing") {
    for (const Version version : versions) {
        Pair pair(usual().client, server_of(version));
        pair.settle();
        write_all(*pair.server, "last\r\n");
        pair.server->close();
        pair.client->receive(take_output(*pair.server) + "220 injected\r\n");
        drain(*pair.client, pair.at_client);
        CHECK(pair.at_client.data == "last\r\n");
        CHECK(pair.at_client.closed == 1);
        pair.client->receive("250 injected\r\n");
        pair.client->end_of_input();
        drain(*pair.client, pair.at_client);
        CHECK(pair.at_client.ends() == 1);
        CHECK(pair.at_client.data == "last\r\n");
        CHECK(pair.client->buffered() == 0);
    }
}

TEST_CASE("2,000 connections at once") {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < 2000; ++i) {
        pairs.push_back(std::make_unique<Pair>(usual().client, usual().server));
        pairs.back()->settle();
        REQUIRE(pairs.back()->at_client.established == 1);
    }
    int heard = 0;
    for (auto& pair : pairs) {
        write_all(*pair->client, "NOOP\r\n");
        pair->settle();
        heard += pair->at_server.data == "NOOP\r\n" ? 1 : 0;
    }
    CHECK(heard == 2000);
}

TEST_CASE("threads share the contexts") {
    std::vector<std::thread> threads;
    std::atomic<int> established{0};
    usual();
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 25; ++round) {
                auto client = Engine::client(usual().client, "mail.example.org");
                auto server = Engine::server(usual().server);
                if (!client || !server) continue;
                for (int flight = 0; flight < 4; ++flight) {
                    (*server)->receive(take_output(**client));
                    while (!std::holds_alternative<NeedInput>((*server)->next())) {
                    }
                    (*client)->receive(take_output(**server));
                    while (!std::holds_alternative<NeedInput>((*client)->next())) {
                    }
                }
                if ((*client)->verified_peer()) ++established;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(established == 100);
}

TEST_CASE("a client needs a name that can be checked") {
    for (const char* name : {"", ".", "a..b", "-a.example", "exa mple.org", "127.1",
                             "b\xC3\xBC"
                             "cher.example",
                             "a/b"}) {
        CAPTURE(name);
        CHECK_FALSE(Engine::client(usual().client, name).has_value());
    }
    CHECK_FALSE(Engine::client(usual().client, std::string_view("mail.example.org\0.evil", 22))
                    .has_value());
}
