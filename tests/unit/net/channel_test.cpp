// TcpChannel in plaintext, against another channel and against sockets that behave badly.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/limits.hpp"
#include "support.hpp"

namespace waxseal::net::testing {

TEST_CASE("bytes go through unchanged in both directions, whatever their number") {
    Loop loop;
    Pair pair(loop);
    Pump client(*pair.client);
    Pump server(*pair.server);
    const std::string up = pattern(3'000'000);
    const std::string down = pattern(70'000);
    client.send(up);
    server.send(down);
    REQUIRE(run_until(loop, [&] {
        return server.received().size() == up.size() && client.received().size() == down.size();
    }));
    CHECK(server.received() == up);
    CHECK(client.received() == down);
    CHECK(client.sent());
    CHECK(pair.client->tls() == TlsPhase::none);
    CHECK_FALSE(pair.client->verified_peer().has_value());
    CHECK(pair.client->end() == EndOfInput::none);
    CHECK(pair.server->peer_address().starts_with("127.0.0.1:"));
}

TEST_CASE("nothing is read and nobody is told before set_notify(), and then nothing is lost") {
    Loop loop;
    Half half(loop);
    half.peer.send("EHLO x\r\n");
    half.peer.half_close();
    settle(loop);
    CHECK(half.channel->readable().empty());
    int calls = 0;
    half.channel->set_notify([&] { ++calls; });
    CHECK(calls == 0);
    REQUIRE(run_until(loop, [&] { return half.channel->readable() == "EHLO x\r\n"; }));
    CHECK(half.channel->end() == EndOfInput::none);
    half.channel->consume(8);
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::clean; }));
    CHECK(calls > 0);
}

TEST_CASE("notify is never called from inside a member function") {
    Loop loop;
    Half half(loop);
    bool inside = false;
    int calls = 0;
    half.channel->set_notify([&] {
        CHECK_FALSE(inside);
        ++calls;
    });
    half.peer.send("abc");
    REQUIRE(run_until(loop, [&] { return !half.channel->readable().empty(); }));
    inside = true;
    half.channel->want_input(false);
    half.channel->want_input(true);
    half.channel->write("220 hello\r\n");
    half.channel->consume(1);
    half.channel->set_notify([&] {
        CHECK_FALSE(inside);
        ++calls;
    });
    half.channel->start_tls();
    half.channel->close();
    inside = false;
    const int before = calls;
    settle(loop);
    CHECK(calls > before);
}

TEST_CASE("a view stays good while more arrives, until the next look") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.send("first");
    REQUIRE(run_until(loop, [&] { return half.channel->readable().size() == 5; }));
    const std::string_view view = half.channel->readable();
    half.peer.send(std::string(8000, 'x'));
    settle(loop);
    CHECK(view == "first");
    CHECK(half.channel->readable().size() == 8005);
}

TEST_CASE("the peer's FIN ends the input only; what we write still arrives") {
    Loop loop;
    Half half(loop);
    std::string got;
    half.channel->set_notify([&] { drain(*half.channel, got); });
    half.peer.send("QUIT\r\n");
    half.peer.half_close();
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::clean; }));
    CHECK(got == "QUIT\r\n");
    CHECK(half.channel->write("221 bye\r\n") == 9);
    half.channel->close();
    half.channel.reset();
    std::string answer;
    REQUIRE(run_until(loop, [&] {
        answer += half.peer.receive();
        return half.peer.ended();
    }));
    CHECK(answer == "221 bye\r\n");
}

TEST_CASE("a reset is a failure with a reason, after what came before it") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.send("MAIL FROM:<a@example.com>\r\n");
    REQUIRE(run_until(loop, [&] { return !half.channel->readable().empty(); }));
    half.peer.reset();
    settle(loop);
    CHECK(half.channel->end() == EndOfInput::none);
    half.channel->consume(half.channel->readable().size());
    REQUIRE(run_until(loop, [&] { return half.channel->end() == EndOfInput::failed; }));
    CHECK(half.channel->failure().kind == FailureKind::lost);
    CHECK(half.channel->failure().reason == "connection reset by peer");
    CHECK(half.channel->write("x") == 0);
}

TEST_CASE("when writing fails, what the peer had said is delivered before the failure") {
    Loop loop;
    Half half(loop);
    std::string got;
    half.channel->want_input(false);
    half.channel->set_notify([&] {
        if (got.empty()) half.channel->write(std::string(1000, 'x'));
    });
    settle(loop);
    half.peer.send("421 go away\r\n");
    // Closing with unread input resets the connection: the next write but one fails.
    half.peer.close();
    REQUIRE(run_until(loop, [&] {
        half.channel->write(std::string(1000, 'x'));
        return !half.channel->readable().empty();
    }));
    CHECK(half.channel->end() == EndOfInput::none);
    drain(*half.channel, got);
    CHECK(got == "421 go away\r\n");
    CHECK(half.channel->end() == EndOfInput::failed);
    CHECK(half.channel->failure().kind == FailureKind::lost);
    CHECK(half.channel->flushed());
}

