// Each way an upstream can fail, at each step: the one reply that interface.md promises, the log,
// and that the session goes on.
#include <doctest/doctest.h>

#include <functional>

#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

const std::string ok = "250 2.1.0 Ok\r\n";  // to MAIL, which nobody else has been asked about
const std::string unresolved =
    "451 4.4.3 The upstream's name could not be resolved; try again later\r\n";
const std::string unreachable = "451 4.4.1 The upstream cannot be reached; try again later\r\n";
const std::string late = "451 4.4.1 The upstream did not answer in time; try again later\r\n";
const std::string unavailable = "451 4.4.1 The upstream is not available; try again later\r\n";
const std::string insecure = "451 4.7.5 No secure connection to the upstream; try again later\r\n";
const std::string broken = "451 4.7.5 The upstream broke the protocol; try again later\r\n";
const std::string not_accepted =
    "451 4.7.0 The upstream does not accept this relay at the moment; try again later\r\n";
const std::string lost = "451 4.4.2 The connection to the upstream was lost; try again later\r\n";
const std::string unknown =
    "451 4.4.2 The connection to the upstream was lost before it confirmed the message; try again "
    "later\r\n";

// What the device says, one after the other; `reply` is of which of them?
constexpr std::size_t mail = 0, rcpt = 1, data = 2, message = 3;
const std::vector<std::string> script{"MAIL FROM:<a@example.com>\r\n",
                                      "RCPT TO:<b@example.com>\r\n", "DATA\r\n", "first\r\n",
                                      "second\r\n.\r\n"};

struct Case {
    std::string name;
    Deviation deviation;
    std::size_t at;  // index of the command whose reply is looked at
    std::string reply;
    std::string cause;  // of the upstream_failed event; empty: none
    Duration wait{};    // how long the device has to wait for it
};

