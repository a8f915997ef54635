// TLS and logins towards the device, as it, the upstream and the log see them.
#include <doctest/doctest.h>

#include "base/base64.hpp"
#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using namespace std::literals;

namespace {

const std::string secret = "device-s3cret";
const std::string granted = "235 2.7.0 Authentication successful\r\n";
const std::string failed = "535 5.7.8 Authentication failed: wrong name or password\r\n";

std::string plain(std::string_view name, std::string_view password_) {
    return "AUTH PLAIN " + base64_encode('\0' + std::string(name) + '\0' + std::string(password_)) +
           "\r\n";
}

std::string send_message(Device& device) {
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    device.say("DATA\r\n");
    return device.say("x\r\n.\r\n");
}

// A listener that asks for logins.
struct Guarded : World {
    explicit Guarded(auth::Mode mode, std::vector<auth::User> users = {}) {
        auth::AuthenticatorOptions options;
        options.mode = mode;
        options.users = std::make_shared<const auth::Users>(std::move(users));
        options.hostname = "relay.test";
        options.seed = Secret(std::string(32, 's'));
        settings->authenticator = std::make_shared<const auth::Authenticator>(std::move(options));
        for (const std::string_view name : settings->authenticator->mechanisms())
            settings->server.auth_mechanisms.emplace_back(name);
        settings->server.require_auth = mode != auth::Mode::any;
    }
    Device& hello() {
        Device& device = connect();
        device.say("EHLO printer\r\n");
        return device;
    }
};

std::vector<auth::User> printer() {
    std::vector<auth::User> users;
    users.push_back({"printer", auth::Verifier(Secret(secret)), {}, {}, ""});
    return users;
}

// The end of every test: nothing left behind, and no secret in the log.
void check_end(World& world) {
    CHECK(world.log.all().find(secret) == std::string::npos);
    CHECK(world.log.all().find(base64_encode(secret)) == std::string::npos);
    for (const auto& device : world.devices) {
        if (!device->wire->ended()) device->hang_up();
    }
    CHECK(listed(check_all(world)) == "");
    CHECK(world.worker.under_way() == 0);
}

}  // namespace

TEST_CASE("STARTTLS: offered, done, not offered again; the session is told") {
    World world;
    world.settings->server.starttls = smtp::Starttls::offered;
    world.settings->server.reading = smtp::Reading::strict;
    Device& device = world.connect();
    CHECK(device.say("EHLO printer\r\n").contains("STARTTLS\r\n"));
    CHECK(device.say("STARTTLS\r\n") == "220 2.0.0 Ready to start TLS\r\n");
    CHECK(device.wire->tls() == TlsPhase::established);
    // What was said in clear is forgotten.
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("503 "));
    CHECK_FALSE(device.say("EHLO printer\r\n").contains("STARTTLS"));
    CHECK(send_message(device).starts_with("250 "));
    device.say("QUIT\r\n");
    const auto ends = world.log.of("session_end");
    REQUIRE(ends.size() == 1);
    CHECK(ends[0]["downstream_tls"] == "TLSv1.3");
    CHECK(ends[0]["helo"] == "printer");
    check_end(world);
}

TEST_CASE("STARTTLS in a transaction: the upstream's is ended, and nothing of it is left") {
    World world;
    world.settings->server.starttls = smtp::Starttls::offered;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    device.say("RCPT TO:<b@example.com>\r\n");
    device.say("STARTTLS\r\n");
    CHECK(world.upstream[0].commands.back() == "RSET");
    device.say("EHLO printer\r\n");
    CHECK(device.say("DATA\r\n").starts_with("503 "));
    CHECK(device.say("RCPT TO:<b@example.com>\r\n").starts_with("503 "));
    CHECK(send_message(device).starts_with("250 "));
    check_end(world);
}

TEST_CASE("commands behind STARTTLS are never executed") {
    for (const std::string_view behind : {"EHLO x\r\n"sv, "R"sv, "\x16\x03\x01"sv}) {
        World world;
        world.settings->server.starttls = smtp::Starttls::offered;
        Device& device = world.connect();
        device.say("EHLO printer\r\n");
        CHECK(device.say("STARTTLS\r\n" + std::string(behind)).starts_with("554 5.5.1 "));
        CHECK(device.closed());
        CHECK(world.log.of("protocol_violation").size() == 1);
        check_end(world);
    }
}

