// Resumed handshakes over memory: cut in two at every octet, shared by threads, and what becomes of
// a session whose offer the server does not survive.
#include <thread>
#include <vector>

#include "base/limits.hpp"
#include "flight.hpp"
#include "ticketing.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace waxseal::tls::test;
using namespace std::chrono_literals;

namespace {

const std::string place = "main\nmail.example.org";

std::shared_ptr<const ClientContext> new_client() {
    return trusting(usual().identity.ca.certificate_pem);
}

// A client that has been there once.
struct Known {
    explicit Known(Version version) : server(tickets.serving(version)) {
        CHECK_FALSE(visit(client, server));
        CHECK(client->sessions.size() > 0);
    }
    [[nodiscard]] std::unique_ptr<Engine> engine() const {
        return std::move(*Engine::client(client, "mail.example.org", "main"));
    }

    Tickets tickets;
    std::shared_ptr<const ClientContext> client = new_client();
    std::shared_ptr<const ServerContext> server;
};

}  // namespace

TEST_CASE("a resumed handshake, every flight in two pieces, at every octet") {
    for (const Version version : both_versions) {
        Known known(version);
        bool more = true;
        for (std::size_t cut = 1; more; ++cut) {
            CAPTURE(cut);
            Pair pair = keeping_pair(known.client, known.server);
            more = false;
            // Up to the client's last flight, then a line with what comes before it.
            for (int flight = 0; flight < 5; ++flight) {
                const bool up = flight % 2 == 0;
                Engine& from = up ? *pair.client : *pair.server;
                Engine& to = up ? *pair.server : *pair.client;
                Told& told = up ? pair.at_server : pair.at_client;
                if (flight == 3) write_all(from, "250 server\r\n");
                const std::string octets = take_output(from);
                to.receive(std::string_view(octets).substr(0, cut));
                drain(to, told);
                if (cut >= octets.size()) continue;
                more = true;
                to.receive(std::string_view(octets).substr(cut));
                drain(to, told);
            }
            pair.settle();
            CHECK(pair.at_client.broken == "");
            CHECK(pair.at_client.established == 1);
            CHECK(pair.client->details().resumed);
            CHECK(pair.client->verified_peer().has_value());
            CHECK(pair.at_client.data == "250 server\r\n");
        }
    }
}

TEST_CASE("resumed octet by octet, many times over, with what each time has brought") {
    for (const Version version : both_versions) {
        const Known known(version);
        for (int i = 0; i < 20; ++i) {
            Pair pair = keeping_pair(known.client, known.server);
            pair.settle(1);
            write_all(*pair.server, "250 server\r\n");
            pair.settle(1);
            CHECK(pair.client->details().resumed);
            CHECK(pair.at_client.data == "250 server\r\n");
        }
    }
}

TEST_CASE("one context, several threads: every connection is a good one") {
    for (const Version version : both_versions) {
        const Known known(version);
        std::vector<std::thread> threads;
        std::vector<int> resumed(4, 0);
        for (int& count : resumed) {
            threads.emplace_back([&known, &count] {
                for (int i = 0; i < 25; ++i) count += visit(known.client, known.server) ? 1 : 0;
            });
        }
        for (std::thread& thread : threads) thread.join();
        for (const int count : resumed) CHECK(count == 25);
        CHECK(known.client->sessions.size() <= limits::tls_sessions_of_place);
    }
}

TEST_CASE("an offer that the server does not survive: told, and not made again") {
    enum class Way { closes, reset, alert, says_nothing, garbage };
    for (const Version version : both_versions) {
        for (const Way way :
             {Way::closes, Way::reset, Way::alert, Way::says_nothing, Way::garbage}) {
            CAPTURE(static_cast<int>(way));
            const Known known(version);
            {
                const auto engine = known.engine();
                Told told;
                CHECK(engine->offered_session());
                drain(*engine, told);
                if (way == Way::closes) engine->end_of_input();
                if (way == Way::reset) engine->transport_failed();
                if (way == Way::alert) engine->receive(plain_record(21, "\x02\x28"));
                if (way == Way::garbage) engine->receive("421 busy\r\n");
                drain(*engine, told);
                CHECK(told.broken_count == (way == Way::reset || way == Way::says_nothing ? 0 : 1));
                CHECK(engine->offered_session());
                CHECK_FALSE(engine->verified_peer().has_value());
                if (way != Way::says_nothing) CHECK(known.client->sessions.size() == 0);
            }
            CHECK(known.client->sessions.size() == 0);
            CHECK_FALSE(known.engine()->offered_session());
            // The one after that neither: a server that cannot would be asked each time.
            for (int i = 0; i < 2; ++i) CHECK_FALSE(visit(known.client, known.server));
            CHECK(known.client->sessions.size() == 0);
        }
    }
}

