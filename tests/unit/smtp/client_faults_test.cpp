// The client machine and an upstream that speaks out of turn, leaves, or refuses at the wrong time.
#include <doctest/doctest.h>

#include "unit/smtp/client_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

const ClientSetup& setup() {
    static const ClientSetup value = plain_setup(Security::implicit);
    return value;
}

// Brings a client into a phase, all output taken: 0 idle, 1 MAIL accepted, 2 a recipient stands,
// 3 in the body, 4 after a body, 5 after the whole transaction.
void bring(ClientPeer& peer, int stage) {
    Client& client = peer.client();
    peer.receive("220 hi\r\n");
    peer.receive(offer);
    const auto step = [&](const Act& act, std::string_view reply) {
        act(client);
        peer.run();
        peer.receive(reply);
    };
    if (stage >= 1) step(mail("<a@b.c>"), "250 ok\r\n");
    if (stage >= 2) step(rcpt("<d@e.f>"), "250 ok\r\n");
    if (stage >= 3) step(data(), "354 go\r\n");
    if (stage >= 4) step(body("x\r\n"), "");
    if (stage >= 5) step(end_of_data(), "250 ok\r\n");
    (void)peer.fresh();
}

std::string last_event(const ClientPeer& peer) {
    const std::string& events = peer.result().events;
    const std::size_t before = events.rfind('\n', events.size() - 2);
    return events.substr(before == std::string::npos ? 0 : before + 1);
}

}  // namespace

TEST_CASE("client: replies that answer nothing are fatal, but for 421 and a refusal in the body") {
    for (int stage = 0; stage <= 5; ++stage) {
        const bool in_body = stage == 3 || stage == 4;
        for (const std::string_view reply : {"250 2.0.0 ok\r\n"sv, "354 go\r\n"sv, "235 ok\r\n"sv,
                                             "220 hi\r\n"sv, "450 no\r\n"sv, "550 no\r\n"sv}) {
            CAPTURE(stage);
            CAPTURE(reply);
            ClientPeer peer(setup());
            bring(peer, stage);
            peer.receive(reply);
            const bool early = in_body && (reply.starts_with("4") || reply.starts_with("5"));
            CHECK(last_event(peer).starts_with(early ? "early " : "failed protocol: "));
            CHECK(peer.fresh().empty());
        }
        ClientPeer peer(setup());
        bring(peer, stage);
        peer.receive("421 4.4.2 Idle\r\n");
        CHECK(last_event(peer) == (in_body ? "early 421 4.4.2 Idle\n"
                                           : "failed lost: the upstream is closing: 421 4.4.2 "
                                             "Idle\n"));
        CHECK(peer.fresh().empty());
    }
}

TEST_CASE("client: octets that came before a command are not its answer") {
    // Two answers in one piece: the owner acts on the first, and finds the second waiting.
    for (int stage = 0; stage <= 3; ++stage) {
        CAPTURE(stage);
        ClientPeer peer(setup());
        bring(peer, stage);
        Client& client = peer.client();
        // Received, but not looked at yet: as when both sides have something at the same moment.
        client.receive("250 2.0.0 Injected\r\n");
        const Act acts[] = {mail("<a@b.c>"), rcpt("<d@e.f>"), data(), end_of_data()};
        acts[stage](client);
        peer.run();
        CHECK(last_event(peer).starts_with("failed protocol: "));
    }
    // 421 in the same place keeps its meaning.
    ClientPeer peer(setup());
    bring(peer, 0);
    peer.client().receive("421 4.4.2 Idle\r\n");
    mail("<a@b.c>")(peer.client());
    peer.run();
    CHECK(last_event(peer).starts_with("failed lost: "));
}

TEST_CASE("client: an answer to what has not left us yet") {
    ClientPeer peer(setup());
    bring(peer, 4);
    Client& client = peer.client();
    body(std::string(1000, 'x') + "\r\n")(client);
    end_of_data()(client);
    // The upstream has not taken the end of the message, so it cannot have accepted it.
    SUBCASE("accepted") {
        client.receive("250 2.0.0 Queued\r\n");
        const ClientEvent told = client.next();
        REQUIRE(std::holds_alternative<client_event::Failed>(told));
        CHECK(std::get<client_event::Failed>(told).failure.kind == FailureKind::protocol);
        CHECK(client.output().empty());
    }
    // A refusal is honest, but what is still to go out would be a command or a message.
    SUBCASE("refused") {
        client.receive("552 5.3.4 Too big\r\n");
        const ClientEvent told = client.next();
        REQUIRE(std::holds_alternative<client_event::MessageReply>(told));
        CHECK_FALSE(std::get<client_event::MessageReply>(told).early);
        CHECK_FALSE(client.idle());
        CHECK(client.phase() == Client::Phase::closing);
    }
}

