// Two upstreams and whoever wants a connection to them.
#pragma once

#include <memory>
#include <optional>

#include "unit/upstream/support.hpp"
#include "upstream/connector.hpp"

namespace waxseal::testing {

// Two upstreams, and a connector that is asked whenever it says so. Nothing is kept ready, unless a
// test wants it.
struct Place {
    Place() {
        for (const auto& provider : providers) provider->pool.reset();
    }
    ~Place() {
        for (const auto& provider : providers) provider->pool.reset();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    void keep_ready(std::size_t which, std::size_t how_many = 2) {
        providers[which]->pool = std::make_unique<upstream::Pool>(
            reactor, providers[which]->slots,
            upstream::PoolSettings{how_many, std::chrono::seconds(30)});
    }

    LogCapture log;
    FakeReactor reactor;
    ScriptedUpstream first{reactor};
    ScriptedUpstream second{reactor};
    upstream::Connector::Providers providers{make_provider(reactor, first, "first", 1),
                                             make_provider(reactor, second, "second", 1)};
    std::unique_ptr<upstream::Connector> connector;
    std::optional<upstream::Connector::Outcome> outcome;
    int notified = 0;

    void start(std::size_t how_many = 2) {
        connector = std::make_unique<upstream::Connector>(
            reactor,
            upstream::Connector::Providers(
                providers.begin(), providers.begin() + static_cast<std::ptrdiff_t>(how_many)),
            upstream::Borrower{.label = "test"}, [this] {
                ++notified;
                if (connector && !outcome) outcome = connector->poll();
            });
        reactor.run_until_idle();
    }
    FakeDialer& dialer(std::size_t i) { return static_cast<FakeDialer&>(*providers[i]->dialer); }
    [[nodiscard]] std::string connected_to() const {
        return outcome && *outcome ? (**outcome)->provider()->name : "";
    }
    [[nodiscard]] Failure failure() const {
        REQUIRE(outcome.has_value());
        REQUIRE_FALSE(outcome->has_value());
        return outcome->error();
    }
    // Whatever happened, nobody holds anything.
    void expect_nothing_left() {
        outcome.reset();
        connector.reset();
        for (const auto& provider : providers) provider->pool.reset();
        reactor.run_until_idle();
        for (const auto& provider : providers) {
            CHECK(provider->slots.in_use() == 0);
            CHECK(provider->slots.waiting() == 0);
        }
        CHECK(dialer(0).under_way() == 0);
        CHECK(dialer(1).under_way() == 0);
        CHECK(first.open() == 0);
        CHECK(second.open() == 0);
        CHECK(reactor.alarms() == 0);
    }
};

}  // namespace waxseal::testing
