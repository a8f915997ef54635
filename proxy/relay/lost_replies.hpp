// Messages that the upstream has accepted and whose 250 has not reached the device: one that gives
// up too early offers the same message again, and is to hear of the first, or it is
// sent twice.
//
// Remembers only what is certain. Bounded: of more replies than `capacity` the oldest is forgotten;
// of more messages whose reply is still to come, those beyond `capacity` are not recorded. Neither
// kind takes the other's place. What is forgotten costs a second copy of a message, and never a
// message. Thread-safe; one for all workers. Flow: look_up() each message before it is sent. When a
// device goes before the upstream has answered, pend(); then, or at any time when the answer is
// known and has not arrived, remember() a 250, and forget() whatever else it was. Each pend() is
// followed by one of the two, also when its session ends for another reason.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <variant>

#include "base/limits.hpp"
#include "base/reactor.hpp"
#include "relay/fingerprint.hpp"

namespace waxseal::relay {

class LostReplies {
  public:
    struct Nothing {};
    struct Pending {};
    struct Accepted {
        std::string reply;
    };
    using Found = std::variant<Nothing, Pending, Accepted>;

    explicit LostReplies(std::size_t capacity = limits::remembered_replies) : capacity_(capacity) {}

    // The device has gone; the upstream's reply is still to come.
    void pend(const Fingerprint& message);
    // 250 was said by the upstream and has not arrived. Ends a pend().
    void remember(const Fingerprint& message, std::string reply, TimePoint until);
    // Any other outcome, which ends a pend(); or the reply has arrived after all.
    void forget(const Fingerprint& message);
    // Accepted takes it out: it is told once.
    [[nodiscard]] Found look_up(const Fingerprint& message, TimePoint now);
    // Messages that something is known of.
    [[nodiscard]] std::size_t size() const;

  private:
    struct Reply {
        Fingerprint message;
        std::string text;
        TimePoint until;
    };
    using Replies = std::list<Reply>;
    using Index = std::map<Fingerprint, Replies::iterator>;

    bool end_pend(const Fingerprint& message);
    void drop(Index::iterator known);

    std::size_t capacity_;
    mutable std::mutex mutex_;
    // The same message may be under way in several sessions of one device at once.
    std::map<Fingerprint, std::size_t> pending_;
    Replies replies_;  // the oldest first
    Index index_;
};

}  // namespace waxseal::relay
