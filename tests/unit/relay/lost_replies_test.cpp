#include "relay/lost_replies.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace waxseal::relay {

namespace {

constexpr TimePoint start{std::chrono::hours(1)};
constexpr TimePoint later = start + std::chrono::minutes(10);

Fingerprint message(std::uint64_t number) { return {number / 7, number}; }

// "nothing", "pending", or the reply.
std::string text(const LostReplies::Found& result) {
    if (const auto* accepted = std::get_if<LostReplies::Accepted>(&result)) return accepted->reply;
    return std::holds_alternative<LostReplies::Pending>(result) ? "pending" : "nothing";
}

// Of a message that is offered now.
std::string look(LostReplies& lost, std::uint64_t number, TimePoint now = start) {
    return text(lost.look_up(message(number), now, now));
}

// The same, and a reply that is told arrives.
std::string found(LostReplies& lost, std::uint64_t number, TimePoint now = start) {
    const std::string result = look(lost, number, now);
    if (result != "nothing" && result != "pending") lost.told(message(number), true);
    return result;
}

// The outcome of a pend().
void accept(LostReplies& lost, std::uint64_t number, const std::string& reply) {
    lost.remember(message(number), reply, later);
    lost.end_pend(message(number));
}

}  // namespace

TEST_CASE("a reply is told until it has arrived, to the same message and no other") {
    LostReplies lost;
    CHECK(found(lost, 1) == "nothing");
    lost.remember(message(1), "250 one", later);
    CHECK(lost.size() == 1);
    CHECK(found(lost, 2) == "nothing");
    CHECK(look(lost, 1) == "250 one");
    lost.told(message(1), false);
    CHECK(look(lost, 1, start + Duration(1)) == "250 one");
    lost.told(message(1), true);
    CHECK(found(lost, 1, start + Duration(2)) == "nothing");
    // Half a fingerprint is another message's.
    lost.remember({1, 2}, "250 one", later);
    CHECK(text(lost.look_up({1, 3}, start, start)) == "nothing");
    CHECK(text(lost.look_up({2, 2}, start, start)) == "nothing");
    CHECK(text(lost.look_up({1, 2}, start, start)) == "250 one");
}

TEST_CASE(
    "what was offered before the reply was told is the same message, what is offered later waits") {
    for (const bool arrives : {true, false}) {
        LostReplies lost;
        lost.remember(message(1), "250 one", later);
        const TimePoint first = start + Duration(100);
        CHECK(text(lost.look_up(message(1), start, first)) == "250 one");
        // Three more have waited, one of them since after that.
        CHECK(text(lost.look_up(message(1), start + Duration(99), first + Duration(10))) ==
              "250 one");
        CHECK(text(lost.claim(message(1), start + Duration(1), first + Duration(20))) == "250 one");
        CHECK(text(lost.claim(message(1), first, first + Duration(30))) == "pending");
        lost.told(message(1), false);
        CHECK(text(lost.claim(message(1), first, first + Duration(40))) == "pending");
        lost.told(message(1), arrives);
        // One is still being told; of those before it nothing changes.
        CHECK(text(lost.look_up(message(1), start, first + Duration(50))) == "250 one");
        CHECK(text(lost.look_up(message(1), first, first + Duration(50))) ==
              (arrives ? "nothing" : "pending"));
        lost.told(message(1), false);
        lost.told(message(1), false);
        CHECK(text(lost.look_up(message(1), first, first + Duration(60))) ==
              (arrives ? "nothing" : "250 one"));
        // And what was not expected changes nothing.
        lost.told(message(1), false);
        lost.told(message(1), true);
        lost.told(message(2), true);
    }
}

TEST_CASE("of several that may go on one does") {
    LostReplies lost;
    CHECK(text(lost.claim(message(1), start, start)) == "nothing");
    CHECK(text(lost.claim(message(1), start, start)) == "pending");
    CHECK(text(lost.look_up(message(1), start, start)) == "pending");
    lost.end_pend(message(1));
    CHECK(text(lost.claim(message(1), start, start)) == "nothing");
    accept(lost, 1, "250 one");
    CHECK(text(lost.claim(message(1), start, start)) == "250 one");
}

TEST_CASE("a message whose reply is to come is pending until it has") {
    LostReplies lost;
    lost.pend(message(1));
    CHECK(lost.size() == 1);
    CHECK(found(lost, 1) == "pending");
    CHECK(found(lost, 1) == "pending");
    SUBCASE("250") {
        accept(lost, 1, "250 one");
        CHECK(lost.size() == 1);
        CHECK(found(lost, 1) == "250 one");
    }
    SUBCASE("anything else") {
        lost.end_pend(message(1));
        CHECK(lost.size() == 0);
    }
    CHECK(found(lost, 1) == "nothing");
}

TEST_CASE("a reply that has arrived after all is forgotten") {
    LostReplies lost;
    lost.remember(message(1), "250 one", later);
    lost.forget(message(1));
    CHECK(found(lost, 1) == "nothing");
    lost.forget(message(1));
    CHECK(lost.size() == 0);
}

