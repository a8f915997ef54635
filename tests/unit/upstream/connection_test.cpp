// A connection to an upstream: TLS, login, deadlines, ends. Nothing in clear that may not be, and
// no wait without a bound.
#include "upstream/connection.hpp"

#include "unit/upstream/support.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

constexpr ScriptedUpstream::Options starttls{.tls = ScriptedUpstream::Tls::starttls};
constexpr std::string_view clear_part = "EHLO relay.test\r\nSTARTTLS\r\n";

}  // namespace

TEST_CASE("implicit TLS: nothing in clear, login, ready") {
    Line line;
    line.open();
    CHECK(line.events == std::vector<std::string>{"ready"});
    CHECK(line.wire().sent_in_clear().empty());
    REQUIRE(line.upstream[0].commands.size() == 2);
    CHECK(line.upstream[0].commands[0] == "EHLO relay.test");
    CHECK(line.upstream[0].commands[1].starts_with("AUTH PLAIN "));
    REQUIRE(line.provider->last_offer.has_value());
    CHECK(line.provider->last_offer->has(smtp::Extension::smtputf8));
    CHECK(line.connection->tls_details().version == "TLSv1.3");
    CHECK(line.reactor.armed() == 0);  // nothing is waited for
}

TEST_CASE("STARTTLS: only EHLO and STARTTLS in clear, and EHLO again") {
    Line line(starttls);
    line.open();
    CHECK(line.events == std::vector<std::string>{"ready"});
    CHECK(line.wire().sent_in_clear() == clear_part);
    CHECK(line.upstream[0].commands.at(2) == "EHLO relay.test");
    CHECK(line.upstream[0].commands.at(3).starts_with("AUTH PLAIN "));
}

TEST_CASE("what was offered before TLS is forgotten") {
    Line line(starttls);
    line.upstream.deviations = {{.step = Step::ehlo,
                                 .say = "250-smtp.example.com\r\n250-SMTPUTF8\r\n250-SIZE 7\r\n"
                                        "250-AUTH CRAM-MD5\r\n250 STARTTLS\r\n"}};
    line.upstream.offer = {"PIPELINING"};
    line.open();
    REQUIRE(line.last() == "ready");
    CHECK_FALSE(line.provider->last_offer->has(smtp::Extension::smtputf8));
    CHECK_FALSE(line.provider->last_offer->has(smtp::Extension::starttls));
    CHECK(line.provider->last_offer->size_limit == 0);
    CHECK(line.client().mechanism() == "PLAIN");
}

TEST_CASE("octets in clear after the 220 to STARTTLS end it") {
    Line line(starttls);
    const std::string evil = "250-evil\r\n250 AUTH PLAIN\r\n";
    SUBCASE("in the same segment") {
        line.upstream.deviations = {
            {.step = Step::starttls, .say = "220 go\r\n" + evil, .then = Then::stall}};
    }
    SUBCASE("in the next segment") {
        line.upstream.deviations = {
            {.step = Step::starttls, .say = evil, .then = Then::stall, .besides = true}};
    }
    SUBCASE("half a line of it") {
        line.upstream.deviations = {
            {.step = Step::starttls, .say = "220 go\r\n2", .then = Then::stall}};
    }
    SUBCASE("during the handshake") {
        line.upstream.options.plan = TlsPlan::hangs;
        line.open();
        CHECK(line.events.empty());
        line.upstream.say(0, evil);
        line.reactor.run_until_idle();
    }
    if (line.upstream.connections() == 0) line.open();
    REQUIRE(line.events.size() == 1);
    CHECK(line.last().starts_with("failed tls"));
    line.connection->close();
    line.reactor.run_until_idle();
    CHECK(line.wire().sent() == clear_part);
    CHECK(line.wire().fate() == Fate::aborted);
    CHECK(line.reactor.armed() == 0);
}

TEST_CASE("no STARTTLS, no session: nothing else is said in clear") {
    Line line(starttls);
    std::string said{clear_part};
    SUBCASE("not offered") {
        line.upstream.deviations = {
            {.step = Step::ehlo, .say = "250-smtp.example.com\r\n250 AUTH PLAIN\r\n"}};
        said = "EHLO relay.test\r\n";
    }
    // Everything that a client which goes on regardless would want to hear (curl's test 980).
    const std::string rest = "235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n";
    SUBCASE("454") {
        line.upstream.deviations = {{.step = Step::starttls, .say = "454 4.7.0 no\r\n" + rest}};
    }
    SUBCASE("502") {
        line.upstream.deviations = {{.step = Step::starttls, .say = "502 5.5.1 no\r\n" + rest}};
    }
    SUBCASE("250") {
        line.upstream.deviations = {{.step = Step::starttls, .say = "250 2.0.0 ok\r\n" + rest}};
    }
    line.open();
    REQUIRE(line.events.size() == 1);
    CHECK(line.last().starts_with("failed tls"));
    line.connection->close();
    line.reactor.run_until_idle();
    CHECK(line.wire().sent() == said);
}