TEST_CASE("a server that ends after its hello, at every octet: no session is left") {
    for (const Version version : both_versions) {
        for (const bool by_error : {true, false}) {
            std::size_t size = 2;
            for (std::size_t cut = 1; cut < size; cut += 7) {
                const Known known(version);
                Pair pair = keeping_pair(known.client, known.server);
                pair.server->receive(take_output(*pair.client));
                drain(*pair.server, pair.at_server);
                const std::string octets = take_output(*pair.server);
                // The tickets of TLS 1.3 come later.
                size = octets.size();
                pair.client->receive(std::string_view(octets).substr(0, cut));
                drain(*pair.client, pair.at_client);
                REQUIRE(pair.at_client.established == 0);
                by_error ? pair.client->transport_failed() : pair.client->end_of_input();
                drain(*pair.client, pair.at_client);
                CHECK(pair.client->offered_session());
                CHECK(known.client->sessions.size() == 0);
                CHECK_FALSE(visit(known.client, known.server));
            }
        }
    }
}

TEST_CASE("resumed, and ended before it was of any use: the next one is not") {
    enum class Way { closed, truncated, reset, given_up, destroyed };
    for (const Version version : both_versions) {
        for (const Way way :
             {Way::closed, Way::truncated, Way::reset, Way::given_up, Way::destroyed}) {
            CAPTURE(static_cast<int>(way));
            const Known known(version);
            {
                Pair pair = keeping_pair(known.client, known.server);
                pair.settle();
                CHECK(pair.client->details().resumed);
                if (way == Way::closed) pair.server->close();
                if (way == Way::truncated) pair.client->end_of_input();
                if (way == Way::reset) pair.client->transport_failed();
                if (way == Way::given_up) pair.client->close();
                pair.settle();
                CHECK(pair.client->offered_session());
            }
            CHECK_FALSE(visit(known.client, known.server));
        }
    }
}

TEST_CASE("an end after data, and one without an offer, say nothing against sessions") {
    for (const Version version : both_versions) {
        const Known known(version);
        for (const bool truncated : {true, false}) {
            Pair pair = keeping_pair(known.client, known.server);
            pair.settle();
            write_all(*pair.server, "220 server\r\n");
            pair.settle();
            truncated ? pair.client->end_of_input() : pair.client->transport_failed();
            pair.settle();
            CHECK(pair.client->details().resumed);
        }
        CHECK(visit(known.client, known.server));

        const auto client = new_client();
        for (int i = 0; i < 3; ++i) {
            const auto engine = std::move(*Engine::client(client, "mail.example.org", "main"));
            CHECK_FALSE(engine->offered_session());
            if (i == 1) engine->transport_failed();
            if (i == 2) engine->end_of_input();
            Told told;
            drain(*engine, told);
        }
        CHECK_FALSE(visit(client, known.server));
        CHECK(visit(client, known.server));
    }
}

TEST_CASE("TLS 1.2 without the extended master secret is served, not kept, and not taken back") {
    Tickets tickets;
    const auto client = new_client();
    const auto without = tickets.serving(Version::tls12, false);
    for (int i = 0; i < 2; ++i) CHECK_FALSE(visit(client, without));
    CHECK(client->sessions.size() == 0);
    // RFC 7627 5.3: with it at first, and without it when it is resumed.
    const auto with = tickets.serving(Version::tls12);
    CHECK_FALSE(visit(client, with));
    CHECK(client->sessions.size() == 1);
    Pair pair = keeping_pair(client, without);
    pair.settle();
    CHECK(pair.at_client.established == 0);
    CHECK(pair.at_client.broken ==
          "server resumed a session without the extended master secret (RFC 7627)");
    CHECK_FALSE(pair.client->verified_peer().has_value());
    CHECK(client->sessions.size() == 0);
}

TEST_CASE("a server's lifetime is kept to, and a day at most") {
    for (const Version version : both_versions) {
        const Known known(version);  // an hour, it says
        const Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        CHECK(known.client->sessions.take(place, now + 3500s).has_value());
        CHECK_FALSE(known.client->sessions.take(place, now + 3602s).has_value());
    }
}

TEST_CASE("a ticket that says eight days ends no connection, and is used for one") {
    const auto client = new_client();
    RawServer server(serving_only(Version::tls13, usual().identity.leaf.certificate_pem,
                                  usual().identity.leaf.key_pem.reveal()));
    const auto engine = std::move(*Engine::client(client, "mail.example.org", "main"));
    Told told;
    server.shake_hands(*engine, told);
    const std::string eight_days("\0\x0A\x8C\0\0\0\0\1\1\0\0\4abcd\0\0", 18);
    server.send_record(22, handshake_message(4, eight_days));
    server.send_data("250 and on\r\n");
    engine->receive(server.take());
    drain(*engine, told);
    CHECK(told.broken == "");
    CHECK(told.data == "250 and on\r\n");
    CHECK(client->sessions.size() == 1);
    const Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    CHECK(client->sessions.take(place, now + 23h).has_value());
    CHECK_FALSE(client->sessions.take(place, now + 24h + 1min).has_value());
}
