// A session that a channel offers: taken by a server that knows it, and given up where the
// handshake fails, is cut off or is not waited for.
#include <doctest/doctest.h>

#include <string>

#include "support.hpp"
#include "tls/engine.hpp"
#include "unit/tls/openssl.hpp"

namespace waxseal::net::testing {

namespace {

// `openssl s_server`, which gives tickets, and the settings of one upstream.
struct Provider {
    explicit Provider(const std::string& version)
        : identity(tls::test::make_identity()),
          server({version, "-cert", folder.write("cert.pem", identity.leaf.certificate_pem), "-key",
                  folder.write("key.pem", identity.leaf.key_pem.reveal())}) {}

    [[nodiscard]] ClientTls settings() const { return {context, "mail.example.org", "main"}; }

    // Whether the connection was resumed; it brings a line, and so tickets.
    bool visit(Loop& loop) {
        Resolver resolver;
        TcpDialer dialer(loop, resolver,
                         {.host = "127.0.0.1",
                          .port = static_cast<std::uint16_t>(server.port()),
                          .tls_start = TlsStart::implicit,
                          .tls = settings()});
        std::unique_ptr<Channel> channel;
        const auto dial = dialer.dial([&](DialResult result) {
            REQUIRE(result.has_value());
            channel = std::move(*result);
            channel->set_notify([] {});
        });
        REQUIRE(
            run_until(loop, [&] { return channel && channel->tls() != TlsPhase::handshaking; }));
        REQUIRE(channel->tls() == TlsPhase::established);
        CHECK(channel->verified_peer().has_value());
        offered = channel->offered_session();
        const bool resumed = channel->tls_details().resumed;
        std::string got;
        server.type("250 served\n");
        REQUIRE(run_until(loop, [&] {
            drain(*channel, got);
            return got.ends_with("250 served\n");
        }));
        channel->close();
        return resumed;
    }

    tls::test::Folder folder;
    tls::test::Identity identity;
    tls::test::OpensslServer server;
    std::shared_ptr<const tls::ClientContext> context =
        tls::test::trusting(identity.ca.certificate_pem);
    bool offered = false;
};

enum class Way { alert, fin, reset, aborted, closed, destroyed };
constexpr Way ways[] = {Way::alert,   Way::fin,    Way::reset,
                        Way::aborted, Way::closed, Way::destroyed};

// A channel of that upstream, with a server that has read the hello and then goes that way.
void fail(Loop& loop, const Provider& provider, Way way) {
    Half half(loop);
    TcpChannel& channel = *half.channel;
    channel.set_tls(provider.settings());
    channel.set_notify([] {});
    CHECK_FALSE(channel.offered_session());
    channel.start_tls();
    CHECK(channel.offered_session());
    REQUIRE(run_until(loop, [&] { return !half.peer.receive().empty(); }));
    if (way == Way::alert) half.peer.send(std::string("\x15\3\3\0\2\2\x28", 7));
    if (way == Way::fin) half.peer.close();
    if (way == Way::reset) half.peer.reset();
    if (way == Way::aborted) channel.abort();
    if (way == Way::closed) channel.close();
    if (way == Way::destroyed) {
        half.channel.reset();
    } else if (way == Way::alert || way == Way::fin || way == Way::reset) {
        REQUIRE(run_until(loop, [&] { return channel.end() == EndOfInput::failed; }));
        CHECK(channel.failure().kind == FailureKind::tls);
        CHECK(channel.offered_session());
    }
    // Nothing is offered from now on, while the channel that failed is still there.
    Half next(loop);
    next.channel->set_tls(provider.settings());
    next.channel->start_tls();
    CHECK_FALSE(next.channel->offered_session());
}

}  // namespace

TEST_CASE("a channel resumes what an earlier one of the same upstream has brought") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        Loop loop;
        Provider provider(version);
        CHECK_FALSE(provider.visit(loop));
        CHECK_FALSE(provider.offered);
        for (int i = 0; i < 3; ++i) {
            CHECK(provider.visit(loop));
            CHECK(provider.offered);
        }
    }
}

TEST_CASE("an offer that fails, however it does, costs one connection and no more") {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        for (const Way way : ways) {
            CAPTURE(static_cast<int>(way));
            Loop loop;
            Provider provider(version);
            CHECK_FALSE(provider.visit(loop));
            fail(loop, provider, way);
            for (int i = 0; i < 2; ++i) {
                CHECK_FALSE(provider.visit(loop));
                CHECK_FALSE(provider.offered);
            }
        }
    }
}

}  // namespace waxseal::net::testing
