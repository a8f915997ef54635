// Name lookup: deadlines while the lookup blocks, single flight, bounds, the cache, and going away
// at any time.
#include "net/resolver.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "support.hpp"

namespace waxseal::net::testing {

namespace {

// A lookup function that answers when it is told to. Shared with the lookup threads, which may
// outlive the test.
struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, int> begun;
    bool open = false;

    Lookup lookup(const std::string& host) {
        std::unique_lock lock(mutex);
        ++begun[host];
        changed.notify_all();
        if (!host.starts_with("fast")) {
            changed.wait(lock, [this] { return open; });
        }
        if (host.starts_with("none")) return std::unexpected("no such host: " + host);
        return std::vector{*Address::parse("192.0.2.7", 0)};
    }
    void let_go() {
        const std::lock_guard lock(mutex);
        open = true;
        changed.notify_all();
    }
    int count(const std::string& host) {
        const std::lock_guard lock(mutex);
        return begun.contains(host) ? begun[host] : 0;
    }
};

struct Gated {
    Gated() = default;
    explicit Gated(ResolverOptions options_) : options(std::move(options_)) {}
    ~Gated() { gate->let_go(); }
    ResolverOptions with_gate() {
        options.lookup = [gate = gate](const std::string& host) { return gate->lookup(host); };
        return options;
    }
    std::shared_ptr<Gate> gate = std::make_shared<Gate>();
    ResolverOptions options;
    Loop loop;
    Resolver resolver{with_gate()};