TEST_CASE("client: a refusal that came before the end of the message is its answer") {
    // It was there already when the owner, who had not looked, ended the message.
    ClientPeer peer(setup());
    bring(peer, 4);
    peer.client().receive("552 5.3.4 Too big\r\n");
    end_of_data()(peer.client());
    peer.run();
    CHECK(last_event(peer) == "message 552 5.3.4 Too big\n");
    CHECK(peer.client().phase() == Client::Phase::closing);
    CHECK_FALSE(peer.client().idle());
}

TEST_CASE("client: an early refusal leaves nothing but abort") {
    for (const std::string_view reply : {"452 4.3.1 Disk full\r\n"sv, "554 5.6.0 Virus\r\n"sv}) {
        ClientPeer peer(setup());
        bring(peer, 4);
        peer.receive(reply);
        CHECK(peer.client().phase() == Client::Phase::closing);
        CHECK_FALSE(peer.client().idle());
        CHECK_FALSE(peer.client().in_transaction());
        CHECK(peer.client().output().empty());
        peer.end(EndOfInput::clean);
        CHECK(last_event(peer) == "closed\n");
    }
}

TEST_CASE("client: only 250 confirms a message") {
    for (const std::string_view reply :
         {"220 hi\r\n"sv, "251 ok\r\n"sv, "235 ok\r\n"sv, "200 ok\r\n"sv, "354 go\r\n"sv}) {
        CAPTURE(reply);
        ClientPeer peer(setup());
        bring(peer, 4);
        end_of_data()(peer.client());
        peer.run();
        peer.receive(reply);
        CHECK(last_event(peer).starts_with("failed protocol: not an answer to end-of-data: "));
    }
}

TEST_CASE("client: 421 as the answer to a command, then the end") {
    const Act acts[] = {mail("<a@b.c>"), rcpt("<d@e.f>"), data(), {}, end_of_data(), reset()};
    const std::string_view names[] = {"mail ", "rcpt ", "data ", "", "message ", "reset "};
    for (int stage = 0; stage <= 5; ++stage) {
        if (!acts[stage]) continue;
        CAPTURE(stage);
        ClientPeer peer(setup());
        bring(peer, stage);
        acts[stage](peer.client());
        peer.run();
        peer.receive("421 4.3.2 Shutting down\r\n");
        CHECK(last_event(peer) == std::string(names[stage]) + "421 4.3.2 Shutting down\n");
        CHECK(peer.client().phase() == Client::Phase::closing);
        CHECK_FALSE(peer.client().idle());
        peer.end(EndOfInput::clean);
        CHECK(peer.client().phase() == Client::Phase::finished);
    }
}

TEST_CASE("client: when the upstream just closes") {
    for (int stage = 0; stage <= 5; ++stage) {
        for (const EndOfInput how : {EndOfInput::clean, EndOfInput::truncated}) {
            CAPTURE(stage);
            ClientPeer peer(setup());
            bring(peer, stage);
            peer.end(how);
            const bool idle = stage == 0 || stage == 5;
            const std::string note =
                how == EndOfInput::truncated ? " without TLS close_notify" : "";
            CHECK(last_event(peer) ==
                  (idle ? "closed\n"
                        : "failed lost: the upstream closed the connection" + note + "\n"));
        }
    }
    // While something is waited for, it is said what.
    ClientPeer peer(setup());
    bring(peer, 4);
    end_of_data()(peer.client());
    peer.run();
    peer.client().end_of_input(EndOfInput::failed, "connection reset by peer");
    peer.run();
    CHECK(last_event(peer) ==
          "failed lost: connection reset by peer, waiting for the reply to end-of-data\n");
}

TEST_CASE("client: an answer that came just before the end counts") {
    ClientPeer peer(setup());
    bring(peer, 4);
    end_of_data()(peer.client());
    peer.run();
    peer.client().receive("250 2.0.0 Queued\r\n");
    peer.client().end_of_input(EndOfInput::truncated, "");
    peer.run();
    CHECK(peer.result().events.ends_with("message 250 2.0.0 Queued\nclosed\n"));
    // Half of one does not.
    ClientPeer half(setup());
    bring(half, 4);
    end_of_data()(half.client());
    half.run();
    half.client().receive("250-2.0.0 Queued\r\n");
    half.client().end_of_input(EndOfInput::clean, "");
    half.run();
    CHECK(last_event(half).starts_with("failed lost: "));
    // Nor is half of one that nobody asked for an orderly end.
    ClientPeer idle(setup());
    bring(idle, 0);
    idle.receive("421 4.4");
    idle.end(EndOfInput::clean);
    CHECK(last_event(idle).starts_with("failed lost: "));
}

TEST_CASE("client: QUIT ends in Closed however the upstream takes it") {
    for (const std::string_view reply :
         {"221 bye\r\n"sv, "250 ok\r\n"sv, "500 what\r\n"sv, "421 bye\r\n"sv, ""sv}) {
        ClientPeer peer(setup());
        bring(peer, 0);
        quit()(peer.client());
        peer.run();
        CHECK(peer.fresh() == "QUIT\r\n");
        peer.receive(reply);
        peer.end(EndOfInput::truncated);
        CHECK(last_event(peer) == "closed\n");
    }
}
