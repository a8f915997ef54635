// Dialling: the race over real sockets, its two deadlines, readable failures, and TLS from the
// first octet.
#include "net/dialer.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "support.hpp"
#include "tls_support.hpp"

namespace waxseal::net::testing {

namespace {

// A port that neither answers nor refuses: its queue of connections is full, so the kernel drops
// what comes.
class BlackHole {
  public:
    BlackHole() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage any;
        const auto length = loopback().to(any);
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&any), length) == 0);
        REQUIRE(listen(fd_, 0) == 0);
        socklen_t size = sizeof any;
        getsockname(fd_, reinterpret_cast<sockaddr*>(&any), &size);
        address_ = *Address::from(reinterpret_cast<const sockaddr*>(&any));
        for (int i = 0; i < 4; ++i) {
            const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            connect(filler, reinterpret_cast<const sockaddr*>(&any), size);
            fillers_.push_back(filler);
        }
    }
    ~BlackHole() {
        for (const int filler : fillers_) close(filler);
        close(fd_);
    }
    BlackHole(const BlackHole&) = delete;
    BlackHole& operator=(const BlackHole&) = delete;
    [[nodiscard]] const Address& address() const { return address_; }

  private:
    int fd_;
    Address address_;
    std::vector<int> fillers_;
};

// A port where nobody listens.
std::uint16_t closed_port() {
    Loop loop;
    return Server(loop).address().port;
}

ResolverOptions answering(const std::vector<std::string>& addresses) {
    std::vector<Address> list;
    for (const auto& text : addresses) list.push_back(*Address::parse(text, 0));
    return {.lookup = [list](const std::string& host) -> Lookup {
        if (list.empty()) return std::unexpected("no such host: " + host);
        return list;
    }};
}

struct Outcome {
    std::unique_ptr<Channel> channel;
    std::string error;
    FailureKind kind{};
};

Outcome dial(Loop& loop, const ResolverOptions& lookup, DialerOptions options) {
    Resolver resolver(lookup);
    TcpDialer dialer(loop, resolver, std::move(options));
    Outcome outcome;
    bool inside = true;
    const auto dial = dialer.dial([&](DialResult result) {
        CHECK_FALSE(inside);
        if (result) {
            outcome.channel = std::move(*result);
        } else {
            outcome.error = result.error().reason;
            outcome.kind = result.error().kind;
        }
    });
    inside = false;
    REQUIRE(run_until(loop, [&] { return outcome.channel || !outcome.error.empty(); }));
    return outcome;
}

DialerOptions to(const std::string& host, std::uint16_t port,
                 Duration connect_timeout = Duration(20'000)) {
    return {.host = host,
            .port = port,
            .tls_start = TlsStart::by_user,
            .tls = {},
            .connect_timeout = connect_timeout};
}

}  // namespace

TEST_CASE("a refused connection names host, port, address and reason") {
    Loop loop;
    const std::uint16_t port = closed_port();
    const Outcome one = dial(loop, {}, to("127.0.0.1", port));
    CHECK(one.kind == FailureKind::connect);
    CHECK(one.error == "cannot connect to 127.0.0.1:" + std::to_string(port) +
                           ": 127.0.0.1: connection refused");
    const Outcome two =
        dial(loop, answering({"127.0.0.1", "127.0.0.2"}), to("smtp.example.com", port));
    CHECK(two.error == "cannot connect to smtp.example.com:" + std::to_string(port) +
                           ": 127.0.0.1: connection refused; 127.0.0.2: connection refused");
    const Outcome three = dial(loop, {}, to("::1", port));
    CHECK(three.error.starts_with("cannot connect to [::1]:" + std::to_string(port) + ": ::1: "));
}

TEST_CASE("a name that does not resolve is a failure of the lookup") {
    Loop loop;
    const Outcome outcome = dial(loop, answering({}), to("nowhere.example", 465));
    CHECK(outcome.kind == FailureKind::name_lookup);
    CHECK(outcome.error == "no such host: nowhere.example");
}

