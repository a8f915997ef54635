// Happy Eyeballs with a simulated clock (RFC 8305).
#include "net/race.hpp"

#include <doctest/doctest.h>

#include <string>

namespace waxseal::net {

namespace {

std::vector<Address> addresses(const std::vector<std::string>& texts) {
    std::vector<Address> result;
    for (const auto& text : texts) result.push_back(*Address::parse(text, 465));
    return result;
}

std::string texts(const std::vector<Address>& list) {
    std::string result;
    for (const auto& address : list) result += (result.empty() ? "" : " ") + address.ip_text();
    return result;
}

// Plays a script: at its time, attempt n fails. Returns "address@ms" of every attempt begun, until
// `end`.
struct Event {
    int at;
    std::size_t fails;
};
std::string play(const std::vector<std::string>& list, std::vector<Event> events, int end = 2000) {
    Race race(addresses(list));
    std::string log;
    int now = 0;
    while (true) {
        while (!events.empty() && events.front().at <= now) {
            race.failed(events.front().fails, "refused");
            events.erase(events.begin());
        }
        while (const auto index = race.next(TimePoint(Duration(now)))) {
            log += race.address(*index).ip_text() + '@' + std::to_string(now) + ' ';
        }
        if (race.lost()) return log + "lost";
        int next = end;
        if (const auto at = race.wakeup())
            next = std::min(next, static_cast<int>(at->time_since_epoch().count()));
        if (!events.empty()) next = std::min(next, events.front().at);
        if (next >= end) return log;
        REQUIRE(next > now);
        now = next;
    }
}

}  // namespace

TEST_CASE("families alternate, IPv6 first, duplicates and overlong lists are cut") {
    CHECK(texts(interleave(addresses({"192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3"}))) ==
          "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3");
    CHECK(texts(interleave(addresses({"2001:db8::1", "2001:db8::2", "192.0.2.1",
                                      "2001:db8::1"}))) == "2001:db8::1 192.0.2.1 2001:db8::2");
    CHECK(interleave({}).empty());
}

TEST_CASE("the next attempt begins after the delay, or at once on failure") {
    struct Row {
        std::vector<std::string> list;
        std::vector<Event> events;
        std::string expected;
    };
    const std::vector<Row> rows = {
        {{"192.0.2.1"}, {}, "192.0.2.1@0 "},
        {{"192.0.2.1"}, {{30, 0}}, "192.0.2.1@0 lost"},
        {{"192.0.2.1", "2001:db8::1"}, {}, "2001:db8::1@0 192.0.2.1@250 "},
        {{"192.0.2.1", "2001:db8::1"}, {{10, 0}}, "2001:db8::1@0 192.0.2.1@10 "},
        {{"192.0.2.1", "2001:db8::1"}, {{10, 0}, {20, 1}}, "2001:db8::1@0 192.0.2.1@10 lost"},
        {{"192.0.2.1", "2001:db8::1"}, {{300, 0}, {400, 1}}, "2001:db8::1@0 192.0.2.1@250 lost"},
        // The delay counts from the last attempt, and an older attempt's failure does not shorten
        // it …
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
         {{300, 0}},
         "192.0.2.1@0 192.0.2.2@250 192.0.2.3@500 "},
        // … unless it was the last one still under way.
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
         {{0, 0}, {40, 1}},
         "192.0.2.1@0 192.0.2.2@0 192.0.2.3@40 "},
        {{}, {}, "lost"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.expected);
        auto events = row.events;
        // A failure at 0 is one that connect() itself returned.
        if (!events.empty() && events.front().at == 0) {
            Race race(addresses(row.list));
            CHECK(race.next(TimePoint{}) == 0U);
            race.failed(0, "network is unreachable");
            CHECK(race.next(TimePoint{}) == 1U);
            race.failed(1, "refused");
            CHECK(race.next(TimePoint(Duration(40))) == 2U);
            continue;
        }
        CHECK(play(row.list, events) == row.expected);
    }
}

TEST_CASE("a race never has more than its bound of attempts") {
    std::vector<Address> many;
    for (int i = 1; i < 100; ++i)
        many.push_back(*Address::parse("192.0.2." + std::to_string(i), 25));
    Race race(many);
    std::size_t begun = 0;
    TimePoint now{};
    while (race.next(now)) {
        ++begun;
        now += Race::attempt_delay;
    }
    CHECK(begun == Race::most_attempts);
    CHECK_FALSE(race.wakeup().has_value());
    CHECK_FALSE(race.lost());
}

TEST_CASE("the report names every address and why it failed, and stays one line") {
    Race race(addresses({"192.0.2.1", "192.0.2.2", "2001:db8::1"}));
    REQUIRE(race.next(TimePoint{}) == 0U);
    race.failed(0, "network is unreachable");
    REQUIRE(race.next(TimePoint{}) == 1U);
    CHECK(race.report("timed out after 10 s") ==
          "2001:db8::1: network is unreachable; 192.0.2.1: timed out after 10 s; 192.0.2.2: not "
          "tried");

    std::vector<Address> many;
    for (int i = 1; i < 10; ++i)
        many.push_back(*Address::parse("192.0.2." + std::to_string(i), 25));
    const std::string report = Race(many).report("");
    CHECK(report.ends_with("192.0.2.6: not tried; and 3 more"));
}

}  // namespace waxseal::net
