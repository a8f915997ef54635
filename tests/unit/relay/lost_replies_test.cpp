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
std::string found(LostReplies& lost, std::uint64_t number, TimePoint now = start) {
    const LostReplies::Found result = lost.look_up(message(number), now);
    if (const auto* accepted = std::get_if<LostReplies::Accepted>(&result)) return accepted->reply;
    return std::holds_alternative<LostReplies::Pending>(result) ? "pending" : "nothing";
}

}  // namespace

TEST_CASE("a reply is told once, to the same message and no other") {
    LostReplies lost;
    CHECK(found(lost, 1) == "nothing");
    lost.remember(message(1), "250 one", later);
    CHECK(lost.size() == 1);
    CHECK(found(lost, 2) == "nothing");
    CHECK(found(lost, 1) == "250 one");
    CHECK(found(lost, 1) == "nothing");
    CHECK(lost.size() == 0);
    // Half a fingerprint is another message's.
    lost.remember({1, 2}, "250 one", later);
    CHECK(std::holds_alternative<LostReplies::Nothing>(lost.look_up({1, 3}, start)));
    CHECK(std::holds_alternative<LostReplies::Nothing>(lost.look_up({2, 2}, start)));
    CHECK(std::holds_alternative<LostReplies::Accepted>(lost.look_up({1, 2}, start)));
}

TEST_CASE("a message whose reply is to come is pending until it has") {
    LostReplies lost;
    lost.pend(message(1));
    CHECK(lost.size() == 1);
    CHECK(found(lost, 1) == "pending");
    CHECK(found(lost, 1) == "pending");
    SUBCASE("250") {
        lost.remember(message(1), "250 one", later);
        CHECK(lost.size() == 1);
        CHECK(found(lost, 1) == "250 one");
    }
    SUBCASE("anything else") { lost.forget(message(1)); }
    CHECK(found(lost, 1) == "nothing");
    CHECK(lost.size() == 0);
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
        if (refused_first) lost.forget(message(1));
        if (refused_first) CHECK(found(lost, 1) == "pending");
        lost.remember(message(1), "250 one", later);
        CHECK(lost.size() == 1);
        if (!refused_first) lost.forget(message(1));
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
    CHECK(found(lost, 1) == "nothing");
}

TEST_CASE("a reply is known until its time, whatever the order of the times") {
    LostReplies lost;
    lost.remember(message(1), "250 one", later);
    lost.remember(message(2), "250 two", start + Duration(10));
    lost.remember(message(3), "250 three", start + Duration(10));
    lost.remember(message(4), "250 four", later);
    CHECK(found(lost, 2, start + Duration(9)) == "250 two");
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
    lost.remember(message(2), "250 2", later);
    CHECK(found(lost, 2) == "250 2");
    lost.forget(message(1));
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

TEST_CASE("several threads: every reply is told exactly once") {
    constexpr std::uint64_t number = 500;
    constexpr std::size_t threads = 4;
    LostReplies lost(number);
    std::atomic<std::size_t> told = 0;
    std::atomic<std::size_t> wrong = 0;
    const auto work = [&](std::uint64_t own) {
        for (std::uint64_t i = own; i < number; i += threads) {
            lost.pend(message(i));
            lost.remember(message(i), std::to_string(i), later);
        }
        for (std::uint64_t i = 0; i < number; ++i) {
            const auto result = lost.look_up(message(i), start);
            const auto* accepted = std::get_if<LostReplies::Accepted>(&result);
            if (accepted == nullptr) continue;
            ++told;
            if (accepted->reply != std::to_string(i)) ++wrong;
        }
    };
    std::vector<std::thread> all;
    for (std::uint64_t own = 0; own < threads; ++own) all.emplace_back(work, own);
    for (std::thread& one : all) one.join();
    // What one thread looked for before another had remembered it.
    for (std::uint64_t i = 0; i < number; ++i)
        if (found(lost, i) == std::to_string(i)) ++told;
    CHECK(told == number);
    CHECK(wrong == 0);
    CHECK(lost.size() == 0);
}

}  // namespace waxseal::relay
