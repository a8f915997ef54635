// Listening: ports, errors for people, pausing, and a full descriptor table.
#include "net/listener.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "base/log.hpp"
#include "support.hpp"

namespace waxseal::net::testing {

namespace {

// Counts events by name while it lives.
class CountingSink final : public log::Sink {
  public:
    void write(log::Level, std::string_view event, const log::Fields&) noexcept override {
        events += std::string(event) + ' ';
    }
    std::string events;
};

// Fills the descriptor table up to a lowered limit; gives everything back at its end.
class FullTable {
  public:
    FullTable() {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const int next = dup(0);
        close(next);
        rlimit lowered = before_;
        lowered.rlim_cur = static_cast<rlim_t>(next) + 8;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
        for (int fd = dup(0); fd >= 0; fd = dup(0)) taken_.push_back(fd);
        REQUIRE(errno == EMFILE);
    }
    ~FullTable() { empty(); }
    FullTable(const FullTable&) = delete;
    FullTable& operator=(const FullTable&) = delete;
    void empty() {
        for (const int fd : taken_) close(fd);
        taken_.clear();
        setrlimit(RLIMIT_NOFILE, &before_);
    }

  private:
    rlimit before_{};
    std::vector<int> taken_;
};

}  // namespace

TEST_CASE("port 0 gives a free port, and the peer's address comes with the channel") {
    Loop loop;
    SocketAddress peer;
    std::unique_ptr<TcpChannel> channel;
    auto listener = Listener::open(loop, {.address = loopback()},
                                   [&](auto accepted, const SocketAddress& from) {
                                       channel = std::move(accepted);
                                       peer = from;
                                   });
    REQUIRE(listener.has_value());
    CHECK((*listener)->address().tcp().port != 0);
    CHECK((*listener)->address().tcp().ip_text() == "127.0.0.1");
    const RawSocket raw((*listener)->address().tcp());
    REQUIRE(run_until(loop, [&] { return channel != nullptr; }));
    CHECK(peer.tcp().ip_text() == "127.0.0.1");
    CHECK(peer == channel->peer());
    CHECK(channel->peer_address() == peer.text());
}

TEST_CASE("[::] takes IPv4 too and shows it as IPv4; with v6_only 0.0.0.0 fits beside it") {
    Loop loop;
    SocketAddress peer;
    const auto on_accept = [&](auto, const SocketAddress& from) { peer = from; };
    auto both = Listener::open(loop, {.address = *Address::parse("::", 0)}, on_accept);
    if (!both) return;  // a machine without IPv6
    const std::uint16_t port = (*both)->address().tcp().port;
    const RawSocket raw(loopback(port));
    REQUIRE(run_until(loop, [&] { return peer.tcp().port != 0; }));
    CHECK(peer.tcp().ipv4());
    CHECK(peer.tcp().ip_text() == "127.0.0.1");
    CHECK_FALSE(
        Listener::open(loop, {.address = *Address::parse("0.0.0.0", port)}, on_accept).has_value());

    both->reset();
    auto six =
        Listener::open(loop, {.address = *Address::parse("::", 0), .v6_only = true}, on_accept);
    REQUIRE(six.has_value());
    const auto four = Listener::open(
        loop, {.address = *Address::parse("0.0.0.0", (*six)->address().tcp().port)}, on_accept);
    CHECK(four.has_value());
}

TEST_CASE("errors say what to do") {
    Loop loop;
    Server first(loop);
    const auto second =
        Listener::open(loop, {.address = first.address()}, [](auto, const SocketAddress&) {});
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().text ==
          "cannot listen on " + first.address().text() +
              ": address already in use; another program, or another waxseal, listens there");
    const auto elsewhere = Listener::open(loop, {.address = *Address::parse("192.0.2.1", 0)},
                                          [](auto, const SocketAddress&) {});
    REQUIRE_FALSE(elsewhere.has_value());
    CHECK(elsewhere.error().text ==
          "cannot listen on 192.0.2.1:0: address not available; no interface of this machine has "
          "this address");
    CHECK(listen_error(*Address::parse("0.0.0.0", 25), EACCES).text ==
          "cannot listen on 0.0.0.0:25: permission denied; ports below 1024 need root or the "
          "capability CAP_NET_BIND_SERVICE");
    CHECK(listen_error(*Address::parse("::1", 2525), EACCES).text ==
          "cannot listen on [::1]:2525: permission denied");
}