const std::vector<Case> steps{
    {"greeting 554",
     {.step = Step::greeting, .say = "554 5.7.1 no\r\n"},
     rcpt,
     unavailable,
     "unavailable"},
    {"greeting 421",
     {.step = Step::greeting, .say = "421 4.3.2 full\r\n"},
     rcpt,
     unavailable,
     "unavailable"},
    {"greeting garbage",
     {.step = Step::greeting, .say = "SSH-2.0-x\r\n"},
     rcpt,
     broken,
     "protocol"},
    {"greeting never", {.step = Step::greeting, .then = Then::stall}, rcpt, late, "timeout", 5min},
    {"greeting end", {.step = Step::greeting, .then = Then::end_clean}, rcpt, lost, "lost"},
    {"greeting RST", {.step = Step::greeting, .then = Then::reset}, rcpt, lost, "lost"},
    {"EHLO 502", {.step = Step::ehlo, .say = "502 no\r\n"}, rcpt, unavailable, "unavailable"},
    {"EHLO bare LF", {.step = Step::ehlo, .say = "250-x\n250 SIZE\r\n"}, rcpt, broken, "protocol"},
    {"EHLO endless",
     {.step = Step::ehlo, .say = std::string(70'000, '2')},
     rcpt,
     broken,
     "protocol"},
    {"no AUTH", {.step = Step::ehlo, .say = "250 x\r\n"}, rcpt, not_accepted, "credentials"},
    {"AUTH 535",
     {.step = Step::auth, .say = "535 5.7.8 wrong\r\n"},
     rcpt,
     not_accepted,
     "credentials"},
    {"AUTH 454",
     {.step = Step::auth, .say = "454 4.7.0 later\r\n"},
     rcpt,
     not_accepted,
     "credentials"},
    {"AUTH never", {.step = Step::auth, .then = Then::stall}, rcpt, late, "timeout", 5min},
    {"AUTH cut", {.step = Step::auth, .then = Then::end_cut}, rcpt, lost, "lost"},
    {"MAIL 550",
     {.step = Step::mail, .say = "550 5.7.1 not you\r\n"},
     rcpt,
     "550 5.7.1 not you\r\n",
     ""},
    {"MAIL 451", {.step = Step::mail, .say = "451 4.3.0 busy\r\n"}, rcpt, "451 4.3.0 busy\r\n", ""},
    {"MAIL 421",
     {.step = Step::mail, .say = "421 4.3.2 closing\r\n"},
     rcpt,
     "451 4.3.2 closing\r\n",
     ""},
    {"MAIL no enhanced code",
     {.step = Step::mail, .say = "550 No\r\n"},
     rcpt,
     "550 5.0.0 No\r\n",
     ""},
    {"MAIL control octets",
     {.step = Step::mail, .say = "550 5.7.1 a\x1b[2Jb\r\n"},
     rcpt,
     "550 5.7.1 a?[2Jb\r\n",
     ""},
    {"MAIL 354", {.step = Step::mail, .say = "354 go\r\n"}, rcpt, broken, "protocol"},
    {"MAIL garbage", {.step = Step::mail, .say = "hello?\r\n"}, rcpt, broken, "protocol"},
    {"MAIL never", {.step = Step::mail, .then = Then::stall}, rcpt, late, "timeout", 5min},
    {"MAIL end", {.step = Step::mail, .then = Then::end_clean}, rcpt, lost, "lost"},
    {"MAIL RST", {.step = Step::mail, .then = Then::reset}, rcpt, lost, "lost"},
    {"two replies to MAIL",
     {.step = Step::mail, .say = "250 ok\r\n250 ok\r\n"},
     data,
     broken,
     "protocol"},
    {"RCPT 550",
     {.step = Step::rcpt, .say = "550-5.1.1 no\r\n550 5.1.1 user\r\n"},
     rcpt,
     "550-5.1.1 no\r\n550 5.1.1 user\r\n",
     ""},
    {"RCPT 452", {.step = Step::rcpt, .say = "452 4.2.2 full\r\n"}, rcpt, "452 4.2.2 full\r\n", ""},
    {"RCPT 421",
     {.step = Step::rcpt, .say = "421 4.3.2 closing\r\n"},
     rcpt,
     "451 4.3.2 closing\r\n",
     ""},
    {"RCPT garbage", {.step = Step::rcpt, .say = "999 x\r\n"}, rcpt, broken, "protocol"},
    {"RCPT never", {.step = Step::rcpt, .then = Then::stall}, rcpt, late, "timeout", 5min},
    {"RCPT end", {.step = Step::rcpt, .then = Then::end_cut}, rcpt, lost, "lost"},
    {"DATA 554", {.step = Step::data, .say = "554 5.5.0 no\r\n"}, message, "554 5.5.0 no\r\n", ""},
    {"DATA 451", {.step = Step::data, .say = "451 4.3.0 no\r\n"}, message, "451 4.3.0 no\r\n", ""},
    {"DATA 421", {.step = Step::data, .say = "421 4.3.0 no\r\n"}, message, "451 4.3.0 no\r\n", ""},
    {"DATA 250", {.step = Step::data, .say = "250 2.0.0 ok\r\n"}, message, broken, "protocol"},
    {"DATA never", {.step = Step::data, .then = Then::stall}, message, late, "timeout", 5min},
    {"DATA end", {.step = Step::data, .then = Then::end_clean}, message, lost, "lost"},
    {"body end", {.step = Step::body, .then = Then::end_clean}, message, lost, "lost"},
    {"body RST", {.step = Step::body, .then = Then::reset}, message, lost, "lost"},
    {"body 552",
     {.step = Step::body, .say = "552 5.3.4 too big\r\n", .then = Then::stall},
     message,
     "552 5.3.4 too big\r\n",
     ""},
    {"body 552, end",
     {.step = Step::body, .say = "552 5.3.4 too big\r\n", .then = Then::end_clean},
     message,
     "552 5.3.4 too big\r\n",
     ""},
    {"body 421",
     {.step = Step::body, .say = "421 4.3.2 bye\r\n"},
     message,
     "451 4.3.2 bye\r\n",
     ""},
    {"body 250", {.step = Step::body, .say = "250 2.0.0 sure\r\n"}, message, broken, "protocol"},
    {"body garbage", {.step = Step::body, .say = "\r\n"}, message, broken, "protocol"},
    {"message 554",
     {.step = Step::message, .say = "554 5.7.1 spam\r\n"},
     message,
     "554 5.7.1 spam\r\n",
     ""},
    {"message 451",
     {.step = Step::message, .say = "451 4.7.1 greylisted\r\n"},
     message,
     "451 4.7.1 greylisted\r\n",
     ""},
    {"message 421",
     {.step = Step::message, .say = "421 4.3.2 bye\r\n"},
     message,
     "451 4.3.2 bye\r\n",
     ""},
    {"message 354", {.step = Step::message, .say = "354 more\r\n"}, message, unknown, "protocol"},
    {"message garbage", {.step = Step::message, .say = "ok\r\n"}, message, unknown, "protocol"},
    {"message never",
     {.step = Step::message, .then = Then::stall},
     message,
     unknown,
     "timeout",
     10min},
    {"message end", {.step = Step::message, .then = Then::end_clean}, message, unknown, "lost"},
    {"message half a reply",
     {.step = Step::message, .say = "250 2.0.0 O", .then = Then::end_clean},
     message,
     unknown,
     "lost"},
    {"message 250, end",
     {.step = Step::message, .say = "250 2.0.0 O\r\n", .then = Then::reset},
     message,
     "250 2.0.0 O\r\n",
     ""},
};

// Says the script as far as it goes; the replies to its commands, the body's two parts as one.
std::vector<std::string> play(Device& device) {
    std::vector<std::string> replies;
    for (std::size_t i = 0; i < script.size(); ++i) {
        const std::string reply = device.say(script[i]);
        if (i == 3) {
            CHECK(reply == "");
            continue;
        }
        replies.push_back(reply);
        if (reply.empty() || (reply[0] != '2' && reply[0] != '3')) break;
    }
    return replies;
}

// After whatever has failed, one good message on the same session.
void expect_second_try(World& world, Device& device) {
    CHECK_FALSE(device.closed());
    CHECK(device.say("RSET\r\n") == "250 2.0.0 Ok\r\n");
    const std::size_t before = world.upstream.accepted();
    const auto replies = play(device);
    CHECK(replies.back().starts_with("250 2.0.0 Ok: queued as "));
    CHECK(world.upstream.accepted() == before + 1);
    CHECK(device.say("QUIT\r\n") == "221 2.0.0 Bye\r\n");
}

}  // namespace

TEST_CASE("each failure at each step has its one reply") {
    for (const Case& one : steps) {
        CAPTURE(one.name);
        World world;
        Device& device = world.connect();
        device.say("EHLO printer\r\n");
        world.upstream.deviations = {one.deviation};
        auto replies = play(device);
        if (one.wait != Duration{}) {
            REQUIRE(replies.size() == one.at + 1);
            CHECK(replies.back() == "");
            world.reactor.advance(one.wait - 1ms);
            CHECK(device.listen() == "");
            world.reactor.advance(1ms);
            replies.back() = device.listen();
        }
        REQUIRE(replies.size() == one.at + 1);
        CHECK(replies.back() == one.reply);
        const auto failed = world.log.of("upstream_failed");
        CHECK((failed.empty() ? "" : failed.back()["cause"]) == one.cause);
        CHECK(world.log.count("outcome_unknown") == (one.reply == unknown ? 1 : 0));
        // What was said about a doomed transaction holds for what the device says next.
        if (one.reply.starts_with("451") && one.at < data && one.deviation.step != Step::mail)
            CHECK(device.say("DATA\r\n").starts_with("451 4."));
        // A login that was refused is not tried again at once: the account might be locked.
        if (one.cause == "credentials") world.reactor.advance(1min);
        expect_second_try(world, device);
        const std::vector<std::string> meant{"first\r\nsecond\r\n"};
        CHECK(listed(check_all(world, &meant)) == "");
    }
}

TEST_CASE("the ways to the upstream that fail") {
    struct Way {
        DialPlan plan;
        std::string reply;
    };
    const auto failing = [](FailureKind kind) { return DialPlan{.failure = Failure{kind, "x"}}; };
    const std::vector<Way> ways{
        {failing(FailureKind::name_lookup), unresolved},
        {failing(FailureKind::connect), unreachable},
        {failing(FailureKind::timeout), late},
        {failing(FailureKind::tls), insecure},
    };
    for (const Way& way : ways) {
        CAPTURE(way.reply);
        World world;
        Device& device = world.connect();
        device.say("EHLO printer\r\n");
        world.dialer().plans = {way.plan};
        CHECK(device.say(script[mail]) == ok);
        CHECK(device.say(script[rcpt]) == way.reply);
        CHECK(device.say(script[data]) == way.reply);
        expect_second_try(world, device);
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("TLS that cannot be had") {
    for (const TlsPlan plan : {TlsPlan::fails, TlsPlan::succeeds_unverified}) {
        for (const auto tls : {ScriptedUpstream::Tls::implicit, ScriptedUpstream::Tls::starttls}) {
            World world({.tls = tls, .plan = plan});
            Device& device = world.connect();
            device.say("EHLO printer\r\n");
            CHECK(device.say(script[mail]) == ok);
            CHECK(device.say(script[rcpt]) == insecure);
            world.upstream.options.plan = TlsPlan::succeeds;
            expect_second_try(world, device);
            CHECK(listed(check_all(world)) == "");
        }
    }
    const std::vector<Deviation> refusals{
        {.step = Step::ehlo, .say = "250 smtp.example.com\r\n"},
        {.step = Step::starttls, .say = "454 4.7.0 no\r\n"},
        {.step = Step::starttls, .say = "220 go\r\n250 evil\r\n"},
        {.step = Step::starttls, .say = "220 go\r\n", .then = Then::end_clean},
    };
    for (const Deviation& refusal : refusals) {
        CAPTURE(refusal.say);
        World world({.tls = ScriptedUpstream::Tls::starttls});
        Device& device = world.connect();
        device.say("EHLO printer\r\n");
        world.upstream.deviations = {refusal};
        CHECK(device.say(script[mail]) == ok);
        CHECK(device.say(script[rcpt]) == insecure);
        expect_second_try(world, device);
        CHECK(listed(check_all(world)) == "");
    }
}

TEST_CASE("no free slot in time") {
    World world({}, 1);
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    auto other = world.provider().slots.request(nullptr);
    CHECK(device.say(script[mail]) == ok);
    CHECK(device.say(script[rcpt]) == "");
    world.reactor.advance(30s);
    CHECK(device.listen() ==
          "451 4.3.2 All connections to the upstream are busy; try again later\r\n");
    other.reset();
    expect_second_try(world, device);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("an upstream that is lost while the device is silent dooms the transaction") {
    struct Moment {
        std::size_t said;  // commands of the script
        std::string next;
        std::string reply;
    };
    for (const Moment& moment :
         {Moment{2, script[data], lost}, Moment{2, "RCPT TO:<c@example.com>\r\n", lost},
          Moment{4, script[4], lost}}) {
        for (const bool reset : {false, true}) {
            World world;
            Device& device = world.connect();
            device.say("EHLO printer\r\n");
            for (std::size_t i = 0; i < moment.said; ++i) device.say(script[i]);
            world.upstream.last().wire->end(reset ? EndOfInput::failed : EndOfInput::clean);
            CHECK(device.listen() == "");
            CHECK(device.say(moment.next) == moment.reply);
            expect_second_try(world, device);
            CHECK(listed(check_all(world)) == "");
        }
    }
}

TEST_CASE("an acceptance before the upstream can have the message is none") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    for (std::size_t i = 0; i < 3; ++i) device.say(script[i]);
    std::string claim = "250 2.0.0 got it already\r\n";
    std::string reply = unknown;
    SUBCASE("accepted") {}
    SUBCASE("refused") { claim = reply = "552 5.3.4 too much\r\n"; }
    world.upstream.last().wire->set_window(10'000);
    std::string text;
    for (int i = 0; i < 1200; ++i) text += "0123456789\r\n";
    // The end mark is still with us when the reply comes.
    CHECK(device.say(text + ".\r\n") == "");
    world.upstream.say(0, claim);
    world.reactor.run_until_idle();
    CHECK(device.listen() == reply);
    // Whatever it takes the rest for, it does not get it.
    world.upstream.last().wire->set_window(1'000'000);
    world.reactor.run_until_idle();
    CHECK(world.upstream[0].messages.empty());
    CHECK(world.upstream[0].wire->fate() == Fate::aborted);
    expect_second_try(world, device);
    CHECK(listed(check_all(world)) == "");
}

TEST_CASE("replies without a command are never taken for an answer") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    device.say(script[mail]);
    device.say(script[rcpt]);
    // It is there before the next command is.
    world.upstream.last().wire->feed("250 2.1.5 anything you like\r\n");
    CHECK(device.say(script[rcpt]) == broken);
    CHECK(world.upstream[0].count("RCPT") == 1);
    expect_second_try(world, device);
}
