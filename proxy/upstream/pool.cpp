#include "upstream/pool.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "upstream/connection.hpp"

namespace waxseal::upstream {

namespace event = smtp::client_event;

// --- who borrows

Pool::Claim::Claim(Pool& pool, std::function<void()> notify)
    : pool_(pool.self_),
      reactor_(pool.reactor_),
      notify_(std::make_shared<std::function<void()>>(std::move(notify))) {}

Pool::Claim::~Claim() {
    *notify_ = nullptr;
    if (*pool_ == nullptr) {
        retire(reactor_, std::move(connection_));
        return;
    }
    (*pool_)->claims_.remove(this);
    if (connection_) (*pool_)->give(std::move(connection_));
}

std::unique_ptr<Connection> Pool::Claim::connection() noexcept { return std::move(connection_); }

std::unique_ptr<Slots::Request> Pool::Claim::slot() noexcept {
    if (connection_ || !slot_ || !slot_->granted()) return nullptr;
    (*pool_)->claims_.remove(this);
    return std::move(slot_);
}

void Pool::Claim::dial_yourself() {
    // Told through the reactor, when this may have got what it wanted, and be gone.
    slot_ = (*pool_)->slots_.request([notify = notify_] {
        if (const auto call = *notify) call();
    });
    if (slot_->granted()) wake();
}

void Pool::Claim::wake() {
    reactor_.defer([notify = notify_] {
        if (const auto call = *notify) call();
    });
}

Pool::Opening::~Opening() {
    if (*pool_ == nullptr) return;
    --(*pool_)->openings_;
    (*pool_)->fewer_come();
}

// --- the pool

Pool::Pool(Reactor& reactor, Slots& slots, PoolSettings settings)
    : reactor_(reactor),
      slots_(slots),
      settings_(settings),
      alarm_(reactor.alarm([this] { sweep(); })) {
    assert(settings_.idle_connections != 0);
}

Pool::~Pool() {
    *self_ = nullptr;
    for (Held& held : held_) held.connection->close();
}

std::unique_ptr<Pool::Claim> Pool::claim(std::function<void()> notify) {
    auto claim = std::make_unique<Claim>(*this, std::move(notify));
    for (auto place = held_.end(); place != held_.begin();) {
        if (!(--place)->ready) continue;
        claim->connection_ = take(place);
        return claim;
    }
    claims_.push_back(claim.get());
    // Who comes later does not overtake, and an opening serves one.
    if (coming() < waiting_for_openings()) claim->dial_yourself();
    return claim;
}

std::size_t Pool::waiting_for_openings() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(claims_.begin(), claims_.end(),
                      [](const Claim* claim) { return !claim->slot_ && !claim->connection_; }));
}

// Those that are being opened, and those that come back from a borrower.
std::size_t Pool::coming() const noexcept { return openings_ + held_.size() - idle(); }

void Pool::fewer_come() {
    std::size_t waiting = waiting_for_openings();
    const std::size_t coming = this->coming();
    for (auto claim = claims_.rbegin(); claim != claims_.rend() && waiting > coming; ++claim) {
        if ((*claim)->slot_ || (*claim)->connection_) continue;
        (*claim)->dial_yourself();
        --waiting;
    }
}

void Pool::give(std::unique_ptr<Connection> connection) {
    if (closed_ || !connection->reusable()) return dismiss(std::move(connection));
    held_.push_back({std::move(connection), reactor_.now()});
    const Place place = std::prev(held_.end());
    if (place->connection->client().idle()) return offer(place);
    place->connection->recover();
    watch(place);
    look_at(place);
}

// Nothing of the last borrower is still to come.
void Pool::offer(Place place) {
    const auto first = std::find_if(claims_.begin(), claims_.end(),
                                    [](const Claim* claim) { return !claim->connection_; });
    if (first != claims_.end()) {
        auto connection = take(place);
        slots_.ours_first() ? serve(std::move(connection)) : dismiss(std::move(connection));
        return fewer_come();  // it was one that others may have counted on
    }
    watch(place);
    place->ready = true;
    place->since = reactor_.now();
    rearm();
}

void Pool::serve(std::unique_ptr<Connection> connection) {
    const auto first = std::find_if(claims_.begin(), claims_.end(),
                                    [](const Claim* claim) { return !claim->connection_; });
    Claim& claim = **first;
    claims_.erase(first);
    claim.slot_.reset();  // its place in the queue of slots
    claim.connection_ = std::move(connection);
    claim.wake();
}

