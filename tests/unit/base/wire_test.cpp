// The Wire of unit/support/sim.hpp says of octets under way what a TCP connection says.
#include <doctest/doctest.h>

#include "unit/support/sim.hpp"

namespace waxseal::testing {

namespace {

struct End {
    explicit End(bool writes_at_once = true)
        : wire(Wire::make(reactor, {.writes_at_once = writes_at_once})), channel(wire->channel()) {
        channel->set_notify([] {});
        reactor.run_until_idle();
    }
    void say(std::string_view octets) {
        REQUIRE(channel->write(octets) == octets.size());
        reactor.run_until_idle();
    }
    FakeReactor reactor;
    std::shared_ptr<Wire> wire;
    std::unique_ptr<Channel> channel;
};

}  // namespace

TEST_CASE("what is written arrives once the peer takes it") {
    End end(false);
    CHECK(end.channel->delivery() == Delivery::arrived);
    end.wire->set_window(2);
    end.say("250 ok\r\n");
    CHECK(end.channel->delivery() == Delivery::pending);
    end.wire->widen_window(6);
    end.reactor.run_until_idle();
    CHECK(end.channel->delivery() == Delivery::arrived);
    CHECK(end.wire->sent() == "250 ok\r\n");
}

TEST_CASE("what is on its way arrives late, or is lost when the device turns out to have gone") {
    for (const bool writes_at_once : {true, false}) {
        for (const bool arrives : {true, false}) {
            End end(writes_at_once);
            end.say("354 go\r\n");
            end.wire->set_delivery(Delivery::pending);
            end.say("250 ok\r\n");
            CHECK(end.channel->flushed());
            CHECK(end.channel->delivery() == Delivery::pending);
            CHECK(end.wire->sent() == "354 go\r\n");
            end.wire->set_delivery(arrives ? Delivery::arrived : Delivery::failed);
            CHECK(end.channel->delivery() == (arrives ? Delivery::arrived : Delivery::failed));
            CHECK(end.wire->sent() == (arrives ? "354 go\r\n250 ok\r\n" : "354 go\r\n"));
            CHECK_FALSE(end.channel->broken());
        }
    }
}

TEST_CASE("a device that has gone gets nothing, and what it got before has arrived") {
    End end;
    end.say("354 go\r\n");
    end.wire->lose_output();
    CHECK(end.channel->delivery() == Delivery::arrived);
    end.say("250 ok\r\n");
    CHECK(end.channel->flushed());
    CHECK(end.channel->delivery() == Delivery::failed);
    CHECK(end.wire->sent() == "354 go\r\n");
}

TEST_CASE("a reset loses what is on its way, and not what has arrived") {
    for (const bool under_way : {true, false}) {
        End end;
        if (under_way) end.wire->set_delivery(Delivery::pending);
        end.say("250 ok\r\n");
        end.wire->end(EndOfInput::failed);
        end.reactor.run_until_idle();
        CHECK(end.channel->broken());
        CHECK(end.channel->delivery() == (under_way ? Delivery::failed : Delivery::arrived));
    }
}

}  // namespace waxseal::testing
