// The pool: what is kept and for how long, who gets it, what is opened ahead, and that nothing that
// is not clean is ever lent.
#include "upstream/pool.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/upstream/place.hpp"
#include "upstream/keeper.hpp"
#include "upstream/prober.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;
using ConnectionPtr = std::unique_ptr<upstream::Connection>;

namespace {

// One upstream with room for `slots` connections, of which two are kept.
struct Store {
    explicit Store(std::size_t slots = 10)
        : provider(make_provider(reactor, upstream, "default", slots)) {}
    ~Store() { provider->pool->close(); }
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    LogCapture log;
    FakeReactor reactor;
    ScriptedUpstream upstream{reactor};
    std::shared_ptr<upstream::Provider> provider;

    [[nodiscard]] upstream::Pool& pool() const { return *provider->pool; }
    // As a session does it.
    struct Customer {
        std::unique_ptr<upstream::Connector> connector;
        ConnectionPtr connection;
        std::optional<Failure> failure;
    };
    void ask(Customer& customer) {
        customer.connector = std::make_unique<upstream::Connector>(
            reactor, upstream::Connector::Providers{provider}, upstream::Borrower{.label = "test"},
            [&customer] {
                if (!customer.connector || customer.connection) return;
                auto outcome = customer.connector->poll();
                if (!outcome) return;
                if (*outcome) {
                    customer.connection = std::move(**outcome);
                    customer.connection->set_notify(nullptr);
                } else {
                    customer.failure = outcome->error();
                }
            });
        reactor.run_until_idle();
    }
    ConnectionPtr get() {
        Customer customer;
        ask(customer);
        REQUIRE(customer.connection != nullptr);
        return std::move(customer.connection);
    }
    void give(ConnectionPtr connection) {
        pool().give(std::move(connection));
        reactor.run_until_idle();
    }
    // What the connection is asked now is answered.
    void settle(upstream::Connection& connection) {
        connection.flush();
        reactor.run_until_idle();
        while (!std::holds_alternative<smtp::client_event::NeedInput>(connection.next())) {
        }
    }
};

void envelope(upstream::Connection& connection) {
    connection.client().mail(path("<a@example.com>", smtp::PathKind::reverse), {});
    connection.client().rcpt(path("<b@example.com>"), {});
}

}  // namespace

TEST_CASE("pool: what is given back is lent again, the last one first") {
    Store store;
    ConnectionPtr one = store.get();
    ConnectionPtr two = store.get();
    CHECK_FALSE(one->reused());
    upstream::Connection* const last = two.get();
    store.give(std::move(one));
    store.give(std::move(two));
    CHECK(store.pool().idle() == 2);
    CHECK(store.provider->slots.in_use() == 2);
    const ConnectionPtr again = store.get();
    CHECK(again.get() == last);
    CHECK(again->reused());
    CHECK(again->timings().connect == 0ms);
    CHECK(store.upstream.connections() == 2);
}

TEST_CASE("pool: two are kept for the idle timeout, the others for a moment") {
    Store store;
    std::vector<ConnectionPtr> all;
    for (int i = 0; i < 4; ++i) all.push_back(store.get());
    for (ConnectionPtr& one : all) store.give(std::move(one));
    CHECK(store.pool().idle() == 4);
    store.reactor.advance(limits::surplus_connection - 1ms);
    CHECK(store.pool().idle() == 4);
    store.reactor.advance(1ms);
    CHECK(store.pool().idle() == 2);
    store.reactor.advance(30s - limits::surplus_connection - 1ms);
    CHECK(store.pool().idle() == 2);
    store.reactor.advance(1ms);
    CHECK(store.pool().idle() == 0);
    for (std::size_t i = 0; i < 4; ++i) CHECK(store.upstream[i].commands.back() == "QUIT");
    CHECK(store.provider->slots.in_use() == 0);
    CHECK(store.reactor.armed() == 0);
}

TEST_CASE("pool: an upstream that closes idle connections teaches its limit") {
    Store store;
    const auto close_after = [&](Duration idle, EndOfInput how) {
        store.give(store.get());
        store.reactor.advance(idle);
        if (store.pool().idle() == 0) return false;
        store.upstream.last().wire->end(how);
        store.reactor.run_until_idle();
        CHECK(store.pool().idle() == 0);
        return true;
    };
    // At once: that was something else.
    CHECK(close_after(1s, EndOfInput::clean));
    CHECK(store.pool().idle_limit() == 30s);
    CHECK(close_after(20s, EndOfInput::failed));
    CHECK(store.pool().idle_limit() == 15s);
    CHECK_FALSE(close_after(15s, EndOfInput::clean));
    CHECK(store.upstream.last().commands.back() == "QUIT");
    CHECK(close_after(8s, EndOfInput::truncated));
    CHECK(store.pool().idle_limit() == 6s);
}