TEST_CASE("a handshake that fails or does not end closes the session without a word") {
    for (const TlsPlan plan : {TlsPlan::fails, TlsPlan::hangs}) {
        World world;
        world.settings->server.starttls = smtp::Starttls::offered;
        world.wire_options.tls = plan;
        Device& device = world.connect();
        device.say("EHLO printer\r\n");
        device.say("STARTTLS\r\n");
        if (plan == TlsPlan::hangs) {
            world.reactor.advance(14s);
            CHECK_FALSE(device.closed());
            world.reactor.advance(1s);
        }
        CHECK(device.closed());
        CHECK(device.last() == "220 2.0.0 Ready to start TLS\r\n");
        const auto ends = world.log.of("session_end");
        REQUIRE(ends.size() == 1);
        CHECK(ends[0]["end"] == (plan == TlsPlan::hangs ? "tls_timeout" : "tls_failed"));
        CHECK(world.log.of("client_tls_failed").size() == (plan == TlsPlan::hangs ? 0 : 1));
        check_end(world);
    }
}

TEST_CASE("what comes in clear after 220 is a handshake that fails, and no command") {
    World world;
    world.settings->server.starttls = smtp::Starttls::offered;
    world.wire_options.tls = TlsPlan::hangs;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say("STARTTLS\r\n");
    CHECK(device.say("NOOP\r\n").empty());
    CHECK(device.closed());
    CHECK(world.log.of("client_tls_failed").size() == 1);
    check_end(world);
}

TEST_CASE("a ClientHello on a listener without TLS is explained") {
    World world;
    Device& device = world.connect();
    device.say("\x16\x03\x01\x02");
    CHECK(device.closed());
    const auto told = world.log.of("protocol_violation");
    REQUIRE(told.size() == 1);
    CHECK(told[0]["hint"].contains("set tls = \"auto\""));
    check_end(world);
}

TEST_CASE("auth = any: whatever is said is accepted, and needed for nothing") {
    Guarded world(auth::Mode::any);
    Device& device = world.hello();
    CHECK(device.say(plain("anybody", secret)) == granted);
    CHECK(send_message(device).starts_with("250 "));
    Device& silent = world.hello();
    CHECK(send_message(silent).starts_with("250 "));
    check_end(world);
}

TEST_CASE("auth = local: MAIL needs a login; the password is checked off the loop") {
    Guarded world(auth::Mode::local, printer());
    Device& device = world.hello();
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("530 5.7.0 "));
    CHECK(device.say(plain("printer", secret)) == granted);
    CHECK(send_message(device).starts_with("250 "));
    device.say("QUIT\r\n");
    CHECK(world.log.of("session_end").at(0)["user"] == "printer");
    check_end(world);
}

TEST_CASE("LOGIN asks as devices expect") {
    Guarded world(auth::Mode::local, printer());
    Device& device = world.hello();
    CHECK(device.say("auth login\r\n") == "334 VXNlcm5hbWU6\r\n");
    CHECK(device.say(base64_encode("printer") + "\r\n") == "334 UGFzc3dvcmQ6\r\n");
    CHECK(device.say(base64_encode(secret) + "\r\n") == granted);
    check_end(world);
}

TEST_CASE(
    "a wrong password: 535 after a while, a third is the last, and the address is locked out") {
    Guarded world(auth::Mode::local, printer());
    Device& device = world.hello();
    CHECK(device.say(plain("printer", "wrong")).empty());
    world.reactor.advance(2s);
    CHECK(device.listen() == failed);
    CHECK(device.say(plain("nobody", secret)).empty());
    world.reactor.advance(4s);
    CHECK(device.listen() == failed);
    device.say(plain("printer", "wrong"));
    world.reactor.advance(8s);
    CHECK(device.listen() == failed);
    CHECK(device.say("NOOP\r\n").starts_with("421 4.7.0 "));
    CHECK(device.closed());
    CHECK(world.log.of("login_failed").size() == 3);
    for (int i = 0; i < 7; ++i) {
        Device& again = world.hello();
        again.say(plain("printer", "wrong"));
        world.reactor.advance(20s);
    }
    Device& locked = world.hello();
    CHECK(locked.say(plain("printer", secret)).starts_with("454 4.7.0 "));
    // However often it tries, the log says so once a minute.
    for (int i = 0; i < 50; ++i) {
        CHECK(world.hello().say(plain("printer", secret)).starts_with("454 4.7.0 "));
        world.reactor.advance(1s);
    }
    CHECK(world.log.of("login_failed").size() == 11);
    world.reactor.advance(10s);
    CHECK(world.hello().say(plain("printer", secret)).starts_with("454 4.7.0 "));
    const auto told = world.log.of("login_failed");
    REQUIRE(told.size() == 12);
    CHECK(told.back()["reason"] == "locked out");
    CHECK(told.back()["count"] == "51");
    check_end(world);
}