TEST_CASE("a handshake that does not succeed") {
    ScriptedUpstream::Options options;
    SUBCASE("implicit") { options.tls = ScriptedUpstream::Tls::implicit; }
    SUBCASE("STARTTLS") { options.tls = ScriptedUpstream::Tls::starttls; }
    const std::string clear =
        options.tls == ScriptedUpstream::Tls::implicit ? "" : std::string(clear_part);
    for (const TlsPlan plan : {TlsPlan::fails, TlsPlan::succeeds_unverified, TlsPlan::hangs}) {
        CAPTURE(static_cast<int>(plan));
        options.plan = plan;
        Line line(options);
        line.open();
        if (plan == TlsPlan::hangs) {
            CHECK(line.events.empty());
            line.reactor.advance(15s - 1ms);
            CHECK(line.events.empty());
            line.reactor.advance(1ms);
            CHECK(line.last() ==
                  "failed timeout: timed out after 15 s waiting for the TLS handshake");
        } else {
            const std::string reason =
                plan == TlsPlan::fails
                    ? "failed tls: certificate is for mail.example.org, not smtp.example.com"
                    : "failed tls: the upstream's certificate was not verified";
            CHECK(line.last() == reason);
        }
        CHECK(line.events.size() == 1);
        line.connection->close();
        line.reactor.run_until_idle();
        CHECK(line.wire().sent() == clear);
        CHECK(line.reactor.armed() == 0);
    }
}

TEST_CASE("the upstream closes during the handshake, or speaks in clear where TLS is due") {
    Line line({.plan = TlsPlan::hangs});
    line.open();
    const bool closes = line.upstream.connections() == 1;  // always
    REQUIRE(closes);
    SUBCASE("closes") { line.wire().end(EndOfInput::clean); }
    SUBCASE("resets") { line.wire().end(EndOfInput::failed); }
    SUBCASE("greets in clear") { line.upstream.say(0, "220 smtp.example.com ESMTP\r\n"); }
    line.reactor.run_until_idle();
    CHECK(line.last().starts_with("failed tls: "));
    CHECK(line.wire().sent().empty());
}

TEST_CASE("every wait has its deadline and says what it waited for") {
    struct Case {
        Step step;
        std::string phrase;
        Duration limit;
    };
    const std::vector<Case> cases{
        {Step::greeting, "the greeting", 5min},
        {Step::ehlo, "the reply to EHLO", 5min},
        {Step::starttls, "the reply to STARTTLS", 5min},
        {Step::auth, "the reply to AUTH", 5min},
        {Step::mail, "the reply to MAIL", 5min},
        {Step::rcpt, "the reply to RCPT", 5min},
        {Step::data, "the reply to DATA", 5min},
        {Step::message, "the reply to end-of-data", 10min},
        {Step::rset, "the reply to RSET", 5min},
    };
    for (const Case& one : cases) {
        CAPTURE(one.phrase);
        Line line(starttls);
        line.upstream.deviations = {{.step = one.step, .then = Then::stall}};
        line.open();
        if (one.step >= Step::mail) line.mail();
        if (one.step >= Step::rcpt && one.step != Step::rset) line.rcpt();
        if (one.step >= Step::data && one.step != Step::rset) line.data();
        if (one.step == Step::message) {
            line.client().body("x\r\n");
            line.client().end_of_data();
            line.run();
        }
        if (one.step == Step::rset) {
            line.client().reset();
            line.run();
        }
        REQUIRE(line.upstream.steps_of(one.step) == 1);
        CHECK(line.reactor.armed() == 1);
        const auto before = line.events;
        line.reactor.advance(one.limit - 1ms);
        CHECK(line.events == before);
        line.reactor.advance(1ms);
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(one.limit).count();
        CHECK(line.last() == "failed timeout: timed out after " + std::to_string(seconds) +
                                 " s waiting for " + one.phrase);
        line.connection->close();
        CHECK(line.reactor.armed() == 0);
        CHECK(line.wire().fate() == Fate::aborted);
    }
}

