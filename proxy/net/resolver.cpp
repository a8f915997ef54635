// The lookup threads, the names they work on, and those who wait for them.
#include "net/resolver.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/text.hpp"

namespace waxseal::net {

namespace {

constexpr std::size_t longest_name = 253;  // RFC 1035 3.1, as text
constexpr std::size_t most_kept = 1024;    // names in the cache

Lookup answer(const Address& a) { return std::vector{a}; }

// What needs no lookup, or is not worth one.
std::optional<Lookup> immediate(const std::string& host) {
    if (const auto address = Address::parse(host, 0)) return answer(*address);
    if (host == "localhost" || host == "localhost.") {
        return std::vector{*Address::parse("::1", 0), *Address::parse("127.0.0.1", 0)};
    }
    if (host.empty() || host.size() > longest_name || host.find('\0') != std::string::npos) {
        return std::unexpected("not a host name: " + text::escape(host));
    }
    // No top-level domain is a number (RFC 3696 2), but getaddrinfo takes "0177.1" for an address.
    const std::string_view last = std::string_view(host).substr(host.rfind('.') + 1);
    if (std::ranges::all_of(last, text::digit) && !last.empty()) {
        return std::unexpected("neither a host name nor an IP address: " + text::escape(host));
    }
    return std::nullopt;
}

std::string seconds(Duration d) {
    if (d.count() % 1000 == 0) return std::to_string(d.count() / 1000) + " s";
    return std::to_string(d.count()) + " ms";
}

}  // namespace

// Belongs to the loop's thread; the pool knows it by a weak pointer that it never locks itself.
struct Resolver::Query::State {
    std::string host;
    std::function<void(const Lookup&)> on_answer;
    std::unique_ptr<Alarm> deadline;
    std::shared_ptr<Pool> pool;

    void finish(const Lookup& lookup) {
        if (!on_answer) return;
        deadline.reset();
        const auto function = std::exchange(on_answer, nullptr);
        function(lookup);
    }
};

struct Resolver::Pool : std::enable_shared_from_this<Resolver::Pool> {
    struct Waiter {
        Loop::Poster poster;
        std::weak_ptr<Query::State> query;
    };
    struct Flight {
        std::vector<Waiter> waiters;
        bool begun = false;
    };
    struct Kept {
        std::vector<Address> addresses;
        std::chrono::steady_clock::time_point until;
    };

    explicit Pool(ResolverOptions o) : options(std::move(o)) {}

    [[nodiscard]] std::optional<Lookup> cached(const std::string& host);
    [[nodiscard]] std::optional<std::string> join(const std::string& host, Waiter waiter);
    void leave(const std::string& host);
    [[nodiscard]] bool start_thread();
    void work();
    void land(const std::string& host, const Lookup& lookup);

    const ResolverOptions options;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::string> queue;  // names of flights that are not begun
    std::map<std::string, Flight> flights;
    std::map<std::string, Kept> kept;
    std::size_t threads = 0;
    std::size_t idle = 0;  // threads waiting for a name
    bool ending = false;
};

std::optional<Lookup> Resolver::Pool::cached(const std::string& host) {
    const std::lock_guard lock(mutex);
    const auto found = kept.find(host);
    if (found == kept.end()) return std::nullopt;
    if (std::chrono::steady_clock::now() < found->second.until) return found->second.addresses;
    kept.erase(found);
    return std::nullopt;
}

// Nothing, or why the question cannot be taken.
std::optional<std::string> Resolver::Pool::join(const std::string& host, Waiter waiter) {
    const std::lock_guard lock(mutex);
    const auto found = flights.find(host);
    if (found != flights.end()) {
        found->second.waiters.push_back(std::move(waiter));
        return std::nullopt;
    }
    if (queue.size() >= options.waiting)
        return "too many name lookups are waiting; not looking up " + host;
    if (idle <= queue.size() && threads < options.threads && !start_thread() && threads == 0) {
        return "cannot look up " + host + ": no thread can be started";
    }
    flights[host].waiters.push_back(std::move(waiter));
    queue.push_back(host);
    changed.notify_one();
    return std::nullopt;
}

// Somebody waits no longer. Called before his pointer dies, so "nobody" is at most himself.
void Resolver::Pool::leave(const std::string& host) {
    const std::lock_guard lock(mutex);
    const auto found = flights.find(host);
    if (found == flights.end()) return;
    std::erase_if(found->second.waiters,
                  [](const Waiter& waiter) { return waiter.query.expired(); });
    if (!found->second.waiters.empty() || found->second.begun) return;
    std::erase(queue, host);
    flights.erase(found);
}

bool Resolver::Pool::start_thread() {
    // Signals are for the loops.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
        std::thread([self = shared_from_this()] { self->work(); }).detach();
        ++threads;
    } catch (const std::system_error&) {
        started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

void Resolver::Pool::work() {
    std::unique_lock lock(mutex);
    while (true) {
        ++idle;
        changed.wait(lock, [this] { return ending || !queue.empty(); });
        --idle;
        if (ending) break;
        const std::string host = std::move(queue.front());
        queue.pop_front();
        flights[host].begun = true;
        lock.unlock();
        const Lookup lookup = options.lookup(host);
        lock.lock();
        land(host, lookup);
    }
    --threads;
    changed.notify_all();
}

void Resolver::Pool::land(const std::string& host, const Lookup& lookup) {
    if (lookup && options.keep > Duration::zero()) {
        if (kept.size() >= most_kept) kept.clear();
        kept[host] = {*lookup, std::chrono::steady_clock::now() + options.keep};
    }
    const auto flight = flights.extract(host);
    for (const Waiter& waiter : flight.mapped().waiters) {
        waiter.poster.post([query = waiter.query, lookup] {
            if (const auto state = query.lock()) state->finish(lookup);
        });
    }
}

Resolver::Resolver(ResolverOptions options) : pool_(std::make_shared<Pool>(std::move(options))) {}

Resolver::~Resolver() {
    std::unique_lock lock(pool_->mutex);
    pool_->ending = true;
    pool_->changed.notify_all();
    pool_->changed.wait(lock, [this] { return pool_->idle == 0; });
}

std::unique_ptr<Resolver::Query> Resolver::query(Loop& loop, const std::string& host,
                                                 Duration deadline,
                                                 std::function<void(const Lookup&)> on_answer) {
    auto state = std::make_shared<Query::State>();
    state->host = text::to_lower(host);
    state->on_answer = std::move(on_answer);
    auto known = immediate(state->host);
    if (!known) known = pool_->cached(state->host);
    if (!known) {
        if (auto refusal = pool_->join(state->host, {loop.poster(), state})) {
            known = std::unexpected(std::move(*refusal));
        } else {
            state->pool = pool_;
        }
    }
    const std::weak_ptr<Query::State> weak = state;
    if (known) {
        loop.defer([weak, lookup = std::move(*known)] {
            if (const auto waiting = weak.lock()) waiting->finish(lookup);
        });
    } else {
        state->deadline = loop.alarm([weak, host, deadline] {
            const auto waiting = weak.lock();
            if (waiting)
                waiting->finish(
                    std::unexpected("no answer for " + host + " within " + seconds(deadline)));
        });
        state->deadline->arm(deadline);
    }
    return std::unique_ptr<Query>(new Query(std::move(state)));
}

Resolver::Query::Query(std::shared_ptr<State> state) : state_(std::move(state)) {}

Resolver::Query::~Query() {
    const auto pool = state_->pool;
    const std::string host = state_->host;
    state_.reset();
    if (pool) pool->leave(host);
}

}  // namespace waxseal::net