TEST_CASE(
    "a login that is begun and not finished, or comes octet by octet, ends with the idle time") {
    for (const std::string_view name : {"", "dX"}) {
        Guarded world(auth::Mode::local, printer());
        Device& device = world.hello();
        CHECK(device.say("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\r\n");
        for (const char octet : name) {
            world.reactor.advance(1min);
            CHECK(device.say(std::string(1, octet)).empty());
        }
        world.reactor.advance(5min - name.size() * 1min - 1ms);
        CHECK_FALSE(device.closed());
        world.reactor.advance(1ms);
        CHECK(device.listen().starts_with("421 4.4.2 "));
        CHECK(device.closed());
        check_end(world);
    }
}

TEST_CASE("a success takes no failure back, and a lock counts for what is under way") {
    Guarded world(auth::Mode::local, printer());
    world.settings->server.max_auth_failures = 100;
    std::vector<Device*> waiting;
    for (int i = 0; i < 12; ++i) {
        waiting.push_back(&world.hello());
        CHECK(waiting.back()->say("AUTH LOGIN " + base64_encode("printer") + "\r\n") ==
              "334 UGFzc3dvcmQ6\r\n");
    }
    for (int i = 0; i < 10; ++i) {
        if (i == 5) {
            Device& good = world.hello();
            CHECK(good.say(plain("printer", secret)) == granted);
        }
        waiting[static_cast<std::size_t>(i)]->say(base64_encode("wrong") + "\r\n");
    }
    CHECK(waiting[10]->say(base64_encode("wrong") + "\r\n").starts_with("454 4.7.0 "));
    CHECK(waiting[11]->say(base64_encode(secret) + "\r\n").starts_with("454 4.7.0 "));
    world.reactor.advance(20s);
    check_end(world);
}

TEST_CASE("the name of a login that nobody has judged chooses no route") {
    Guarded world(auth::Mode::any);
    ScriptedUpstream other(world.reactor);
    relay::Route route{{}, {"boss"}, {}, {make_provider(world.reactor, other, "other")}};
    world.settings->routes =
        std::make_shared<const relay::RouteTable>(std::vector<relay::Route>{route});
    Device& device = world.hello();
    CHECK(device.say(plain("boss", "anything")) == granted);
    CHECK(send_message(device).starts_with("250 "));
    CHECK(other.connections() == 0);
    check_end(world);
}

TEST_CASE("the log names the user that was claimed if there is one, and no other word") {
    Guarded world(auth::Mode::local, printer());
    Device& device = world.hello();
    device.say(plain("printer", "wrong"));
    world.reactor.advance(2s);
    device.say(plain(secret, "printer"));  // typed into the wrong field
    world.reactor.advance(4s);
    const auto told = world.log.of("login_failed");
    REQUIRE(told.size() == 2);
    CHECK(told[0]["user"] == "printer");
    CHECK(told[0]["mechanism"] == "PLAIN");
    CHECK(told[1]["user"].empty());
    check_end(world);
}

TEST_CASE("a session that ends in the middle of a check leaves nothing") {
    Guarded world(auth::Mode::local, printer());
    world.worker.plan = FakeWorker::Plan::hangs;
    Device& device = world.hello();
    CHECK(device.say(plain("printer", secret)).empty());
    CHECK(world.worker.under_way() == 1);
    world.proxy->stop_all();
    world.reactor.run_until_idle();
    check_end(world);
}

TEST_CASE("too many checks at once: try again") {
    Guarded world(auth::Mode::local, printer());
    world.worker.plan = FakeWorker::Plan::refuses;
    CHECK(world.hello().say(plain("printer", secret)).starts_with("454 4.7.0 "));
    check_end(world);
}

TEST_CASE("a user's senders, networks and upstream") {
    auto users = printer();
    users[0].senders.push_back(*auth::AddressPattern::parse("a@example.com"));
    users[0].upstream = "other";
    users.push_back(
        {"elsewhere", auth::Verifier(Secret(secret)), {*parse_network("203.0.113.0/24")}, {}, ""});
    Guarded world(auth::Mode::local, std::move(users));
    ScriptedUpstream other(world.reactor);
    world.settings->by_name["other"] = {make_provider(world.reactor, other, "other")};
    Device& device = world.hello();
    device.say(plain("elsewhere", secret));
    world.reactor.advance(2s);
    CHECK(device.listen() == failed);
    CHECK(device.say(plain("printer", secret)) == granted);
    CHECK(device.say("MAIL FROM:<boss@example.com>\r\n").starts_with("553 5.7.1 "));
    CHECK(send_message(device).starts_with("250 "));
    CHECK(world.upstream.connections() == 0);
    CHECK(other.messages().size() == 1);
    check_end(world);
}

TEST_CASE("a route sends a sender elsewhere, also from a connection that is open") {
    World world;
    ScriptedUpstream other(world.reactor);
    relay::Route route{{}, {}, {*auth::AddressPattern::parse("@example.org")}, {}};
    route.providers = {make_provider(world.reactor, other, "other")};
    world.settings->providers.push_back(route.providers[0]);
    world.settings->routes =
        std::make_shared<const relay::RouteTable>(std::vector<relay::Route>{route});
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    CHECK(send_message(device).starts_with("250 "));
    device.say("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n");
    device.say("DATA\r\n");
    CHECK(device.say("x\r\n.\r\n").starts_with("250 "));
    CHECK(world.upstream.messages().size() == 1);
    CHECK(other.messages().size() == 1);
    // And back again, though the listener's upstreams have that other one, too.
    CHECK(send_message(device).starts_with("250 "));
    CHECK(world.upstream.messages().size() == 2);
    check_end(world);
}

TEST_CASE("auth = passthrough: the device's credentials, the upstream's verdict") {
    Guarded world(auth::Mode::passthrough);
    Device& device = world.hello();
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("530 "));
    world.upstream.deviations = {{.step = Step::auth, .say = "535 5.7.8 Not you\r\n"}};
    device.say(plain("alice", secret));
    world.reactor.advance(2s);
    CHECK(device.listen() == "535 5.7.8 Not you\r\n");
    CHECK(world.provider().breaker.closed());  // it is the device's fault, not the upstream's
    CHECK(device.say(plain("alice", secret)) == granted);
    CHECK(send_message(device).starts_with("250 "));
    world.reactor.advance(10min);  // kept for as long as the session is
    REQUIRE(world.upstream.connections() == 2);
    CHECK(world.upstream[1].commands.at(1) ==
          plain("alice", secret).substr(0, plain("alice", secret).size() - 2));
    check_end(world);
}

