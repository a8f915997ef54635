// A client and a server engine joined over memory, with certificates made on the spot.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tls/engine.hpp"
#include "tls/issue.hpp"

namespace waxseal::tls::test {

// Everything an engine has told, flattened for comparison.
struct Told {
    int established = 0;
    std::string data;
    int records = 0;  // Data events
    int closed = 0;
    int truncated = 0;
    std::string broken;
    int broken_count = 0;

    [[nodiscard]] int ends() const { return closed + truncated + broken_count; }
};

// Takes events until NeedInput; fails the test when that does not come.
inline void drain(Engine& engine, Told& told) {
    for (int i = 0; i < 10'000; ++i) {
        const Event event = engine.next();
        if (std::holds_alternative<NeedInput>(event)) return;
        if (std::holds_alternative<Established>(event)) ++told.established;
        if (std::holds_alternative<Closed>(event)) ++told.closed;
        if (std::holds_alternative<Truncated>(event)) ++told.truncated;
        if (const auto* data = std::get_if<Data>(&event)) {
            told.data += data->plaintext;
            ++told.records;
        }
        if (const auto* broken = std::get_if<Broken>(&event)) {
            told.broken = broken->reason;
            ++told.broken_count;
        }
    }
    FAIL("the engine never needs input");
}

inline std::string take_output(Engine& engine) {
    std::string octets(engine.output());
    engine.sent(octets.size());
    return octets;
}

struct Identity {
    Issued ca;
    Issued leaf;
};

inline Identity make_identity(LeafRequest request = {
                                  {"mail.example.org"}, {}, std::chrono::hours(24)}) {
    auto ca = issue_ca("Test CA", std::chrono::hours(24));
    REQUIRE(ca.has_value());
    auto leaf = issue_leaf(*ca, request);
    REQUIRE_MESSAGE(leaf.has_value(), (leaf ? std::string() : leaf.error().text));
    return {std::move(*ca), std::move(*leaf)};
}

inline std::shared_ptr<const ClientContext> trusting(const std::string& pem) {
    ClientOptions options;
    options.ca_pem = pem;
    auto context = client_context(options);
    REQUIRE_MESSAGE(context.has_value(), (context ? std::string() : context.error().text));
    return *context;
}

inline std::shared_ptr<const ServerContext> serving(const std::string& certificate,
                                                    std::string_view key) {
    auto context = server_context(CertifiedKey{certificate, Secret(key)});
    REQUIRE_MESSAGE(context.has_value(), (context ? std::string() : context.error().text));
    return *context;
}

struct Pair {
    std::unique_ptr<Engine> client;
    std::unique_ptr<Engine> server;
    Told at_client;
    Told at_server;

    Pair(std::shared_ptr<const ClientContext> c, std::shared_ptr<const ServerContext> s,
         std::string_view name = "mail.example.org") {
        auto made_client = Engine::client(std::move(c), name);
        REQUIRE_MESSAGE(made_client.has_value(),
                        (made_client ? std::string() : made_client.error().text));
        auto made_server = Engine::server(std::move(s));
        REQUIRE(made_server.has_value());
        client = std::move(*made_client);
        server = std::move(*made_server);
    }

    // Moves octets until both sides have nothing more to say; at most `chunk` at a time.
    void settle(std::size_t chunk = SIZE_MAX) {
        for (int i = 0; i < 1000; ++i) {
            drain(*client, at_client);
            drain(*server, at_server);
            const std::string up = take_output(*client);
            const std::string down = take_output(*server);
            if (up.empty() && down.empty()) return;
            feed(*server, at_server, up, chunk);
            feed(*client, at_client, down, chunk);
        }
        FAIL("the engines never settle");
    }

    static void feed(Engine& engine, Told& told, std::string_view octets, std::size_t chunk) {
        for (std::size_t i = 0; i < octets.size(); i += std::min(chunk, octets.size() - i)) {
            engine.receive(octets.substr(i, chunk));
            if (chunk < octets.size()) drain(engine, told);
        }
    }
};

// The contexts of an ordinary pair, made once for the whole program.
struct Usual {
    Identity identity = make_identity();
    std::shared_ptr<const ClientContext> client = trusting(identity.ca.certificate_pem);
    std::shared_ptr<const ServerContext> server =
        serving(identity.leaf.certificate_pem, identity.leaf.key_pem.reveal());
};
inline const Usual& usual() {
    static const Usual value;
    return value;
}

// Writes all of `octets`, however many records that takes.
inline void write_all(Engine& engine, std::string_view octets) {
    while (!octets.empty()) {
        const std::size_t n = engine.write(octets);
        REQUIRE(n > 0);
        octets.remove_prefix(n);
    }
}

}  // namespace waxseal::tls::test
