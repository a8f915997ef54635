// All sessions of a worker: limits, refusals, drain, stop.
#include "relay/proxy.hpp"

#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;

namespace {

const std::string draining = "421 4.3.2 Service is shutting down; try again later\r\n";

// A connection from somewhere; the wire as the client sees it.
std::shared_ptr<Wire> arrive(World& world, const char* from,
                             const relay::AdmissionLimits& limits = {1000, 100}) {
    auto wire = Wire::make(world.reactor, {});
    world.proxy->accept(wire->channel(), *parse_ip(from),
                        {world.settings, {*parse_network("192.0.2.0/24")}, limits});
    world.reactor.run_until_idle();
    return wire;
}

// A session in each of its states, by name.
struct Situation {
    std::string name;
    std::vector<std::string> said;
    bool idle;  // so that a drain ends it at once
};
const std::vector<Situation> situations{
    {"greeted", {}, true},
    {"ready", {"EHLO x\r\n"}, true},
    {"half a command", {"EHLO x\r\nMAIL FRO"}, true},
    {"envelope", {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n"}, false},
    {"recipients",
     {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n"},
     false},
    {"body",
     {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n",
      "half"},
     false},
    {"after a message",
     {"EHLO x\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n",
      "x\r\n.\r\n"},
     true},
};

}  // namespace

TEST_CASE("who may not come is told why and closed; nothing is kept of it") {
    World world;
    const auto stranger = arrive(world, "198.51.100.1");
    CHECK(stranger->sent() == "554 5.7.1 This address may not use this relay\r\n");
    CHECK(stranger->fate() == Fate::closed);

    const auto first = arrive(world, "192.0.2.1", {2, 1});
    CHECK(first->sent() == "220 relay.test ESMTP waxseal\r\n");
    const auto greedy = arrive(world, "192.0.2.1", {2, 1});
    CHECK(greedy->sent() == "421 4.7.0 Too many sessions from your address; try again later\r\n");
    CHECK(greedy->fate() == Fate::closed);
    const auto second = arrive(world, "192.0.2.2", {2, 1});
    CHECK(second->fate() == Fate::open);
    const auto third = arrive(world, "192.0.2.3", {2, 1});
    CHECK(third->sent() == "421 4.3.2 Too many sessions; try again later\r\n");
    CHECK(world.proxy->sessions() == 2);

    first->end(EndOfInput::clean);
    world.reactor.run_until_idle();
    CHECK(world.proxy->sessions() == 1);
    CHECK(arrive(world, "192.0.2.1", {2, 1})->fate() == Fate::open);
}

TEST_CASE("who comes too fast is told so, until a minute has passed") {
    World world;
    for (int i = 0; i < 3; ++i)
        CHECK(arrive(world, "192.0.2.1", {1000, 100, 3})->fate() == Fate::open);
    const auto fast = arrive(world, "192.0.2.1", {1000, 100, 3});
    CHECK(fast->sent() ==
          "421 4.7.0 Too many connections in a minute from your address; try again later\r\n");
    CHECK(fast->fate() == Fate::closed);
    world.reactor.advance(2min);
    CHECK(arrive(world, "192.0.2.1", {1000, 100, 3})->fate() == Fate::open);
}

TEST_CASE("refusals are logged at once, then once a minute with their number") {
    World world;
    for (int i = 0; i < 50; ++i) arrive(world, "198.51.100.1");
    CHECK(world.log.count("client_refused") == 1);
    world.reactor.advance(1min);
    arrive(world, "198.51.100.1");
    const auto events = world.log.of("client_refused");
    REQUIRE(events.size() == 2);
    CHECK(events[0]["count"] == "1");
    CHECK(events[1]["count"] == "50");
    CHECK(events[1]["client"] == "198.51.100.1");
    CHECK(events[1]["reply"].starts_with("554 5.7.1 "));
}

TEST_CASE("the end of the last session is told, with how many there were at once") {
    World world;
    std::vector<std::size_t> told;
    world.proxy->on_empty([&](std::size_t most) { told.push_back(most); });
    for (const std::size_t crowd : {3U, 1U, 2U}) {
        std::vector<Device*> devices;
        for (std::size_t i = 0; i < crowd; ++i) devices.push_back(&world.connect());
        const std::size_t before = told.size();
        for (Device* const device : devices) {
            CHECK(told.size() == before);
            device->say("QUIT\r\n");
            device->hang_up();
        }
        REQUIRE(told.size() == before + 1);
        CHECK(told.back() == crowd);
    }
}

TEST_CASE("session ids are not repeated") {
    World world;
    for (int i = 0; i < 20; ++i) world.connect().say("QUIT\r\n");
    std::vector<std::string> ids;
    for (const auto& event : world.log.of("session_end")) ids.push_back(event["session"]);
    std::sort(ids.begin(), ids.end());
    CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
    CHECK(ids.size() == 20);
}

TEST_CASE("drain without sessions is done at once, through the reactor") {
    World world;
    bool done = false;
    world.proxy->drain([&] { done = true; });
    CHECK_FALSE(done);
    world.reactor.run_until_idle();
    CHECK(done);
    CHECK(arrive(world, "192.0.2.1")->sent().starts_with("421 4.3.2 "));
}

TEST_CASE("drain: the idle at once, the others after their transaction") {
    for (const Situation& situation : situations) {
        CAPTURE(situation.name);
        World world;
        Device& device = world.connect();
        for (const std::string& line : situation.said) device.say(line);
        device.listen();
        int done = 0;
        world.proxy->drain([&] { ++done; });
        CHECK(device.listen() == (situation.idle ? draining : ""));
        CHECK(device.closed() == situation.idle);
        CHECK(done == (situation.idle ? 1 : 0));
        if (!situation.idle) {
            if (situation.name == "envelope") device.say("RCPT TO:<b@example.com>\r\n");
            if (situation.name != "body") device.say("DATA\r\n");
            CHECK(device.say("\r\n.\r\n") == "250 2.0.0 Ok: queued as 1\r\n" + draining);
            CHECK(device.closed());
            CHECK(done == 1);
            CHECK(world.upstream.accepted() == 1);
        }
        CHECK(world.log.of("session_end").at(0)["end"] == "drained");
        world.reactor.advance(1h);
        CHECK(done == 1);
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("drain while the outcome of a message is awaited") {
    World world;
    world.upstream.deviations = {{.step = Step::message, .then = Deviation::Then::stall}};
    Device& device = world.connect();
    for (const std::string& line : situations.back().said) device.say(line);
    world.proxy->drain([] {});
    CHECK(device.listen() == "");
    world.upstream.say(0, "250 2.0.0 late but well\r\n");
    CHECK(device.listen() == "250 2.0.0 late but well\r\n" + draining);
    CHECK(device.closed());
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("drain: an RSET, or a refusal of all, also ends the transaction") {
    World world;
    Device& device = world.connect();
    device.say("EHLO x\r\n");
    device.say("MAIL FROM:<a@example.com>\r\n");
    world.proxy->drain([] {});
    CHECK(device.say("RSET\r\n") == "250 2.0.0 Ok\r\n" + draining);
    CHECK(device.closed());
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("stop: at once, whatever is under way, and the upstream gets no end mark") {
    for (const Situation& situation : situations) {
        CAPTURE(situation.name);
        World world;
        Device& device = world.connect();
        for (const std::string& line : situation.said) device.say(line);
        device.listen();
        world.proxy->stop_all();
        CHECK(device.listen() == draining);
        CHECK(device.closed());
        CHECK(world.proxy->sessions() == 0);
        const bool whole = situation.name == "after a message";
        CHECK(world.upstream.messages().size() == (whole ? 1 : 0));
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("stop while connecting, and while the outcome is awaited") {
    World world;
    Device& device = world.connect();
    device.say("EHLO x\r\n");
    bool unknown = false;
    SUBCASE("dialling") {
        world.dialer().otherwise.hangs = true;
        device.say("MAIL FROM:<a@example.com>\r\n");
    }
    SUBCASE("in the handshake") {
        world.upstream.options.plan = TlsPlan::hangs;
        device.say("MAIL FROM:<a@example.com>\r\n");
    }
    SUBCASE("in the login") {
        world.upstream.deviations = {{.step = Step::auth, .then = Deviation::Then::stall}};
        device.say("MAIL FROM:<a@example.com>\r\n");
    }
    SUBCASE("awaiting the outcome") {
        world.upstream.deviations = {{.step = Step::message, .then = Deviation::Then::stall}};
        for (const std::string& line : situations.back().said) device.say(line);
        unknown = true;
    }
    device.listen();
    world.proxy->stop_all();
    CHECK(device.listen() == draining);
    CHECK(world.log.count("outcome_unknown") == (unknown ? 1 : 0));
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("a proxy may be destroyed with sessions in every state") {
    for (const Situation& situation : situations) {
        for (const bool hangs : {false, true}) {
            CAPTURE(situation.name);
            World world;
            world.dialer().otherwise.hangs = hangs;
            Device& device = world.connect();
            for (const std::string& line : situation.said) device.say(line);
            world.proxy.reset();
            CHECK(device.wire->fate() == Fate::aborted);
            world.reactor.advance(24h);
            CHECK(world.reactor.armed() == 0);
            CHECK(world.upstream.open() == 0);
            CHECK(world.dialer().under_way() == 0);
            CHECK(world.provider().slots.in_use() == 0);
        }
    }
}