TEST_CASE("pool: what is not clean is never lent") {
    Store store;
    ConnectionPtr connection = store.get();
    SUBCASE("said something unasked, before") {
        store.upstream.last().wire->feed("250 2.0.0 what?\r\n");
        store.give(std::move(connection));
    }
    SUBCASE("said something unasked, after") {
        store.give(std::move(connection));
        store.upstream.last().wire->feed("250 2.0.0 what?\r\n");
    }
    SUBCASE("half a line") {
        store.give(std::move(connection));
        store.upstream.last().wire->feed("421 ");
        store.upstream.last().wire->end(EndOfInput::clean);
    }
    SUBCASE("421") {
        store.give(std::move(connection));
        store.upstream.last().wire->feed("421 4.4.2 idle\r\n");
    }
    SUBCASE("in a transaction") {
        envelope(*connection);
        store.settle(*connection);
        store.give(std::move(connection));
        CHECK(store.upstream.last().wire->fate() == Fate::aborted);
    }
    SUBCASE("in a body") {
        envelope(*connection);
        connection->client().data();
        store.settle(*connection);
        connection->client().body("half\r\n");
        store.give(std::move(connection));
        CHECK(store.upstream.last().messages.empty());
    }
    SUBCASE("with DATA unanswered") {
        store.upstream.deviations = {{.step = Step::data, .then = Then::stall}};
        envelope(*connection);
        connection->client().data();
        store.give(std::move(connection));
    }
    SUBCASE("RSET is refused") {
        store.upstream.deviations = {{.step = Step::rset, .say = "500 what?\r\n"}};
        envelope(*connection);
        connection->client().reset();
        store.give(std::move(connection));
    }
    SUBCASE("old") {
        store.reactor.advance(limits::connection_age);
        store.give(std::move(connection));
        CHECK(store.upstream.last().commands.back() == "QUIT");
    }
    SUBCASE("used often enough") {
        store.provider->max_transactions = 1;
        envelope(*connection);
        store.settle(*connection);
        connection->client().reset();
        store.settle(*connection);
        store.give(std::move(connection));
        CHECK(store.upstream.last().commands.back() == "QUIT");
    }
    store.reactor.run_until_idle();
    CHECK(store.pool().idle() == 0);
    CHECK(store.provider->slots.in_use() == 0);
    const ConnectionPtr fresh = store.get();
    CHECK_FALSE(fresh->reused());
}

TEST_CASE("pool: given back with replies to come it is lent when they have") {
    Store store(1);
    ConnectionPtr connection = store.get();
    envelope(*connection);
    connection->client().reset();
    Store::Customer next;
    SUBCASE("they come") {
        store.pool().give(std::move(connection));
        CHECK(store.pool().idle() == 0);
        store.ask(next);
        REQUIRE(next.connection != nullptr);
        CHECK(next.connection->reused());
        CHECK(next.connection->client().idle());
        CHECK(store.upstream.connections() == 1);
    }
    SUBCASE("they do not: nobody waits longer than for a reply that is late") {
        store.upstream.deviations = {{.step = Step::mail, .then = Then::stall}};
        store.pool().give(std::move(connection));
        store.ask(next);
        store.reactor.advance(limits::stale_reply - 1ms);
        CHECK(next.connection == nullptr);
        store.reactor.advance(1ms);
        REQUIRE(next.connection != nullptr);
        CHECK_FALSE(next.connection->reused());
        CHECK(store.upstream.connections() == 2);
    }
}

TEST_CASE("pool: who waits gets what is given back, in order") {
    Store store(1);
    ConnectionPtr connection = store.get();
    Store::Customer customers[3];
    for (auto& customer : customers) store.ask(customer);
    CHECK(store.provider->slots.waiting() == 3);
    // One that goes away waits no more.
    customers[1].connector.reset();
    store.give(std::move(connection));
    REQUIRE(customers[0].connection != nullptr);
    CHECK(customers[2].connection == nullptr);
    CHECK(store.provider->slots.waiting() == 1);
    SUBCASE("given back") { store.give(std::move(customers[0].connection)); }
    SUBCASE("closed") {
        customers[0].connection->close();
        customers[0].connection.reset();
        store.reactor.run_until_idle();
    }
    REQUIRE(customers[2].connection != nullptr);
    CHECK(store.provider->slots.in_use() == 1);
}

TEST_CASE("pool: a connection that nobody fetched goes to the next") {
    Store store(1);
    ConnectionPtr connection = store.get();
    auto first = store.pool().claim([] {});
    auto second = store.pool().claim([] {});
    store.give(std::move(connection));
    CHECK(first->ready());
    first.reset();
    CHECK(second->ready());
    second.reset();
    CHECK(store.pool().idle() == 1);
}

TEST_CASE("pool: a reused connection has less time for its first reply") {
    Store store;
    store.give(store.get());
    const ConnectionPtr connection = store.get();
    store.upstream.last().wire->set_window(0);
    connection->client().reset();
    envelope(*connection);
    CHECK(describe(connection->next()) == "need input");
    store.reactor.advance(limits::stale_reply - 1ms);
    CHECK(describe(connection->next()) == "need input");
    store.reactor.advance(1ms);
    CHECK(describe(connection->next()) ==
          "failed timeout: timed out after 5 s waiting for the reply to RSET");
}

