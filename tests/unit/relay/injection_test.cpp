// The same scenarios over and over, each time with something else going wrong at another step: the
// upstream dies, stalls, says 421, garbage or more than it was asked for; the device hangs up.
// Whatever it is: one reply to each command, 250 if and only if the upstream said so, no message
// that was not meant, the second try works, and nothing stays behind.
#include <doctest/doctest.h>

#include "unit/support/invariants.hpp"
#include "unit/support/sender.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

struct Scenario {
    std::string name;
    ScriptedUpstream::Options upstream = {};
    SenderOptions sender = {};
};

const std::vector<std::string> two{"Subject: one\r\n\r\n.dot\r\n\r\n.\r\n",
                                   "Subject: two\r\n\r\nx\r\n"};

std::vector<Scenario> scenarios() {
    std::vector<Scenario> all{
        {"two messages", {}, {.messages = two}},
        {"STARTTLS, HELO",
         {.tls = ScriptedUpstream::Tls::starttls},
         {.messages = two, .esmtp = false}},
        {"pipelined",
         {},
         {.messages = two, .recipients = {"b@example.com", "c@example.com"}, .pipelines = true}},
        {"slow body", {}, {.messages = two, .body_pause = 10s}},
        {"pieces",
         {.reply_pieces = 4},
         {.messages = two, .segment = [] { return std::size_t{3}; }}},
        {"waits between messages", {}, {.messages = two}},
    };
    // After a login that was refused the upstream is let alone for a minute.
    for (Scenario& one : all) one.sender.retry_pause = 61s;
    return all;
}

struct Disturbance {
    std::string name;
    std::string say;
    Then then;
    bool besides;
};
const std::vector<Disturbance> disturbances{
    {"ends", "", Then::end_clean, false},
    {"is cut", "", Then::end_cut, false},
    {"resets", "", Then::reset, false},
    {"stalls", "", Then::stall, false},
    {"takes no more", "", Then::stop_taking, false},
    {"says 421 and ends", "421 4.3.2 closing\r\n", Then::end_clean, false},
    {"says 421 and stays", "421 4.3.2 closing\r\n", Then::go_on, false},
    {"says 451", "451 4.3.0 not now\r\n", Then::go_on, false},
    {"says garbage", "\r\nwhat?\r\n", Then::go_on, false},
    {"says half a reply and ends", "250-2.0.0 Ok", Then::end_clean, false},
    {"says more than it was asked", "250 2.0.0 Ok\r\n", Then::go_on, true},
    {"replies and ends", "", Then::end_clean, true},
    {"replies and stalls", "", Then::stall, true},
};

struct Run {
    World world;
    std::shared_ptr<Wire> wire;
    std::unique_ptr<Sender> sender;

    explicit Run(const Scenario& scenario) : world(scenario.upstream, 1) {
        Device& device = world.connect();
        wire = device.wire;
        sender = std::make_unique<Sender>(world.reactor, wire, scenario.sender);
    }
    // Until the sender is done; false when nothing can happen any more and it is not.
    [[nodiscard]] bool finish() {
        for (int i = 0; i < 1000; ++i) {
            world.reactor.run_until_idle();
            if (sender->done()) return true;
            if (sender->gave_up() && world.proxy->sessions() == 0) return true;
            if (!world.reactor.advance_to_next_alarm()) return false;
        }
        return false;
    }
};

// Everything that must hold at the end of a run, with or without a disturbance.
void expect_kept_promises(Run& run, bool device_stayed) {
    CAPTURE(run.sender->transcript());
    CHECK(listed(run.sender->wrongs()) == "");
    CHECK(complete_messages(run.world.upstream) <= run.sender->completed());
    Wrongs wrongs;
    check_acceptance(run.world.upstream, run.sender->accepted(), device_stayed, wrongs);
    CHECK(listed(wrongs) == "");
    run.world.reactor.run_until_idle();
    CHECK(listed(check_all(run.world, &two)) == "");
}

}  // namespace

TEST_CASE("undisturbed, every scenario delivers each message once") {
    for (const Scenario& scenario : scenarios()) {
        CAPTURE(scenario.name);
        Run run(scenario);
        CHECK(run.finish());
        CHECK(run.sender->all_accepted());
        CHECK(run.world.upstream.messages() == two);
        CHECK(run.world.upstream.connections() == 1);
        expect_kept_promises(run, true);
    }
}

TEST_CASE("the upstream misbehaves once, at each of its steps") {
    for (const Scenario& scenario : scenarios()) {
        CAPTURE(scenario.name);
        Run good(scenario);
        REQUIRE(good.finish());
        const std::size_t steps = good.world.upstream.steps();
        REQUIRE(steps > 10);
        for (const Disturbance& disturbance : disturbances) {
            CAPTURE(disturbance.name);
            for (std::size_t n = 0; n < steps; ++n) {
                CAPTURE(n);
                Run run(scenario);
                Step where = Step::greeting;
                run.world.upstream.on_step = [&](Step step, std::size_t nth) {
                    if (nth != n) return std::optional<Deviation>();
                    where = step;
                    return std::optional<Deviation>({.step = step,
                                                     .say = disturbance.say,
                                                     .then = disturbance.then,
                                                     .besides = disturbance.besides});
                };
                CHECK_MESSAGE(run.finish(), run.sender->transcript());
                CAPTURE(to_string(where));
                CHECK(run.sender->all_accepted());  // at the second try, if need be
                expect_kept_promises(run, true);
            }
        }
    }
}

TEST_CASE("the upstream misbehaves at every step of one kind, always") {
    for (const Scenario& scenario : scenarios()) {
        CAPTURE(scenario.name);
        for (const Disturbance& disturbance : disturbances) {
            CAPTURE(disturbance.name);
            for (std::size_t kind = 0; kind < step_count; ++kind) {
                CAPTURE(to_string(static_cast<Step>(kind)));
                Run run(scenario);
                run.world.upstream.on_step = [&](Step step, std::size_t) {
                    if (static_cast<std::size_t>(step) != kind) return std::optional<Deviation>();
                    return std::optional<Deviation>({.step = step,
                                                     .say = disturbance.say,
                                                     .then = disturbance.then,
                                                     .besides = disturbance.besides});
                };
                CHECK_MESSAGE(run.finish(), run.sender->transcript());
                expect_kept_promises(run, true);
            }
        }
    }
}

TEST_CASE("the device hangs up instead of each of its segments") {
    for (Scenario scenario : scenarios()) {
        CAPTURE(scenario.name);
        Run good(scenario);
        REQUIRE(good.finish());
        const std::size_t segments = good.sender->segments();
        for (std::size_t n = 1; n <= segments; ++n) {
            for (const EndOfInput how : {EndOfInput::clean, EndOfInput::failed}) {
                CAPTURE(n);
                scenario.sender.give_up = n;
                scenario.sender.give_up_how = how;
                Run run(scenario);
                CHECK(run.finish());
                CHECK(run.sender->gave_up());
                expect_kept_promises(run, false);
            }
        }
    }
}
