// What is kept of earlier sessions, how long and how much: no TLS in here.
#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"
#include "tls/sessions.hpp"

using namespace waxseal;
using namespace waxseal::tls;
using namespace std::chrono_literals;

namespace {

constexpr Time start{std::chrono::sys_days(std::chrono::year(2026) / 11 / 25)};

KeptSession session(std::string octets, ProtocolVersion version = ProtocolVersion::tls13,
                    std::chrono::seconds lifetime = 2h) {
    return {Secret(octets), version, Proof{.verified_at = start}, start + lifetime};
}

std::string taken(Sessions& sessions, const std::string& place, Time now = start) {
    const auto found = sessions.take(place, now);
    return found ? std::string(found->octets.reveal()) : "nothing";
}

}  // namespace

TEST_CASE(
    "tickets of TLS 1.3: the newest first, each once, but for the last until there is another") {
    Sessions sessions;
    for (int n = 1; n <= 18; ++n) sessions.keep("a", session(std::to_string(n)), start);
    CHECK(sessions.size() == limits::tls_sessions_of_place);
    CHECK(taken(sessions, "b") == "nothing");
    for (int n = 18; n > 3; --n) CHECK(taken(sessions, "a") == std::to_string(n));
    for (int again = 0; again < 3; ++again) CHECK(taken(sessions, "a") == "3");
    CHECK(sessions.size() == 1);
    sessions.keep("a", session("new"), start);
    CHECK(taken(sessions, "a") == "new");
    CHECK(taken(sessions, "a") == "3");
}

TEST_CASE("a session of TLS 1.2 is given out again, and the newest takes its place") {
    Sessions sessions;
    sessions.keep("a", session("ticket"), start);
    for (const char* name : {"1", "2"})
        sessions.keep("a", session(name, ProtocolVersion::tls12), start);
    CHECK(sessions.size() == 1);
    for (int i = 0; i < 3; ++i) CHECK(taken(sessions, "a") == "2");
    sessions.keep("a", session("ticket"), start);
    CHECK(sessions.size() == 1);
    CHECK(taken(sessions, "a") == "ticket");
}

TEST_CASE("nothing is given out late: lifetime, proof, certificates, a clock set back") {
    for (const auto version : {ProtocolVersion::tls12, ProtocolVersion::tls13}) {
        Sessions sessions;
        const auto after = [&](KeptSession kept, std::chrono::seconds time) {
            sessions.keep("a", std::move(kept), start);
            const std::string found = taken(sessions, "a", start + time);
            if (found == "nothing") CHECK(sessions.size() == 0);
            sessions.forget("a");
            return found;
        };
        CHECK(after(session("s", version), 2h - 1s) == "s");
        CHECK(after(session("s", version), 2h) == "nothing");
        CHECK(after(session("s", version), -1s) == "nothing");
        CHECK(after(session("s", version, 48h), 24h - 1s) == "s");
        CHECK(after(session("s", version, 48h), 24h) == "nothing");
        CHECK(after(session("s", version, 0s), 0s) == "nothing");
        auto expiring = session("s", version);
        expiring.proof.valid_to = start + 1h;
        CHECK(after(KeptSession{expiring.octets.clone(), version, expiring.proof, expiring.until},
                    1h) == "s");
        CHECK(after(std::move(expiring), 1h + 1s) == "nothing");
        auto early = session("s", version);
        early.proof.valid_from = start + 1s;
        CHECK(after(std::move(early), 2s) == "nothing");
    }
}

TEST_CASE("a place that is shunned keeps nothing for an hour") {
    Sessions sessions;
    sessions.keep("a", session("1"), start);
    sessions.shun("a", start);
    CHECK(sessions.size() == 0);
    sessions.keep("a", session("2"), start + 1h - 1s);
    CHECK(taken(sessions, "a", start + 1h - 1s) == "nothing");
    sessions.keep("a", session("3"), start + 1h);
    CHECK(taken(sessions, "a", start + 1h) == "3");
}

TEST_CASE("bounded: places, and the size of one; what is used stays") {
    Sessions sessions;
    sessions.keep("used", session("kept"), start);
    for (int i = 0; i < 1000; ++i) {
        for (std::size_t n = 0; n < limits::tls_sessions_of_place + 2; ++n)
            sessions.keep("place " + std::to_string(i), session(std::string(1000, 's')), start);
        if (i % 10 == 0) CHECK(taken(sessions, "used") == "kept");
    }
    CHECK(sessions.size() == (limits::tls_session_places - 1) * limits::tls_sessions_of_place + 1);
    CHECK(taken(sessions, "place 0") == "nothing");
    CHECK(taken(sessions, "place 999") != "nothing");
    sessions.keep("large", session(std::string(limits::tls_session_octets + 1, 's')), start);
    CHECK(taken(sessions, "large") == "nothing");
}