TEST_CASE("pool: closed it keeps nothing, and those who wait get their slots") {
    Store store(1);
    ConnectionPtr connection = store.get();
    Store::Customer next;
    store.ask(next);
    store.pool().close();
    store.give(std::move(connection));
    CHECK(store.pool().idle() == 0);
    REQUIRE(next.connection != nullptr);
    CHECK_FALSE(next.connection->reused());
}

TEST_CASE("pool: as many are opened ahead as devices are there, but no more than are kept") {
    Store store;
    upstream::Keeper keeper(store.reactor, {store.provider});
    upstream::Prober prober(store.reactor, {store.provider});
    store.reactor.run_until_idle();
    CHECK(store.pool().idle() == 1);  // at the start
    std::vector<std::unique_ptr<upstream::Pool::Expectation>> devices;
    const auto come = [&] {
        devices.push_back(store.pool().expect());
        store.reactor.run_until_idle();
    };
    come();
    CHECK(store.pool().idle() == 1);
    come();
    CHECK(store.pool().idle() == 2);
    come();
    CHECK(store.pool().idle() == 2);
    CHECK(store.upstream.connections() == 2);
    CHECK(store.log.count("upstream_ready") == 2);
    // Nobody comes: they are closed, and stay so.
    devices.clear();
    store.reactor.advance(1h);
    CHECK(store.pool().idle() == 0);
    CHECK(store.upstream.connections() == 2);
    SUBCASE("the next device finds one again") {
        come();
        CHECK(store.pool().idle() == 1);
    }
    SUBCASE("not from an upstream that is down") {
        (void)store.provider->breaker.lost({FailureKind::lost, "x"}, store.reactor.now());
        devices.push_back(store.pool().expect());
        store.reactor.run_until_idle();
        CHECK(store.upstream.connections() == 2);
    }
    SUBCASE("not where all slots are taken") {
        std::vector<std::unique_ptr<upstream::Slots::Request>> others;
        for (int i = 0; i < 10; ++i) others.push_back(store.provider->slots.request(nullptr));
        come();
        CHECK(store.upstream.connections() == 2);
    }
}

TEST_CASE("pool: who comes while one is opened ahead waits for it, and only one does") {
    Store store;
    static_cast<FakeDialer&>(*store.provider->dialer).otherwise.after = 1s;
    upstream::Prober prober(store.reactor, {store.provider});
    Store::Customer first;
    Store::Customer second;
    store.ask(first);
    store.ask(second);
    store.reactor.advance(1s);
    REQUIRE(first.connection != nullptr);
    CHECK(first.connection->reused());
    REQUIRE(second.connection != nullptr);
    CHECK_FALSE(second.connection->reused());
    CHECK(store.upstream.connections() == 2);
}

TEST_CASE("pool: when what is opened ahead fails, who waited for it tries for itself") {
    Store store;
    static_cast<FakeDialer&>(*store.provider->dialer).plans = {
        {.failure = Failure{FailureKind::connect, "refused"}, .after = 1s}};
    upstream::Prober prober(store.reactor, {store.provider});
    Store::Customer customer;
    store.ask(customer);
    CHECK(customer.connection == nullptr);
    store.reactor.advance(1s);
    CHECK(customer.connection != nullptr);
}

TEST_CASE("pool: a slot whose turn came too late is told to nobody") {
    Store store(1);
    ConnectionPtr connection = store.get();
    Store::Customer customer;
    store.ask(customer);
    // Granted, and its notification is on the way, when the customer looks for another reason.
    connection->close();
    connection.reset();
    REQUIRE(customer.connector != nullptr);
    (void)customer.connector->poll();
    store.reactor.run_until_idle();
    REQUIRE(customer.connection != nullptr);
    CHECK(store.provider->slots.in_use() == 1);
}

TEST_CASE(
    "pool: of two who wait the second is not forgotten when what comes back serves the first") {
    Store store(1);
    ConnectionPtr connection = store.get();
    Store::Customer first;
    store.ask(first);  // waits for a slot
    envelope(*connection);
    connection->client().reset();
    store.pool().give(std::move(connection));
    Store::Customer second;
    second.connector = std::make_unique<upstream::Connector>(
        store.reactor, upstream::Connector::Providers{store.provider},
        upstream::Borrower{.label = "test"}, [&second] {
            if (!second.connector || second.connection) return;
            auto outcome = second.connector->poll();
            if (outcome && *outcome) second.connection = std::move(**outcome);
        });
    store.reactor.run_until_idle();
    REQUIRE(first.connection != nullptr);
    // Broken off in its body.
    first.connection->close();
    first.connection.reset();
    store.reactor.run_until_idle();
    CHECK(second.connection != nullptr);
}