TEST_CASE("several workers may share a port") {
    Loop loop;
    auto first = Listener::open(loop, {.address = loopback(), .reuse_port = true},
                                [](auto, const SocketAddress&) {});
    REQUIRE(first.has_value());
    auto second = Listener::open(loop, {.address = (*first)->address(), .reuse_port = true},
                                 [](auto, const SocketAddress&) {});
    CHECK(second.has_value());
}

TEST_CASE("a paused listener keeps connections waiting, not dropped") {
    Loop loop;
    Server server(loop);
    server.listener->pause();
    RawSocket raw(server.address());
    raw.send("EHLO x\r\n");
    settle(loop);
    CHECK(server.accepted == 0);
    CHECK(server.listener->attempts() == 0);
    server.listener->resume();
    REQUIRE(run_until(loop, [&] { return server.accepted == 1; }));
    server.last->set_notify([] {});
    REQUIRE(run_until(loop, [&] { return server.last->readable() == "EHLO x\r\n"; }));
}

TEST_CASE("a listener may be destroyed, or paused, by the function it calls") {
    Loop loop;
    int accepted = 0;
    std::unique_ptr<Listener> listener;
    std::function<void()> act = [&] { listener->pause(); };
    auto opened = Listener::open(loop, {.address = loopback()}, [&](auto, const SocketAddress&) {
        ++accepted;
        act();
    });
    REQUIRE(opened.has_value());
    listener = std::move(*opened);
    const RawSocket a(listener->address().tcp());
    const RawSocket b(listener->address().tcp());
    REQUIRE(run_until(loop, [&] { return accepted == 1; }));
    settle(loop);
    CHECK(accepted == 1);
    act = [&] { listener.reset(); };
    listener->resume();
    REQUIRE(run_until(loop, [&] { return accepted == 2; }));
    settle(loop);
    CHECK(listener == nullptr);
}

TEST_CASE("with no descriptor left accepting pauses, says so once, and goes on when there is one") {
    const auto sink = std::make_shared<CountingSink>();
    log::install(sink, log::Level::info);
    Loop loop;
    Server server(loop);
    warm_up(loop);
    // UndefinedBehaviorSanitizer looks at a new kind of object through a pipe, which it cannot open
    // later.
    log::info("warm_up");
    RawSocket first(server.address());
    RawSocket second(server.address());
    {
        FullTable full;
        const std::uint64_t before = server.listener->attempts();
        const TimePoint begin = loop.now();
        REQUIRE(run_until(loop, [&] { return server.listener->attempts() == before + 3; }));
        // Tried at once, after 100 ms and after 200 ms more; spinning would take no time.
        CHECK(loop.now() - begin >= Duration(300));
        CHECK(server.accepted == 0);
        CHECK(sink->events == "warm_up accept_failed ");
        // Nobody has been hung up on.
        first.receive();
        CHECK(first.error() == EAGAIN);
    }
    REQUIRE(run_until(loop, [&] { return server.accepted == 2; }));
    settle(loop);
    CHECK(sink->events == "warm_up accept_failed accept_recovered ");
    server.last->set_notify([] {});
    second.send("HELO x\r\n");
    REQUIRE(run_until(loop, [&] { return server.last->readable() == "HELO x\r\n"; }));
    log::install(nullptr, log::Level::info);
}

TEST_CASE("the session cap follows the limit of open files, which is raised first") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit lowered = before;
    lowered.rlim_cur = 256;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    const std::size_t sessions = max_sessions_for_rlimit();
    rlimit after{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
    CHECK(after.rlim_cur == before.rlim_max);
    if (before.rlim_max == RLIM_INFINITY) return;
    CHECK(sessions == (before.rlim_max - 64) / 2);
    CHECK(max_sessions_for_rlimit(1, 3) == (before.rlim_max - 64) / 3);
    CHECK(max_sessions_for_rlimit(1'000'000) == 1);
}

}  // namespace waxseal::net::testing
