// TcpChannel with TLS: handshakes that work and that fail, records, and the three ways a connection
// ends.
#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"
#include "support.hpp"
#include "tls_support.hpp"

namespace waxseal::net::testing {

TEST_CASE("bytes go through TLS unchanged; only the client's peer is verified") {
    Loop loop;
    TlsPair pair(loop);
    Pump client(*pair.client);
    Pump server(*pair.server);
    const std::string up = pattern(2'000'000);
    const std::string down = pattern(300'000);
    client.send(up);
    server.send(down);
    REQUIRE(run_until(loop, [&] {
        return server.received().size() == up.size() && client.received().size() == down.size();
    }));
    CHECK(server.received() == up);
    CHECK(client.received() == down);
    CHECK(pair.client->tls_details().version == "TLSv1.3");
    CHECK(pair.client->tls_details().cipher_suite == pair.server->tls_details().cipher_suite);
    CHECK(pair.client->verified_peer().has_value());
    CHECK_FALSE(pair.server->verified_peer().has_value());
}

TEST_CASE("STARTTLS: the last reply in clear goes out first, then TLS") {
    Loop loop;
    Pair pair(loop, as_client(), as_server());
    std::string clear;
    pair.server->set_notify([] {});
    pair.client->set_notify([&] {
        if (pair.client->tls() != TlsPhase::none) return;
        drain(*pair.client, clear);
        if (clear.ends_with("\r\n")) pair.client->start_tls();
    });
    pair.server->write("220 go ahead\r\n");
    pair.server->start_tls();
    REQUIRE(run_until(loop, [&] { return pair.client->tls() == TlsPhase::established; }));
    CHECK(clear == "220 go ahead\r\n");
    REQUIRE(run_until(loop, [&] { return pair.server->tls() == TlsPhase::established; }));
}

TEST_CASE("start_tls() alone begins reading: with implicit TLS no octet is ever read in clear") {
    Loop loop;
    TlsHalf half(loop);
    // A server that talks in clear where TLS is due, and before we have asked for anything.
    half.peer.send("220 mail.example.org ESMTP\r\n");
    settle(loop);
    bool told = false;
    half.channel->start_tls();
    half.channel->set_notify([&] { told = true; });
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::failed; }));
    CHECK(told);
    CHECK(half.channel->readable().empty());
    CHECK(half.channel->failure().kind == FailureKind::tls);
    CHECK(half.channel->tls() == TlsPhase::handshaking);
    CHECK_FALSE(half.channel->verified_peer().has_value());
}

TEST_CASE("nothing can be written before the handshake is done, and its end is told") {
    Loop loop;
    TlsHalf half(loop);
    TlsPhase told = TlsPhase::none;
    half.channel->set_notify([&] { told = half.channel->tls(); });
    half.channel->start_tls();
    CHECK(half.channel->tls() == TlsPhase::handshaking);
    CHECK(half.channel->write("EHLO x\r\n") == 0);
    REQUIRE(run_until(loop, [&] {
        half.serve();
        return told == TlsPhase::established;
    }));
    CHECK(half.channel->write("EHLO x\r\n") == 8);
    REQUIRE(run_until(loop, [&] {
        half.serve();
        return half.received == "EHLO x\r\n";
    }));
}

TEST_CASE("a greeting in the same segment as the end of the handshake is not lost") {
    Loop loop;
    TlsHalf half(loop);
    std::string got;
    half.channel->set_notify([&] { drain(*half.channel, got); });
    half.channel->start_tls();
    REQUIRE(run_until(loop, [&] {
        half.engine->receive(half.peer.receive());
        const bool done = std::holds_alternative<tls::Established>(half.engine->next());
        if (done) half.engine->write("220 hello\r\n");
        half.flush();
        return done;
    }));
    REQUIRE(run_until(loop, [&] { return got == "220 hello\r\n"; }));
}