TEST_CASE("a slow reader stops the writer; the bytes wait in order and all arrive") {
    Loop loop;
    Half half(loop);
    const std::string text = pattern(8'000'000);
    std::size_t written = 0;
    std::size_t largest = 0;
    half.channel->set_notify([&] {
        while (const std::size_t n = half.channel->write(std::string_view(text).substr(written))) {
            written += n;
            largest = std::max(largest, n);
        }
    });
    REQUIRE(run_until(loop, [&] { return !half.channel->flushed(); }));
    settle(loop);
    const std::size_t stuck = written;
    CHECK(half.channel->write("more") == 0);
    settle(loop);
    CHECK(written == stuck);
    CHECK(largest <= limits::tls_record);
    std::string got;
    REQUIRE(run_until(loop, [&] {
        got += half.peer.receive();
        return got.size() == text.size();
    }));
    CHECK(got == text);
    REQUIRE(run_until(loop, [&] { return half.channel->flushed(); }));
}

TEST_CASE("without interest nothing is read, and a little even when nobody takes it") {
    Loop loop;
    Half half(loop);
    half.channel->want_input(false);
    half.channel->set_notify([] {});
    half.peer.send("hello");
    settle(loop);
    CHECK(half.channel->readable().empty());
    half.channel->want_input(true);
    REQUIRE(run_until(loop, [&] { return half.channel->readable() == "hello"; }));

    half.peer.send(pattern(150'000));
    settle(loop);
    const std::size_t waiting = half.channel->readable().size();
    CHECK(waiting >= limits::read_block);
    CHECK(waiting <= 2 * limits::read_block);
    std::string got;
    REQUIRE(run_until(loop, [&] {
        drain(*half.channel, got);
        return got.size() == 150'005;
    }));
}

TEST_CASE(
    "close() and then destruction delivers everything, also what the kernel does not take at "
    "once") {
    Loop loop;
    Half half(loop);
    const std::string text = pattern(6'000'000);
    std::size_t written = 0;
    half.channel->set_notify([&] {
        while (const std::size_t n = half.channel->write(std::string_view(text).substr(written)))
            written += n;
    });
    // The peer does not read: the kernel's buffers fill, and one write stays under way.
    REQUIRE(run_until(loop, [&] { return written > 0 && !half.channel->flushed(); }));
    half.channel->close();
    half.channel.reset();
    std::string got;
    REQUIRE(run_until(loop, [&] {
        got += half.peer.receive();
        return half.peer.ended();
    }));
    CHECK(got == text.substr(0, written));
}

TEST_CASE("a peer that goes on talking after our close still gets the last reply") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.send("a first line that is never read\r\n");
    settle(loop);
    half.channel->want_input(false);
    half.peer.send(std::string(100'000, 'x'));
    CHECK(half.channel->write("421 too many errors\r\n") == 21);
    half.channel->close();
    half.channel.reset();
    half.peer.send(std::string(100'000, 'y'));
    std::string got;
    REQUIRE(run_until(loop, [&] {
        got += half.peer.receive();
        return half.peer.ended();
    }));
    CHECK(got == "421 too many errors\r\n");
    CHECK(half.peer.error() != ECONNRESET);
}

TEST_CASE("close() may be followed by looking on: flushed() tells when all is out") {
    Loop loop;
    Half half(loop);
    bool told = false;
    half.channel->set_notify([&] { told = half.channel->flushed(); });
    while (half.channel->write(std::string(16'384, 'x')) != 0) {
    }
    half.channel->close();
    CHECK_FALSE(half.channel->flushed());
    CHECK(half.channel->write("x") == 0);
    REQUIRE(run_until(loop, [&] {
        half.peer.receive();
        return told;
    }));
    CHECK(half.channel->flushed());
    half.peer.close();
    settle(loop);
    half.channel->close();
    half.channel->abort();
    CHECK(half.channel->flushed());
}

TEST_CASE("abort() resets, and so does destruction without close()") {
    Loop loop;
    for (const bool by_abort : {true, false}) {
        Half half(loop);
        half.channel->set_notify([] {});
        half.channel->write("354 go on\r\n");
        settle(loop);
        if (by_abort) {
            half.channel->abort();
            CHECK(half.channel->write("x") == 0);
        } else {
            half.channel.reset();
        }
        REQUIRE(run_until(loop, [&] {
            half.peer.receive();
            return half.peer.error() == ECONNRESET || half.peer.ended();
        }));
        CHECK(half.peer.error() == ECONNRESET);
        CHECK_FALSE(half.peer.ended());
    }
}

TEST_CASE("start_tls() with unread input is refused, and the input is never shown") {
    Loop loop;
    Half half(loop);
    half.channel->set_notify([] {});
    half.peer.send("220 go\r\n250-evil\r\n");
    REQUIRE(run_until(loop, [&] { return half.channel->readable().size() == 18; }));
    half.channel->consume(8);
    half.channel->start_tls();
    CHECK(half.channel->readable().empty());
    CHECK(half.channel->end() == EndOfInput::failed);
    CHECK(half.channel->failure().kind == FailureKind::tls);
    CHECK(half.channel->failure().reason ==
          "data arrived in clear after STARTTLS: refusing (possible injection)");
    CHECK(half.channel->write("AUTH PLAIN") == 0);
}

}  // namespace waxseal::net::testing
