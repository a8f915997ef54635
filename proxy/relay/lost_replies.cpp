#include "relay/lost_replies.hpp"

#include <utility>

namespace waxseal::relay {

void LostReplies::pend(const Fingerprint& message) {
    const std::lock_guard lock(mutex_);
    if (const auto known = pending_.find(message); known != pending_.end()) {
        ++known->second;
    } else if (pending_.size() < capacity_) {
        pending_.emplace(message, 1);
    }
}

// Whether there was one.
bool LostReplies::end_pend(const Fingerprint& message) {
    const auto known = pending_.find(message);
    if (known == pending_.end()) return false;
    if (--known->second == 0) pending_.erase(known);
    return true;
}

void LostReplies::drop(Index::iterator known) {
    replies_.erase(known->second);
    index_.erase(known);
}

void LostReplies::remember(const Fingerprint& message, std::string reply, TimePoint until) {
    const std::lock_guard lock(mutex_);
    end_pend(message);
    if (const auto known = index_.find(message); known != index_.end()) drop(known);
    if (capacity_ == 0) return;
    if (replies_.size() == capacity_) drop(index_.find(replies_.front().message));
    replies_.push_back({message, std::move(reply), until});
    index_.emplace(message, std::prev(replies_.end()));
}

void LostReplies::forget(const Fingerprint& message) {
    const std::lock_guard lock(mutex_);
    if (end_pend(message)) return;
    if (const auto known = index_.find(message); known != index_.end()) drop(known);
}

LostReplies::Found LostReplies::look_up(const Fingerprint& message, TimePoint now) {
    const std::lock_guard lock(mutex_);
    // Those of one setting expire in their order; the few others go when it is their turn.
    while (!replies_.empty() && replies_.front().until <= now)
        drop(index_.find(replies_.front().message));
    if (const auto known = index_.find(message); known != index_.end()) {
        Reply reply = std::move(*known->second);
        drop(known);
        if (reply.until > now) return Accepted{std::move(reply.text)};
    }
    if (pending_.contains(message)) return Pending{};
    return Nothing{};
}

std::size_t LostReplies::size() const {
    const std::lock_guard lock(mutex_);
    std::size_t total = index_.size();
    for (const auto& [message, sessions] : pending_)
        if (!index_.contains(message)) ++total;
    return total;
}

}  // namespace waxseal::relay
