// Slots: who holds one, who waits, in which order they move on, and what is told to whom.
#include "upstream/slots.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "unit/support/sim.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using upstream::Slots;
using RequestPtr = std::unique_ptr<Slots::Request>;

namespace {

struct Counter {
    int calls = 0;
    std::function<void()> count() {
        return [this] { ++calls; };
    }
};

}  // namespace

TEST_CASE("slots are granted at once up to the capacity, then in the order of asking") {
    FakeReactor reactor;
    Slots slots(reactor, 2);
    Counter told[4];
    RequestPtr requests[4];
    for (int i = 0; i < 4; ++i) requests[i] = slots.request(told[i].count());
    CHECK(requests[0]->granted());
    CHECK(requests[1]->granted());
    CHECK_FALSE(requests[2]->granted());
    CHECK_FALSE(requests[3]->granted());
    CHECK(slots.in_use() == 2);
    CHECK(slots.waiting() == 2);

    requests[1].reset();
    CHECK(requests[2]->granted());
    CHECK_FALSE(requests[3]->granted());
    CHECK(told[2].calls == 0);  // only through the reactor
    reactor.run_until_idle();
    CHECK(told[2].calls == 1);
    CHECK(told[3].calls == 0);
    CHECK(slots.in_use() == 2);

    requests[0].reset();
    requests[2].reset();
    reactor.run_until_idle();
    CHECK(told[3].calls == 1);
    CHECK(slots.in_use() == 1);
    requests[3].reset();
    CHECK(slots.in_use() == 0);
    CHECK(told[0].calls + told[1].calls == 0);
}

TEST_CASE("who leaves the queue is passed over and hears nothing") {
    FakeReactor reactor;
    Slots slots(reactor, 1);
    Counter second, third;
    RequestPtr first = slots.request(nullptr);
    RequestPtr leaver = slots.request(second.count());
    RequestPtr stayer = slots.request(third.count());
    leaver.reset();
    CHECK(slots.waiting() == 1);
    first.reset();
    reactor.run_until_idle();
    CHECK(stayer->granted());
    CHECK(second.calls == 0);
    CHECK(third.calls == 1);
}

TEST_CASE("a slot that was granted to one who has just gone passes on") {
    FakeReactor reactor;
    Slots slots(reactor, 1);
    Counter second, third;
    RequestPtr first = slots.request(nullptr);
    RequestPtr gone = slots.request(second.count());
    RequestPtr next = slots.request(third.count());
    first.reset();
    REQUIRE(gone->granted());
    gone.reset();  // before it has heard of it
    reactor.run_until_idle();
    CHECK(second.calls == 0);
    CHECK(third.calls == 1);
    CHECK(next->granted());
    CHECK(slots.in_use() == 1);
}

TEST_CASE("a spare slot is asked back when somebody comes, not before, and once") {
    FakeReactor reactor;
    Slots slots(reactor, 1);
    Counter asked;
    RequestPtr holder = slots.request(nullptr);
    holder->spare(asked.count());
    reactor.run_until_idle();
    CHECK(asked.calls == 0);
    RequestPtr comer = slots.request(nullptr);
    CHECK(asked.calls == 0);  // only through the reactor
    reactor.run_until_idle();
    CHECK(asked.calls == 1);
    CHECK_FALSE(comer->granted());  // until the holder lets go
    holder.reset();
    CHECK(comer->granted());
}

TEST_CASE("an offer that finds somebody waiting is taken up") {
    FakeReactor reactor;
    Slots slots(reactor, 1);
    Counter asked;
    RequestPtr holder = slots.request(nullptr);
    RequestPtr comer = slots.request(nullptr);
    reactor.run_until_idle();
    holder->spare(asked.count());
    reactor.run_until_idle();
    CHECK(asked.calls == 1);
}

TEST_CASE("a withdrawn offer is not taken up") {
    FakeReactor reactor;
    Slots slots(reactor, 1);
    Counter asked;
    RequestPtr holder = slots.request(nullptr);
    holder->spare(asked.count());
    holder->spare(nullptr);
    RequestPtr comer = slots.request(nullptr);
    reactor.run_until_idle();
    CHECK(asked.calls == 0);
    SUBCASE("offered again, it is") {
        holder->spare(asked.count());
        reactor.run_until_idle();
        CHECK(asked.calls == 1);
    }
}

TEST_CASE("when the one that is asked has found a use for its slot, another is asked") {
    FakeReactor reactor;
    Slots slots(reactor, 2);
    Counter busy, idle;
    RequestPtr first = slots.request(nullptr);
    RequestPtr second = slots.request(nullptr);
    first->spare(busy.count());
    second->spare(idle.count());
    RequestPtr comer = slots.request(nullptr);  // the oldest offer is asked, later
    SUBCASE("withdrawn") { first->spare(nullptr); }
    SUBCASE("withdrawn and gone, with a second one waiting") {
        RequestPtr another = slots.request(nullptr);
        first.reset();
        CHECK(comer->granted());
        reactor.run_until_idle();
        CHECK(idle.calls >= 1);
        CHECK(busy.calls == 0);
        return;
    }
    reactor.run_until_idle();
    CHECK(busy.calls == 0);
    CHECK(idle.calls == 1);
}

TEST_CASE("each that waits asks one holder") {
    FakeReactor reactor;
    Slots slots(reactor, 3);
    Counter asked[3];
    RequestPtr holders[3];
    for (int i = 0; i < 3; ++i) {
        holders[i] = slots.request(nullptr);
        holders[i]->spare(asked[i].count());
    }
    RequestPtr one = slots.request(nullptr);
    RequestPtr two = slots.request(nullptr);
    reactor.run_until_idle();
    CHECK(asked[0].calls == 1);
    CHECK(asked[1].calls == 1);
    CHECK(asked[2].calls == 0);
}

