// RCPT commands that stand behind one another: told at once, answered in order, whoever answers
// them.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "smtp/server.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
namespace event = waxseal::smtp::server_event;

namespace {

const Reply yes = make_reply(250, {2, 1, 5}, "Ok");

// A session that has said MAIL.
struct Envelope {
    explicit Envelope(std::uint64_t max_recipients = 1000, std::uint64_t max_errors = 20)
        : settings{"mx.test", LineEndings::repair, 100000, max_recipients, max_errors},
          server(settings) {
        server.greet();
        server.receive("EHLO x\r\nMAIL FROM:<a@b.c>\r\n");
        (void)server.next();
        server.hello({});
        (void)server.next();
        server.reply(make_reply(250, "Ok"));
        server.sent(server.output().size());
    }
    // The paths that are told until it waits.
    std::string told() {
        std::string paths;
        while (true) {
            const ServerEvent next = server.next();
            const auto* rcpt = std::get_if<event::Rcpt>(&next);
            if (rcpt == nullptr) return paths;
            paths += rcpt->forward_path.text();
        }
    }
    std::string output() {
        std::string all(server.output());
        server.sent(all.size());
        return all;
    }
    ServerSettings settings;
    Server server;
};

}  // namespace

TEST_CASE("server: RCPT behind RCPT is told before the first is answered, and nothing else is") {
    Envelope envelope;
    envelope.server.receive(
        "RCPT TO:<1@e.f>\r\nrcpt to:<2@e.f>\r\nRCPT TO:<3@e.f>\r\nNOOP\r\nRCPT TO:<4@e.f>\r\n");
    CHECK(envelope.told() == "<1@e.f><2@e.f><3@e.f>");
    CHECK(envelope.output() == "");
    envelope.server.reply(yes);
    CHECK(envelope.told() == "");
    CHECK(envelope.output() == "250 2.1.5 Ok\r\n");
    envelope.server.reply(make_reply(550, {5, 1, 1}, "No"));
    envelope.server.reply(yes);
    CHECK(envelope.output() == "550 5.1.1 No\r\n250 2.1.5 Ok\r\n");
    CHECK(envelope.told() == "<4@e.f>");
    CHECK(envelope.output() == "250 2.0.0 Ok\r\n");  // NOOP
}

TEST_CASE("server: mistakes among them are answered in their turn") {
    Envelope envelope;
    envelope.server.receive("RCPT TO:<1@e.f>\r\nRCPT TO:<bad\r\nRCPT TO:<3@e.f>\r\nRCPT FOR:x\r\n");
    CHECK(envelope.told() == "<1@e.f><3@e.f>");
    CHECK(envelope.output() == "");
    CHECK(envelope.server.errors() == 0);
    envelope.server.reply(yes);
    CHECK(envelope.output().starts_with("250 2.1.5 Ok\r\n501 5.1.3 Bad"));
    CHECK(envelope.server.owes());
    envelope.server.reply(yes);
    CHECK(envelope.output().starts_with("250 2.1.5 Ok\r\n501 5.5.4 Syntax"));
    CHECK_FALSE(envelope.server.owes());
    CHECK(envelope.server.errors() == 2);
}

TEST_CASE("server: a command that is not whole waits, as does what could be beyond a limit") {
    Envelope envelope(2);
    envelope.server.receive("RCPT TO:<1@e.f>\r\nRCPT TO:<2@e");
    CHECK(envelope.told() == "<1@e.f>");
    envelope.server.receive(".f>\r\nRCPT TO:<3@e.f>\r\nRCPT TO:<4@e.f>\r\n");
    CHECK(envelope.told() == "<2@e.f>");
    // Two may stand: whether the third is one too many depends on the answers to the first two.
    envelope.server.reply(make_reply(550, {5, 1, 1}, "No"));
    CHECK(envelope.told() == "<3@e.f>");
    envelope.server.reply(yes);
    envelope.server.reply(yes);
    CHECK(envelope.told() == "");
    CHECK(envelope.output() ==
          "550 5.1.1 No\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n452 4.5.3 Too many recipients\r\n");
}

TEST_CASE("server: no more of them than a hundred, and none past the last error") {
    Envelope many;
    for (std::size_t i = 0; i < limits::pipelined_recipients + 5; ++i)
        many.server.receive("RCPT TO:<x@e.f>\r\n");
    CHECK(many.told().size() == limits::pipelined_recipients * 7);
    Envelope few(1000, 3);
    for (int i = 0; i < 6; ++i) few.server.receive("RCPT TO:<x@e.f>\r\n");
    CHECK(few.told().size() == 6 * 7);
    few.server.receive("RCPT TO:<x@e.f>\r\n");
    for (int i = 0; i < 3; ++i) few.server.reply(make_reply(550, {5, 1, 1}, "No"));
    CHECK(few.told() == "");
    for (int i = 0; i < 3; ++i) few.server.reply(make_reply(550, {5, 1, 1}, "No"));
    CHECK(std::holds_alternative<event::Violation>(few.server.next()));
    CHECK(few.output().ends_with("421 4.7.0 Too many errors; closing\r\n"));
}

TEST_CASE("server: a farewell answers all that are owed one") {
    Envelope envelope;
    envelope.server.receive("RCPT TO:<1@e.f>\r\nRCPT TO:<2@e.f>\r\n");
    CHECK(envelope.told() == "<1@e.f><2@e.f>");
    envelope.server.shut_down(make_reply(421, {4, 3, 2}, "Closing"));
    CHECK(envelope.output() == "421 4.3.2 Closing\r\n");
    envelope.server.reply(yes);
    CHECK(envelope.output() == "");
}