TEST_CASE(
    "auth = passthrough: the password goes to the first upstream alone, whatever is known of it") {
    Guarded world(auth::Mode::passthrough);
    ScriptedUpstream other(world.reactor);
    world.settings->providers.push_back(make_provider(world.reactor, other, "other"));
    upstream::Breaker& breaker = world.provider().breaker;
    const Failure refused{FailureKind::credentials, "535 of our own account"};
    (void)breaker.failed(breaker.begin(world.reactor.now()), refused,
                         upstream::Breaker::Caution::account, world.reactor.now());
    Device& device = world.hello();
    CHECK(device.say(plain("alice", secret)) == granted);
    CHECK_FALSE(breaker.closed());  // our own account is where it was
    world.dialer().otherwise.failure = Failure{FailureKind::connect, "refused"};
    CHECK(world.hello().say(plain("alice", secret)).starts_with("454 4.4.1 "));
    CHECK(other.connections() == 0);
    check_end(world);
}

TEST_CASE("auth = passthrough: no upstream, no verdict; and a lost one takes the login with it") {
    Guarded world(auth::Mode::passthrough);
    Device& device = world.hello();
    world.dialer().plans = {{.failure = Failure{FailureKind::connect, "refused"}}};
    CHECK(device.say(plain("alice", secret)).starts_with("454 4.4.1 "));
    world.reactor.advance(10s);
    CHECK(device.say(plain("alice", secret)) == granted);
    world.upstream.last().wire->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(device.say("MAIL FROM:<a@example.com>\r\n").starts_with("421 4.4.2 "));
    CHECK(device.closed());
    check_end(world);
}