TEST_CASE("a certificate for another name fails, with the reason") {
    Loop loop;
    Pair pair(loop, as_client("smtp.example.com"), as_server());
    pair.client->set_notify([] {});
    pair.server->set_notify([] {});
    pair.server->start_tls();
    pair.client->start_tls();
    REQUIRE(run_until(loop, [&] {
        return pair.client->end() == EndOfInput::failed && pair.server->end() == EndOfInput::failed;
    }));
    CHECK(pair.client->failure().kind == FailureKind::tls);
    CHECK(pair.client->failure().reason.find("smtp.example.com") != std::string::npos);
    CHECK_FALSE(pair.client->verified_peer().has_value());
    CHECK(pair.client->write("AUTH PLAIN") == 0);
    CHECK(pair.server->failure().kind == FailureKind::tls);
}

TEST_CASE("an address is verified as an address") {
    Loop loop;
    Pair pair(loop, as_client("127.0.0.1"), as_server());
    pair.server->start_tls();
    pair.client->start_tls();
    REQUIRE(run_until(loop, [&] { return pair.client->tls() == TlsPhase::established; }));
    CHECK(pair.client->verified_peer().has_value());
}

TEST_CASE("TLS without settings, or without a name to verify, fails instead of going on") {
    Loop loop;
    for (const TlsSettings& settings : {TlsSettings{}, as_client("")}) {
        TlsHalf half(loop);
        half.channel->set_tls(settings);
        half.channel->set_notify([] {});
        half.channel->start_tls();
        CHECK(half.channel->end() == EndOfInput::failed);
        CHECK(half.channel->failure().kind == FailureKind::tls);
        CHECK_FALSE(half.channel->failure().reason.empty());
    }
}

TEST_CASE("the ends: close_notify is clean, FIN alone is truncation, RST is a failure") {
    Loop loop;
    enum class Way { close_notify, fin, half_a_record, reset, notify_and_reset };
    for (const Way way :
         {Way::close_notify, Way::fin, Way::half_a_record, Way::reset, Way::notify_and_reset}) {
        CAPTURE(static_cast<int>(way));
        TlsHalf half(loop);
        std::string got;
        half.channel->set_notify([&] { drain(*half.channel, got); });
        half.handshake();
        half.engine->write("250 all of this\r\n");
        half.flush();
        REQUIRE(run_until(loop, [&] { return !got.empty(); }));
        if (way == Way::half_a_record) {
            half.engine->write("250 and not this\r\n");
            half.peer.send(half.output().substr(0, 12));
        }
        if (way == Way::close_notify || way == Way::notify_and_reset) {
            half.engine->close();
            half.flush();
        }
        if (way == Way::notify_and_reset)
            REQUIRE(run_until(loop, [&] { return half.channel->end() != EndOfInput::none; }));
        if (way == Way::reset || way == Way::notify_and_reset) {
            half.peer.reset();
        } else {
            half.peer.half_close();
        }
        REQUIRE(run_until(loop, [&] { return half.channel->end() != EndOfInput::none; }));
        CHECK(got == "250 all of this\r\n");
        const bool clean = way == Way::close_notify || way == Way::notify_and_reset;
        CHECK(half.channel->end() == (clean               ? EndOfInput::clean
                                      : way == Way::reset ? EndOfInput::failed
                                                          : EndOfInput::truncated));
        CHECK(half.channel->failure().kind == FailureKind::lost);
    }
}

TEST_CASE("the transport may end during the handshake") {
    Loop loop;
    for (const bool by_reset : {true, false}) {
        TlsHalf half(loop);
        half.channel->set_notify([] {});
        half.channel->start_tls();
        REQUIRE(run_until(loop, [&] { return !half.peer.receive().empty(); }));
        by_reset ? half.peer.reset() : half.peer.close();
        REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::failed; }));
        CHECK(half.channel->failure().kind == FailureKind::tls);
        CAPTURE(half.channel->failure().reason);
        CHECK_FALSE(half.channel->failure().reason.empty());
    }
}

TEST_CASE(
    "close() sends what was taken and close_notify, also when the channel is destroyed at once") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    const std::string text = pattern(6'000'000);
    std::size_t written = 0;
    while (const std::size_t n = half.channel->write(std::string_view(text).substr(written)))
        written += n;
    CHECK_FALSE(half.channel->flushed());
    half.channel->close();
    half.channel.reset();
    REQUIRE(run_until(loop, [&] {
        half.serve();
        return half.closed;
    }));
    CHECK(half.received == text.substr(0, written));
}

