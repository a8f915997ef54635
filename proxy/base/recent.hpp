// A table of bounded size, of what was heard from lately: the entry that was not touched for
// longest goes first, when it is too old or when there is no room. For keeping count of clients
// that nobody has to log out.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

#include "base/reactor.hpp"

namespace waxseal {

template <typename Key, typename Value>
class Recent {
  public:
    explicit Recent(std::size_t capacity) : capacity_(capacity) {}

    // The entry for `key`, made if there is none, and now the latest. Lives until the next call.
    Value& touch(const Key& key, TimePoint now) {
        const auto known = index_.find(key);
        if (known != index_.end()) {
            entries_.splice(entries_.end(), entries_, known->second);
            known->second->touched = now;
            return known->second->value;
        }
        if (entries_.size() >= capacity_) drop_oldest();
        entries_.push_back({key, Value{}, now});
        index_.emplace(key, std::prev(entries_.end()));
        return entries_.back().value;
    }
    // Drops what was last touched before `limit`.
    void forget(TimePoint limit) {
        while (!entries_.empty() && entries_.front().touched < limit) drop_oldest();
    }
    [[nodiscard]] bool knows(const Key& key) const { return index_.contains(key); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  private:
    struct Entry {
        Key key;
        Value value;
        TimePoint touched;
    };
    void drop_oldest() {
        if (entries_.empty()) return;
        index_.erase(entries_.front().key);
        entries_.pop_front();
    }

    std::size_t capacity_;
    std::list<Entry> entries_;
    std::map<Key, typename std::list<Entry>::iterator> index_;
};

}  // namespace waxseal