TEST_CASE("the same message in two sessions: each ends its own, and what is certain stays") {
    for (const bool refused_first : {true, false}) {
        LostReplies lost;
        lost.pend(message(1));
        lost.pend(message(1));
        CHECK(lost.size() == 1);
        if (refused_first) lost.end_pend(message(1));
        if (refused_first) CHECK(found(lost, 1) == "pending");
        accept(lost, 1, "250 one");
        CHECK(lost.size() == 1);
        if (!refused_first) lost.end_pend(message(1));
        CHECK(found(lost, 1) == "250 one");
        CHECK(found(lost, 1) == "nothing");
    }
}

TEST_CASE("accepted twice is remembered once, as it was said last") {
    LostReplies lost;
    lost.remember(message(1), "250 one", start + std::chrono::seconds(1));
    lost.remember(message(1), "250 again", later);
    CHECK(lost.size() == 1);
    CHECK(found(lost, 1, start + std::chrono::seconds(5)) == "250 again");
    CHECK(found(lost, 1, start + std::chrono::seconds(5)) == "nothing");
}

TEST_CASE("a reply is known until its time, whatever the order of the times") {
    LostReplies lost;
    lost.remember(message(1), "250 one", later);
    lost.remember(message(2), "250 two", start + Duration(10));
    lost.remember(message(3), "250 three", start + Duration(10));
    lost.remember(message(4), "250 four", later);
    CHECK(look(lost, 2, start + Duration(9)) == "250 two");
    CHECK(found(lost, 3, start + Duration(10)) == "nothing");
    CHECK(found(lost, 4, later) == "nothing");
    CHECK(found(lost, 1, later) == "nothing");
    CHECK(lost.size() == 0);
}

TEST_CASE("what has expired takes no memory for ever") {
    LostReplies lost;
    for (std::uint64_t i = 0; i < 100; ++i) lost.remember(message(i), "250", later);
    CHECK(found(lost, 1000, later) == "nothing");
    CHECK(lost.size() == 0);
}

TEST_CASE("of more replies than there is room the oldest goes, and nothing that is pending") {
    LostReplies lost(3);
    lost.pend(message(100));
    for (std::uint64_t i = 0; i < 3; ++i)
        lost.remember(message(i), "250 " + std::to_string(i), later);
    // Said again it is the newest.
    lost.remember(message(0), "250 0", later);
    lost.remember(message(3), "250 3", later);
    CHECK(lost.size() == 4);
    CHECK(found(lost, 1) == "nothing");
    CHECK(found(lost, 100) == "pending");
    CHECK(found(lost, 0) == "250 0");
    CHECK(found(lost, 2) == "250 2");
    CHECK(found(lost, 3) == "250 3");
}

TEST_CASE("more that are pending than there is room are not recorded, and push nothing out") {
    LostReplies lost(2);
    lost.remember(message(8), "250 8", later);
    lost.remember(message(9), "250 9", later);
    for (std::uint64_t i = 0; i < 4; ++i) lost.pend(message(i));
    lost.pend(message(0));
    CHECK(lost.size() == 4);
    CHECK(found(lost, 0) == "pending");
    CHECK(found(lost, 1) == "pending");
    CHECK(found(lost, 2) == "nothing");
    // Its 250 is remembered all the same.
    accept(lost, 2, "250 2");
    CHECK(found(lost, 2) == "250 2");
    lost.end_pend(message(1));
    lost.pend(message(3));
    CHECK(found(lost, 3) == "pending");
    CHECK(found(lost, 8) == "nothing");
    CHECK(found(lost, 9) == "250 9");
}

TEST_CASE("without room nothing is kept") {
    LostReplies lost(0);
    lost.pend(message(1));
    lost.remember(message(1), "250", later);
    CHECK(found(lost, 1) == "nothing");
    CHECK(lost.size() == 0);
}

TEST_CASE(
    "several threads: of all that claim a message one is to send it, and all others hear of it") {
    constexpr std::uint64_t number = 500;
    constexpr std::size_t threads = 4;
    LostReplies lost(number);
    std::atomic<std::size_t> sent = 0;
    std::atomic<std::size_t> told = 0;
    const auto work = [&] {
        for (std::uint64_t i = 0; i < number; ++i) {
            auto found = lost.claim(message(i), start, start + Duration(1));
            while (std::holds_alternative<LostReplies::Pending>(found)) {
                std::this_thread::yield();
                found = lost.claim(message(i), start, start + Duration(1));
            }
            if (std::holds_alternative<LostReplies::Nothing>(found)) {
                ++sent;
                accept(lost, i, std::to_string(i));
            } else if (text(found) == std::to_string(i)) {
                ++told;
                lost.told(message(i), i % 2 == 0);
            }
        }
    };
    std::vector<std::thread> all;
    for (std::size_t i = 0; i < threads; ++i) all.emplace_back(work);
    for (std::thread& one : all) one.join();
    CHECK(sent == number);
    CHECK(told == number * (threads - 1));
    CHECK(lost.size() == number);
}

}  // namespace waxseal::relay