TEST_CASE("abort() sends no close_notify") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    half.channel->write("MAIL FROM:<>\r\n");
    half.channel->abort();
    REQUIRE(run_until(loop, [&] {
        half.serve();
        return half.peer.error() == ECONNRESET || half.peer.ended();
    }));
    CHECK(half.peer.error() == ECONNRESET);
    CHECK_FALSE(half.closed);
}

TEST_CASE("without interest only a bounded number of records waits") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    half.channel->want_input(false);
    const std::string text = pattern(150'000);
    for (std::size_t at = 0; at < text.size();)
        at += half.engine->write(std::string_view(text).substr(at));
    half.flush();
    settle(loop);
    CHECK(half.channel->readable().empty());
    half.channel->want_input(true);
    std::string got;
    REQUIRE(run_until(loop, [&] { return !half.channel->readable().empty(); }));
    settle(loop);
    drain(*half.channel, got);
    // The rest has not been taken from the kernel.
    CHECK(got.size() <= 3 * limits::read_block);
    REQUIRE(run_until(loop, [&] {
        drain(*half.channel, got);
        return got.size() == text.size();
    }));
    CHECK(got == text);
}

TEST_CASE("a record may be consumed in pieces") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    half.engine->write("one two");
    half.engine->write("three");
    half.flush();
    REQUIRE(run_until(loop, [&] { return half.channel->readable() == "one two"; }));
    half.channel->consume(4);
    CHECK(half.channel->readable() == "two");
    CHECK(half.channel->end() == EndOfInput::none);
    half.channel->consume(3);
    CHECK(half.channel->readable() == "three");
}

TEST_CASE("when writing fails under TLS, what the peer had said is delivered before the failure") {
    Loop loop;
    TlsHalf half(loop);
    half.channel->set_notify([] {});
    half.handshake();
    half.channel->want_input(false);
    settle(loop);
    half.channel->write("never read");
    half.engine->write("421 go away\r\n");
    half.flush();
    half.peer.close();
    std::string got;
    REQUIRE(run_until(loop, [&] {
        half.channel->write(std::string(1000, 'x'));
        drain(*half.channel, got);
        return half.channel->end() == EndOfInput::failed;
    }));
    CHECK(got == "421 go away\r\n");
    CHECK(half.channel->failure().kind == FailureKind::lost);
}

TEST_CASE("a channel with TLS may be destroyed in any notification") {
    for (int side = 0; side < 3; ++side) {
        for (int at = 1; at < 12; ++at) {
            Loop loop;
            Pair pair(loop, as_client(), as_server());
            int calls = 0;
            bool over = false;
            std::string sink;
            const auto act = [&](Channel& channel) {
                if (++calls == at) {
                    if (side != 1) pair.client.reset();
                    if (side != 0) pair.server.reset();
                    over = true;
                    return;
                }
                drain(channel, sink);
                channel.write(std::string(20'000, 'x'));
                if (channel.end() != EndOfInput::none) over = true;
            };
            pair.client->set_notify([&] { act(*pair.client); });
            pair.server->set_notify([&] { act(*pair.server); });
            pair.client->start_tls();
            pair.server->start_tls();
            REQUIRE(run_until(loop, [&] { return over; }));
            settle(loop);
        }
    }
}

TEST_CASE("bytes after close_notify are ignored") {
    Loop loop;
    TlsHalf half(loop);
    std::string got;
    half.channel->set_notify([&] { drain(*half.channel, got); });
    half.handshake();
    half.engine->write("221 bye\r\n");
    half.engine->close();
    half.flush();
    half.peer.send("250 evil\r\n");
    REQUIRE(run_until(loop, [&] { return half.channel->end() != EndOfInput::none; }));
    settle(loop);
    CHECK(got == "221 bye\r\n");
    CHECK(half.channel->end() == EndOfInput::clean);
}

}  // namespace waxseal::net::testing