    [[nodiscard]] std::unique_ptr<Resolver::Query> ask(const std::string& host, std::string& answer,
                                                       Duration deadline = Duration(20'000)) {
        return resolver.query(loop, host, deadline, [&answer](const Lookup& lookup) {
            answer += lookup ? lookup->front().ip_text() : lookup.error();
            answer += ';';
        });
    }
};

}  // namespace

TEST_CASE(
    "addresses and localhost need no lookup, nonsense gets none; the answer never comes from "
    "inside") {
    Gated g;
    const std::map<std::string, std::string> rows = {
        {"192.0.2.1", "192.0.2.1;"},
        {"2001:db8::1", "2001:db8::1;"},
        {"localhost", "::1;"},
        {"LocalHost.", "::1;"},
        {"", "not a host name: ;"},
        {"0177.1", "neither a host name nor an IP address: 0177.1;"},
        {"1.2.3.4.5", "neither a host name nor an IP address: 1.2.3.4.5;"},
        {std::string(254, 'a'), "not a host name: " + std::string(254, 'a') + ";"},
    };
    for (const auto& [host, expected] : rows) {
        std::string answer;
        const auto query = g.ask(host, answer);
        CHECK(answer.empty());
        REQUIRE(run_until(g.loop, [&] { return !answer.empty(); }));
        CHECK(answer == expected);
        CHECK(g.gate->count(host) == 0);
    }
}

TEST_CASE("the deadline holds while the lookup blocks, and others are not held up") {
    Gated g;
    std::string slow;
    std::string fast;
    const auto first = g.ask("slow.example", slow, Duration(30));
    const auto second = g.ask("fast.example", fast);
    REQUIRE(run_until(g.loop, [&] { return !fast.empty(); }));
    CHECK(fast == "192.0.2.7;");
    REQUIRE(run_until(g.loop, [&] { return !slow.empty(); }));
    CHECK(slow == "no answer for slow.example within 30 ms;");
    // The late answer changes nothing for who has given up, but serves the next one.
    g.gate->let_go();
    std::string again;
    const auto third = g.ask("slow.example", again);
    REQUIRE(run_until(g.loop, [&] { return !again.empty(); }));
    CHECK(again == "192.0.2.7;");
    CHECK(slow == "no answer for slow.example within 30 ms;");
    CHECK(g.gate->count("slow.example") == 1);
}

TEST_CASE("one lookup serves everyone who asks for the same name, in any case") {
    Gated g;
    std::string answer;
    std::vector<std::unique_ptr<Resolver::Query>> queries;
    for (int i = 0; i < 50; ++i)
        queries.push_back(g.ask(i % 2 == 0 ? "mail.example" : "MAIL.example", answer));
    g.gate->let_go();
    REQUIRE(run_until(g.loop, [&] { return answer.size() == 50 * 10; }));
    CHECK(g.gate->count("mail.example") == 1);
}

TEST_CASE("good answers are kept, failures are not") {
    Gated g;
    g.gate->let_go();
    for (int i = 0; i < 3; ++i) {
        std::string good;
        std::string bad;
        const auto first = g.ask("mail.example", good);
        const auto second = g.ask("none.example", bad);
        REQUIRE(run_until(g.loop, [&] { return !good.empty() && !bad.empty(); }));
        CHECK(bad == "no such host: none.example;");
    }
    CHECK(g.gate->count("mail.example") == 1);
    CHECK(g.gate->count("none.example") == 3);

    Gated forgetful(ResolverOptions{.keep = Duration(0)});
    forgetful.gate->let_go();
    for (int i = 0; i < 2; ++i) {
        std::string answer;
        const auto query = forgetful.ask("mail.example", answer);
        REQUIRE(run_until(forgetful.loop, [&] { return !answer.empty(); }));
    }
    CHECK(forgetful.gate->count("mail.example") == 2);
}

TEST_CASE("names wait in a bounded queue, and one nobody waits for any more is not looked up") {
    Gated g(ResolverOptions{.threads = 1, .waiting = 2});
    std::string answer;
    std::string other;
    const auto running = g.ask("slow.example", answer);
    REQUIRE(run_until(g.loop, [&] { return g.gate->count("slow.example") == 1; }));
    auto waiting = g.ask("abandoned.example", other);
    const auto second = g.ask("fast.example", answer);
    std::string refused;
    const auto third = g.ask("another.example", refused);
    REQUIRE(run_until(g.loop, [&] { return !refused.empty(); }));
    CHECK(refused == "too many name lookups are waiting; not looking up another.example;");
    waiting.reset();
    g.gate->let_go();
    REQUIRE(run_until(g.loop, [&] { return answer == "192.0.2.7;192.0.2.7;"; }));
    CHECK(g.gate->count("abandoned.example") == 0);
    CHECK(other.empty());
}

TEST_CASE("a query may be destroyed at any time, also by its own answer, and is silent then") {
    Gated g;
    std::string answer;
    auto before = g.ask("192.0.2.1", answer);
    before.reset();
    auto blocked = g.ask("slow.example", answer);
    blocked.reset();
    g.gate->let_go();
    settle(g.loop);
    CHECK(answer.empty());

    for (const std::string host : {"192.0.2.1", "fast.example", "fast.example"}) {
        bool told = false;
        std::unique_ptr<Resolver::Query> query;
        query = g.resolver.query(g.loop, host, Duration(20'000), [&](const Lookup& lookup) {
            query.reset();
            told = lookup.has_value();
        });
        REQUIRE(run_until(g.loop, [&] { return told; }));
    }
}

TEST_CASE("resolver, loop and queries may go while a lookup blocks") {
    const auto gate = std::make_shared<Gate>();
    {
        auto loop = std::make_unique<Loop>();
        Resolver resolver(
            {.lookup = [gate](const std::string& host) { return gate->lookup(host); }});
        auto query = resolver.query(*loop, "slow.example", Duration(20'000),
                                    [](const Lookup&) { FAIL("gone"); });
        REQUIRE(run_until(*loop, [&] { return gate->count("slow.example") == 1; }));
        query.reset();
        loop.reset();
    }
    gate->let_go();
    // The lookup thread lets go of the gate when it is done.
    while (gate.use_count() > 1) std::this_thread::yield();
}

TEST_CASE("the system's lookup knows what is in the hosts file and names what it does not find") {
    const Lookup known = system_lookup("localhost");
    REQUIRE(known.has_value());
    CHECK((known->front().ip_text() == "127.0.0.1" || known->front().ip_text() == "::1"));
    const Lookup unknown = system_lookup("no-such-host.invalid");
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().find("no-such-host.invalid") != std::string::npos);
}

}  // namespace waxseal::net::testing