void Pool::watch(Place place) {
    place->connection->set_notify([this, place] { look_at(place); });
}

// While nobody has it a connection says nothing but the replies that are still owed.
void Pool::look_at(Place place) {
    while (true) {
        const smtp::ClientEvent told = place->connection->next();
        if (std::holds_alternative<event::NeedInput>(told)) break;
        const auto* reset = std::get_if<event::ResetReply>(&told);
        const bool fine = std::holds_alternative<event::MailReply>(told) ||
                          std::holds_alternative<event::RcptReply>(told) ||
                          (reset != nullptr && reset->reply.positive());
        if (!fine || place->connection->client().phase() != smtp::Client::Phase::open)
            return drop(place, place->ready);
    }
    if (!place->ready && place->connection->client().idle()) offer(place);
}

std::unique_ptr<Connection> Pool::take(Place place) {
    auto connection = std::move(place->connection);
    const bool offered = place->offered;
    held_.erase(place);
    connection->set_notify(nullptr);
    if (offered) connection->slot().spare(nullptr);
    connection->lend();
    return connection;
}

void Pool::dismiss(std::unique_ptr<Connection> connection) {
    connection->close();
    connection->set_notify(nullptr);
    connection->slot().spare(nullptr);
    retire(reactor_, std::move(connection));
}

void Pool::drop(Place place, bool lost) {
    if (lost) learn(reactor_.now() - place->since);
    dismiss(std::move(place->connection));
    held_.erase(place);
    fewer_come();
}

// The upstream has closed an idle connection: the next one is closed by us, in time.
void Pool::learn(Duration idle) {
    if (idle < limits::idle_limit_least || idle >= idle_limit()) return;
    learned_ = idle - idle / 4;
    log::debug("upstream_idle_limit", {{"idle_ms", learned_->count()}});
}

Duration Pool::idle_limit() const noexcept {
    return std::min(settings_.idle_timeout, learned_.value_or(settings_.idle_timeout));
}

std::size_t Pool::idle() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(held_.begin(), held_.end(), [](const Held& held) { return held.ready; }));
}

void Pool::close() {
    closed_ = true;
    open_ = nullptr;
    alarm_->disarm();
    while (!held_.empty()) drop(held_.begin(), false);
}

// --- time

// Oldest first: those beyond what is kept have a moment, the others until the limit.
void Pool::sweep() {
    next_sweep_.reset();
    const TimePoint now = reactor_.now();
    std::size_t beyond = held_.size() - std::min(held_.size(), settings_.idle_connections);
    for (Place place = held_.begin(); place != held_.end();) {
        const Place each = place++;
        const bool surplus = beyond != 0;
        if (surplus) --beyond;
        const Duration limit =
            surplus ? std::min(limits::surplus_connection, idle_limit()) : idle_limit();
        if (!each->ready) continue;
        if (now - each->since >= limit) {
            drop(each, false);
        } else if (!each->offered && now - each->since >= limits::spare_connection) {
            each->offered = true;
            each->connection->slot().spare([this, each] { drop(each, false); });
        }
    }
    rearm();
}

void Pool::rearm() {
    std::optional<TimePoint> due;
    std::size_t beyond = held_.size() - std::min(held_.size(), settings_.idle_connections);
    for (const Held& held : held_) {
        const bool surplus = beyond != 0;
        if (surplus) --beyond;
        if (!held.ready) continue;
        const Duration limit =
            surplus ? std::min(limits::surplus_connection, idle_limit()) : idle_limit();
        const TimePoint end =
            held.since + (held.offered ? limit : std::min(limit, limits::spare_connection));
        due = std::min(end, due.value_or(end));
    }
    // One that comes too early looks and goes back to sleep: cheaper than an alarm set at each
    // loan.
    if (!due || (next_sweep_ && *next_sweep_ <= *due)) return;
    next_sweep_ = due;
    const TimePoint now = reactor_.now();
    alarm_->arm(*due > now ? *due - now : Duration{});
}

// --- ahead of need

std::unique_ptr<Pool::Expectation> Pool::expect() {
    auto expectation = std::make_unique<Expectation>(*this);
    if (open_ && lacks()) open_();
    return expectation;
}

std::unique_ptr<Pool::Opening> Pool::opening() {
    ++openings_;
    return std::make_unique<Opening>(*this);
}

bool Pool::lacks() const {
    const std::size_t wanted = std::min(expected_, settings_.idle_connections);
    return !closed_ && idle() + coming() < wanted && claims_.empty() && slots_.any_free();
}

}  // namespace waxseal::upstream
