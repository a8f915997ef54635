// What a session leaves in the log: every envelope, however many there were.
#include "relay/record.hpp"

#include <doctest/doctest.h>

#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using namespace waxseal::testing;

namespace {

std::string address(const char* name, std::size_t number) {
    return '<' + std::string(name) + std::to_string(number) + "@example.com>";
}

}  // namespace

TEST_CASE("the transactions of a long session: the last in session_end, the others before it") {
    constexpr std::size_t count = 120;
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    for (std::size_t i = 0; i < count; ++i) {
        device.say("MAIL FROM:" + address("s", i) + "\r\n");
        device.say("RCPT TO:<r@example.com>\r\n");
        device.say("DATA\r\n");
        CHECK(device.say("x\r\n.\r\n").starts_with("250 "));
    }
    device.say("QUIT\r\n");
    const auto earlier = world.log.of("transaction");
    const auto ends = world.log.of("session_end");
    REQUIRE(ends.size() == 1);
    CHECK(ends[0]["transactions_before"] == std::to_string(earlier.size()));
    for (std::size_t i = 0; i < count; ++i) {
        const std::string& line = i < earlier.size() ? earlier[i].line : ends[0].line;
        CHECK(line.contains("from=" + address("s", i)));
    }
    CHECK(earlier[0]["session"] == ends[0]["session"]);
    CHECK(earlier[0].line.contains(" to=<r@example.com> "));
    CHECK(earlier[0]["outcome"] == "accepted");
}

TEST_CASE("both sides' TLS: version, suite, and whether the upstream's was resumed") {
    const auto line = [](const SessionRecord& session) {
        return log::format(log::Format::logfmt, "", log::Level::info, "session_end",
                           fields(session, {}));
    };
    SessionRecord session;
    CHECK(line(session).contains(" downstream_tls=none "));
    CHECK(line(session).contains(" upstream_tls=none "));
    CHECK(line(session).contains(" upstream_resumed=no "));
    session.upstream_tls = {"TLSv1.3", "TLS_AES_128_GCM_SHA256", nullptr, true};
    session.downstream_tls = {"TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA", nullptr, false};
    CHECK(line(session).contains(" downstream_tls=TLSv1.2 "));
    CHECK(line(session).contains(" upstream_tls=TLSv1.3 "));
    CHECK(line(session).contains(" upstream_cipher=TLS_AES_128_GCM_SHA256 "));
    CHECK(line(session).contains(" upstream_resumed=yes "));
}

TEST_CASE("a hundred recipients are all named, more are counted") {
    TransactionRecord record;
    for (std::size_t i = 0; i < 103; ++i) record.add_recipient(address("r", i));
    SessionRecord session;
    session.add(std::move(record));
    const std::string line =
        log::format(log::Format::logfmt, "", log::Level::info, "session_end", fields(session, {}));
    for (std::size_t i = 0; i < 100; ++i) CHECK(line.contains(address("r", i)));
    CHECK(line.contains("recipients=103"));
}

TEST_CASE("long recipients go to the log early, so that a session stays small") {
    World world;
    Device& device = world.connect();
    device.say("EHLO printer\r\n");
    const std::string domain = std::string(60, 'd') + '.' + std::string(60, 'd') + ".example";
    for (std::size_t i = 0; i < 10; ++i) {
        device.say("MAIL FROM:" + address("s", i) + "\r\n");
        for (int k = 0; k < 100; ++k)
            device.say("RCPT TO:<r" + std::to_string(k) + '@' + domain + ">\r\n");
        device.say("RSET\r\n");
    }
    device.say("QUIT\r\n");
    const auto earlier = world.log.of("transaction");
    const auto ends = world.log.of("session_end");
    REQUIRE(ends.size() == 1);
    CHECK(earlier.size() > 4);
    CHECK(ends[0].line.size() < 100'000);
    for (std::size_t i = 0; i < 10; ++i) {
        const std::string& line = i < earlier.size() ? earlier[i].line : ends[0].line;
        CHECK(line.contains("from=" + address("s", i)));
    }
}