TEST_CASE("requests may outlive the slots they came from") {
    FakeReactor reactor;
    auto slots = std::make_unique<Slots>(reactor, 1);
    RequestPtr holder = slots->request(nullptr);
    Counter told;
    RequestPtr comer = slots->request(told.count());
    holder->spare(told.count());
    slots.reset();
    holder.reset();
    CHECK(comer->granted());
    comer.reset();
    reactor.run_until_idle();
    CHECK(told.calls == 0);
}

TEST_CASE("after a reload old and new requests count together") {
    FakeReactor reactor;
    auto old = std::make_unique<Slots>(reactor, 2);
    RequestPtr first = old->request(nullptr);
    RequestPtr second = old->request(nullptr);
    Slots slots(reactor, 2);
    slots.succeed(*old);
    old.reset();
    CHECK(slots.in_use() == 2);
    Counter told;
    RequestPtr comer = slots.request(told.count());
    CHECK_FALSE(comer->granted());
    first.reset();
    reactor.run_until_idle();
    CHECK(comer->granted());
    CHECK(told.calls == 1);
    CHECK(slots.in_use() == 2);
}

TEST_CASE("a larger capacity grants waiters at once, in order, and no more than it has room for") {
    FakeReactor reactor;
    Slots old(reactor, 1);
    Counter told[3];
    RequestPtr holder = old.request(nullptr);
    RequestPtr waiters[3];
    for (int i = 0; i < 3; ++i) waiters[i] = old.request(told[i].count());
    Slots slots(reactor, 3);
    slots.succeed(old);
    CHECK(waiters[0]->granted());
    CHECK(waiters[1]->granted());
    CHECK_FALSE(waiters[2]->granted());
    CHECK(told[0].calls == 0);  // only through the reactor
    reactor.run_until_idle();
    CHECK(told[0].calls == 1);
    CHECK(told[1].calls == 1);
    CHECK(told[2].calls == 0);
    CHECK(slots.in_use() == 3);
    CHECK(slots.waiting() == 1);
}

TEST_CASE("a smaller capacity takes effect as connections end") {
    FakeReactor reactor;
    Slots old(reactor, 3);
    RequestPtr holders[3];
    for (RequestPtr& holder : holders) holder = old.request(nullptr);
    Counter told;
    RequestPtr waiter = old.request(told.count());
    Slots slots(reactor, 1);
    slots.succeed(old);
    for (const RequestPtr& holder : holders) CHECK(holder->granted());
    for (std::size_t left = 3; left > 1; --left) {
        holders[left - 1].reset();
        reactor.run_until_idle();
        CHECK(slots.in_use() == left - 1);
        CHECK_FALSE(waiter->granted());
    }
    holders[0].reset();
    reactor.run_until_idle();
    CHECK(waiter->granted());
    CHECK(told.calls == 1);
    CHECK(slots.in_use() == 1);
    waiter.reset();
    CHECK(slots.in_use() == 0);
}

TEST_CASE("with a smaller capacity one that waits asks spare holders until it has a slot") {
    FakeReactor reactor;
    Slots old(reactor, 3);
    RequestPtr holders[3];
    for (RequestPtr& holder : holders) {
        holder = old.request(nullptr);
        holder->spare([&holder] { holder.reset(); });
    }
    Slots slots(reactor, 1);
    slots.succeed(old);
    reactor.run_until_idle();
    CHECK(slots.in_use() == 3);  // nobody needs one
    RequestPtr comer = slots.request(nullptr);
    reactor.run_until_idle();
    CHECK(comer->granted());
    CHECK(slots.in_use() == 1);
}

TEST_CASE("slots of two workers are the same, and each hears on its own reactor") {
    FakeReactor here;
    FakeReactor there;
    Slots ours(here, 1);
    Slots theirs = ours.beside(there);
    Counter told;
    RequestPtr held = ours.request(nullptr);
    RequestPtr waits = theirs.request(told.count());
    CHECK_FALSE(waits->granted());
    CHECK(theirs.in_use() == 1);
    CHECK_FALSE(theirs.any_free());
    held.reset();
    CHECK(waits->granted());
    here.run_until_idle();
    CHECK(told.calls == 0);
    there.run_until_idle();
    CHECK(told.calls == 1);
}

TEST_CASE(
    "a connection that is free goes to a worker of ours, unless one with fewer has waited longer") {
    FakeReactor here;
    FakeReactor there;
    Slots ours(here, 3);
    Slots theirs = ours.beside(there);
    std::vector<RequestPtr> held;
    for (int i = 0; i < 2; ++i) held.push_back(ours.request(nullptr));
    held.push_back(theirs.request(nullptr));
    CHECK(ours.ours_first());
    const RequestPtr first = theirs.request(nullptr);
    const RequestPtr second = ours.request(nullptr);
    CHECK_FALSE(ours.ours_first());  // two to one
    CHECK(theirs.ours_first());
    held.pop_back();  // theirs, and so it is granted to `first`
    CHECK(first->granted());
    CHECK(ours.ours_first());
}

TEST_CASE("what one worker keeps for comfort another may have") {
    FakeReactor here;
    FakeReactor there;
    Slots ours(here, 1);
    Slots theirs = ours.beside(there);
    RequestPtr held = ours.request(nullptr);
    held->spare([&] { held.reset(); });
    Counter told;
    const RequestPtr wants = theirs.request(told.count());
    CHECK_FALSE(wants->granted());
    here.run_until_idle();
    CHECK(wants->granted());
    there.run_until_idle();
    CHECK(told.calls == 1);
}
