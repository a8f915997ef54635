// Certificates made on the spot, and a TLS peer whose every octet the test decides about.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "support.hpp"
#include "tls/engine.hpp"
#include "tls/issue.hpp"

namespace waxseal::net::testing {

// One CA and one server certificate for all tests: making keys is the slow part.
struct Identity {
    std::shared_ptr<const tls::ServerContext> server;
    std::shared_ptr<const tls::ClientContext> client;
};

inline const Identity& identity() {
    static const Identity made = [] {
        const auto ca = tls::issue_ca("net test CA", std::chrono::hours(1));
        REQUIRE(ca.has_value());
        auto leaf = tls::issue_leaf(
            *ca, {.dns_names = {"mail.example.org"}, .ip_addresses = {"127.0.0.1"}});
        REQUIRE(leaf.has_value());
        auto server = tls::server_context(
            {.certificate_pem = leaf->certificate_pem, .key_pem = std::move(leaf->key_pem)});
        auto client = tls::client_context({.ca_file = "", .ca_pem = ca->certificate_pem});
        REQUIRE(server.has_value());
        REQUIRE(client.has_value());
        return Identity{*server, *client};
    }();
    return made;
}

inline TlsSettings as_client(const std::string& name = "mail.example.org") {
    return ClientTls{identity().client, name};
}
inline TlsSettings as_server() { return ServerTls{identity().server}; }

// Both ends, with the handshake done.
struct TlsPair : Pair {
    explicit TlsPair(Loop& loop) : Pair(loop, as_client(), as_server()) {
        client->set_notify([] {});
        server->set_notify([] {});
        client->start_tls();
        server->start_tls();
        REQUIRE(run_until(loop, [&] {
            return client->tls() == TlsPhase::established && server->tls() == TlsPhase::established;
        }));
    }
};

// A channel in the client role whose server is an engine on a raw socket.
struct TlsHalf {
    explicit TlsHalf(Loop& on, const std::string& name = "mail.example.org")
        : loop(on), server(on), peer(server.address()) {
        auto made = tls::Engine::server(identity().server);
        REQUIRE(made.has_value());
        engine = std::move(*made);
        REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
        channel = std::move(server.last);
        channel->set_tls(as_client(name));
    }

    // Moves octets between the engine and the wire; true once the handshake is done.
    bool serve() {
        engine->receive(peer.receive());
        while (true) {
            const tls::Event event = engine->next();
            if (std::holds_alternative<tls::Established>(event)) established = true;
            if (std::holds_alternative<tls::Closed>(event)) closed = true;
            if (const auto* data = std::get_if<tls::Data>(&event)) {
                received += data->plaintext;
            } else if (!std::holds_alternative<tls::Established>(event)) {
                break;
            }
        }
        flush();
        return established;
    }
    std::string output() {
        std::string octets(engine->output());
        engine->sent(octets.size());
        return octets;
    }
    void flush() {
        if (const std::string octets = output(); !octets.empty()) peer.send(octets);
    }
    void handshake() {
        channel->start_tls();
        REQUIRE(
            run_until(loop, [&] { return serve() && channel->tls() == TlsPhase::established; }));
    }

    Loop& loop;
    Server server;
    RawSocket peer;
    std::unique_ptr<tls::Engine> engine;
    std::unique_ptr<TcpChannel> channel;
    std::string received;
    bool established = false;
    bool closed = false;
};

}  // namespace waxseal::net::testing