TEST_CASE("a reply that trickles does not put its deadline off") {
    Line line;
    line.upstream.deviations = {{.step = Step::mail, .then = Then::stall}};
    line.open();
    line.mail();
    for (int minute = 0; minute < 5; ++minute) {
        CHECK_FALSE(line.failed());
        line.upstream.say(0, minute == 0 ? "250-" : "x");
        line.reactor.advance(1min);
    }
    CHECK(line.last() == "failed timeout: timed out after 300 s waiting for the reply to MAIL");
}

TEST_CASE("an upstream that takes the message slowly is waited for, one that stops is not") {
    Line line;
    line.open();
    line.envelope();
    line.wire().set_window(0);
    std::string text(200'000, 'x');
    for (std::size_t at = 0; at < text.size(); at += 500) text.replace(at, 2, "\r\n");
    line.client().body(text);
    line.run();
    for (int i = 0; i < 8; ++i) {
        line.reactor.advance(4min);
        CHECK_FALSE(line.failed());
        line.wire().widen_window(16384);
        line.run();
    }
    line.reactor.advance(5min - 1ms);
    CHECK_FALSE(line.failed());
    line.reactor.advance(1ms);
    CHECK(line.last() ==
          "failed timeout: timed out after 300 s waiting for the upstream to take the message");
}

TEST_CASE("the upstream ends while something is owed: lost, with what was waited for") {
    for (const Then then : {Then::end_clean, Then::end_cut, Then::reset}) {
        for (const Step step :
             {Step::greeting, Step::ehlo, Step::auth, Step::mail, Step::message}) {
            CAPTURE(to_string(step));
            CAPTURE(static_cast<int>(then));
            Line line;
            line.upstream.deviations = {{.step = step, .then = then}};
            line.open();
            if (step >= Step::mail) line.mail();
            if (step == Step::message) {
                line.rcpt();
                line.data();
                line.client().body("x\r\n");
                line.client().end_of_data();
                line.run();
            }
            CHECK(line.last().starts_with("failed lost: "));
            CHECK(line.last().find("waiting for the ") != std::string::npos);
            CHECK(line.reactor.armed() == 0);
        }
    }
}

TEST_CASE("the upstream ends while nothing is owed: closed") {
    Line line;
    line.open();
    SUBCASE("with close_notify") { line.wire().end(EndOfInput::clean); }
    SUBCASE("without") { line.wire().end(EndOfInput::truncated); }
    SUBCASE("with RST") { line.wire().end(EndOfInput::failed); }
    line.reactor.run_until_idle();
    CHECK(line.last() == "closed");
}

TEST_CASE("close: QUIT when idle, nothing more in every other state") {
    Line line;
    SUBCASE("idle") {
        line.open();
        line.connection->close();
        line.reactor.run_until_idle();
        CHECK(line.wire().sent().ends_with("\r\nQUIT\r\n"));
        CHECK(line.wire().fate() == Fate::closed);
        return;
    }
    SUBCASE("before the greeting") {
        line.upstream.deviations = {{.step = Step::greeting, .then = Then::stall}};
        line.open();
    }
    SUBCASE("in the login") {
        line.upstream.deviations = {{.step = Step::auth, .then = Then::stall}};
        line.open();
    }
    SUBCASE("in the envelope") {
        line.open();
        line.mail();
    }
    SUBCASE("in the body") {
        line.open();
        line.envelope();
        line.client().body("half a message\r\n");
        line.run();
    }
    SUBCASE("in the body, with octets on their way") {
        line.open();
        line.envelope();
        line.wire().set_window(5);
        line.client().body("half a message\r\nand more\r\n");
        line.run();
        CHECK(line.wire().in_flight() != 0);
    }
    SUBCASE("waiting for the reply to the message") {
        line.upstream.deviations = {{.step = Step::message, .then = Then::stall}};
        line.open();
        line.envelope();
        line.client().end_of_data();
        line.run();
    }
    const std::string before = line.wire().sent();
    line.connection->close();
    line.connection.reset();
    line.reactor.run_until_idle();
    CHECK(line.wire().sent() == before);
    CHECK(line.wire().fate() == Fate::aborted);
    CHECK(line.reactor.alarms() == 1);  // the dial's
    CHECK(line.reactor.armed() == 0);
}

TEST_CASE("any segmentation of the replies gives the same login") {
    for (const std::size_t pieces : {1U, 2U, 3U, 1000U}) {
        Line line({.tls = ScriptedUpstream::Tls::starttls, .reply_pieces = pieces});
        line.open();
        CHECK(line.events == std::vector<std::string>{"ready"});
        CHECK(line.wire().sent_in_clear() == clear_part);
    }
}
