#include "relay/lost_replies.hpp"

#include <utility>

namespace waxseal::relay {

void LostReplies::add_pend(const Fingerprint& message) {
    if (const auto known = pending_.find(message); known != pending_.end()) {
        ++known->second;
    } else if (pending_.size() < capacity_) {
        pending_.emplace(message, 1);
    }
}

void LostReplies::pend(const Fingerprint& message) {
    const std::lock_guard lock(mutex_);
    add_pend(message);
}

void LostReplies::end_pend(const Fingerprint& message) {
    const std::lock_guard lock(mutex_);
    const auto known = pending_.find(message);
    if (known != pending_.end() && --known->second == 0) pending_.erase(known);
}

void LostReplies::drop(Index::iterator known) {
    replies_.erase(known->second);
    index_.erase(known);
}

void LostReplies::remember(const Fingerprint& message, std::string reply, TimePoint until) {
    const std::lock_guard lock(mutex_);
    if (const auto known = index_.find(message); known != index_.end()) drop(known);
    if (capacity_ == 0) return;
    if (replies_.size() == capacity_) drop(index_.find(replies_.front().message));
    replies_.push_back({message, std::move(reply), until});
    index_.emplace(message, std::prev(replies_.end()));
}

void LostReplies::forget(const Fingerprint& message) {
    const std::lock_guard lock(mutex_);
    if (const auto known = index_.find(message); known != index_.end()) drop(known);
}

LostReplies::Found LostReplies::find(const Fingerprint& message, TimePoint offered, TimePoint now) {
    // Those of one setting expire in their order; the few others go when it is their turn.
    while (!replies_.empty() && replies_.front().until <= now)
        drop(index_.find(replies_.front().message));
    if (const auto known = index_.find(message); known != index_.end()) {
        Reply& reply = *known->second;
        if (reply.until <= now) {
            drop(known);
        } else if (!reply.first_told || offered < *reply.first_told) {
            if (!reply.first_told) reply.first_told = now;
            ++reply.telling;
            return Accepted{reply.text};
        } else if (!reply.arrived) {
            return Pending{};
        }
    }
    if (pending_.contains(message)) return Pending{};
    return Nothing{};
}

LostReplies::Found LostReplies::look_up(const Fingerprint& message, TimePoint offered,
                                        TimePoint now) {
    const std::lock_guard lock(mutex_);
    return find(message, offered, now);
}

LostReplies::Found LostReplies::claim(const Fingerprint& message, TimePoint offered,
                                      TimePoint now) {
    const std::lock_guard lock(mutex_);
    Found found = find(message, offered, now);
    if (std::holds_alternative<Nothing>(found)) add_pend(message);
    return found;
}

void LostReplies::told(const Fingerprint& message, bool arrived) {
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(message);
    if (known == index_.end() || known->second->telling == 0) return;
    Reply& reply = *known->second;
    --reply.telling;
    reply.arrived = reply.arrived || arrived;
    if (reply.telling == 0 && !reply.arrived) reply.first_told.reset();
}

std::size_t LostReplies::size() const {
    const std::lock_guard lock(mutex_);
    std::size_t total = index_.size();
    for (const auto& [message, sessions] : pending_)
        if (!index_.contains(message)) ++total;
    return total;
}

}  // namespace waxseal::relay