TEST_CASE(
    "the next address is taken when one refuses and when one does not answer; losers leave nothing "
    "behind") {
    Loop loop;
    warm_up(loop);
    const BlackHole hole;
    const std::uint16_t port = hole.address().port;
    // The same port on another loopback address, where somebody does listen.
    std::unique_ptr<TcpChannel> accepted;
    auto listener = Listener::open(loop, {.address = *Address::parse("127.0.0.9", port)},
                                   [&](std::unique_ptr<TcpChannel> channel, const SocketAddress&) {
                                       accepted = std::move(channel);
                                   });
    REQUIRE(listener.has_value());
    const std::size_t before = open_files();
    for (const std::vector<std::string>& list : {std::vector<std::string>{"127.0.0.1", "127.0.0.9"},
                                                 {"127.0.0.8", "127.0.0.9"},
                                                 {"127.0.0.8", "127.0.0.1", "127.0.0.9"}}) {
        const Outcome outcome = dial(loop, answering(list), to("smtp.example.com", port));
        CHECK(outcome.error.empty());
        REQUIRE(outcome.channel != nullptr);
        CHECK(outcome.channel->peer_address() == "127.0.0.9:" + std::to_string(port));
        REQUIRE(run_until(loop, [&] { return accepted != nullptr; }));
        accepted.reset();
    }
    REQUIRE(run_until(loop, [&] { return open_files() == before; }));
}

TEST_CASE("the connect timeout covers the race, and says who did not answer") {
    Loop loop;
    const BlackHole hole;
    const std::uint16_t port = hole.address().port;
    const Outcome outcome = dial(loop, answering({"127.0.0.8", "127.0.0.1"}),
                                 to("smtp.example.com", port, Duration(100)));
    CHECK(outcome.kind == FailureKind::connect);
    CHECK(outcome.error ==
          "cannot connect to smtp.example.com:" + std::to_string(port) +
              ": 127.0.0.8: connection refused; 127.0.0.1: timed out after 100 ms");
}

TEST_CASE("the lookup has its own deadline, and the connect timeout covers it too") {
    struct Blocked {
        std::mutex mutex;
        std::condition_variable changed;
        bool open = false;
    };
    const auto blocked = std::make_shared<Blocked>();
    const ResolverOptions options{.lookup = [blocked](const std::string&) -> Lookup {
        std::unique_lock lock(blocked->mutex);
        blocked->changed.wait(lock, [&] { return blocked->open; });
        return std::unexpected("too late");
    }};
    Loop loop;
    for (const bool by_lookup : {true, false}) {
        DialerOptions target = to("slow.example", 465);
        (by_lookup ? target.lookup_timeout : target.connect_timeout) = Duration(30);
        const Outcome outcome = dial(loop, options, target);
        CHECK(outcome.kind == FailureKind::name_lookup);
        CHECK(outcome.error == "no answer for slow.example within 30 ms");
    }
    const std::lock_guard lock(blocked->mutex);
    blocked->open = true;
    blocked->changed.notify_all();
}

TEST_CASE("a dial may be destroyed at any time, also by its result, and is silent then") {
    Loop loop;
    warm_up(loop);
    Server server(loop);
    const BlackHole hole;
    const std::size_t before = open_files();
    Resolver resolver;
    TcpDialer live(loop, resolver, to("127.0.0.1", server.address().port));
    TcpDialer dead(loop, resolver, to("127.0.0.1", hole.address().port));
    auto early = live.dial([](DialResult) { FAIL("cancelled"); });
    early.reset();
    auto connecting = dead.dial([](DialResult) { FAIL("cancelled"); });
    settle(loop);
    connecting.reset();
    settle(loop);

    bool told = false;
    std::unique_ptr<Dial> own;
    own = live.dial([&](DialResult result) {
        own.reset();
        told = result.has_value();
    });
    REQUIRE(run_until(loop, [&] { return told && server.last; }));
    server.last.reset();
    REQUIRE(run_until(loop, [&] { return open_files() == before; }));
}

TEST_CASE(
    "implicit TLS is under way when the channel is handed over, and verified when it is done") {
    Loop loop;
    Server server(loop);
    server.listener.reset();
    auto listener = Listener::open(loop, {.address = loopback()},
                                   [&](std::unique_ptr<TcpChannel> channel, const SocketAddress&) {
                                       channel->set_tls(as_server());
                                       channel->start_tls();
                                       server.last = std::move(channel);
                                   });
    REQUIRE(listener.has_value());
    const Outcome outcome = dial(loop, answering({"127.0.0.1"}),
                                 {.host = "mail.example.org",
                                  .port = (*listener)->address().tcp().port,
                                  .tls_start = TlsStart::implicit,
                                  .tls = as_client()});
    REQUIRE(outcome.channel != nullptr);
    CHECK(outcome.channel->tls() == TlsPhase::handshaking);
    REQUIRE(run_until(loop, [&] { return outcome.channel->tls() == TlsPhase::established; }));
    CHECK(outcome.channel->verified_peer().has_value());
}

}  // namespace waxseal::net::testing
