#include "tls/sessions.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace waxseal::tls {

namespace {

// A clock that was set back counts as too late: nobody knows how much time has passed.
bool within(Time since, std::chrono::seconds span, Time now) {
    return now >= since && now - since < span;
}

}  // namespace

bool Proof::holds(Time now) const noexcept {
    return within(verified_at, limits::tls_session_age, now) && now >= valid_from &&
           now <= valid_to;
}

Sessions::Place& Sessions::at(const std::string& place) {
    if (!places_.contains(place) && places_.size() >= limits::tls_session_places) make_room();
    Place& found = places_[place];
    found.used = ++clock_;
    return found;
}

void Sessions::make_room() {
    const auto oldest =
        std::ranges::min_element(places_, {}, [](const auto& entry) { return entry.second.used; });
    places_.erase(oldest);
}

void Sessions::keep(const std::string& place, KeptSession session, Time now) {
    if (session.octets.reveal().size() > limits::tls_session_octets || now >= session.until ||
        !session.proof.holds(now))
        return;
    const std::lock_guard lock(mutex_);
    Place& found = at(place);
    if (found.shunned && within(*found.shunned, limits::tls_session_shunned, now)) return;
    found.shunned.reset();
    // One of TLS 1.2 does for all connections, and the newest is the one to use.
    const bool single = session.version == ProtocolVersion::tls12;
    std::erase_if(found.sessions, [&](const KeptSession& other) {
        return single || other.version != session.version;
    });
    if (found.sessions.size() >= limits::tls_sessions_of_place)
        found.sessions.erase(found.sessions.begin());
    found.sessions.push_back(std::move(session));
}

std::optional<KeptSession> Sessions::take(const std::string& place, Time now) {
    const std::lock_guard lock(mutex_);
    const auto known = places_.find(place);
    if (known == places_.end()) return std::nullopt;
    known->second.used = ++clock_;
    auto& sessions = known->second.sessions;
    std::erase_if(sessions, [&](const KeptSession& session) {
        return now >= session.until || !session.proof.holds(now);
    });
    if (sessions.empty()) return std::nullopt;
    KeptSession& newest = sessions.back();
    if (sessions.size() == 1)
        return KeptSession{newest.octets.clone(), newest.version, newest.proof, newest.until};
    std::optional<KeptSession> taken(std::move(newest));
    sessions.pop_back();
    return taken;
}

void Sessions::forget(const std::string& place) {
    const std::lock_guard lock(mutex_);
    if (const auto known = places_.find(place); known != places_.end())
        known->second.sessions.clear();
}

void Sessions::shun(const std::string& place, Time now) {
    const std::lock_guard lock(mutex_);
    Place& found = at(place);
    found.sessions.clear();
    found.shunned = now;
}

std::size_t Sessions::size() const {
    const std::lock_guard lock(mutex_);
    std::size_t all = 0;
    for (const auto& [name, place] : places_) all += place.sessions.size();
    return all;
}

}  // namespace waxseal::tls
