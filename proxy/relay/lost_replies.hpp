// Messages that the upstream has accepted and whose 250 has not reached the device: one that gives
// up too early offers the same message again, and is to hear of the first, or it is
// sent twice.
//
// Remembers only what is certain. Bounded: of more replies than `capacity` the oldest is forgotten;
// of more messages whose reply is still to come, those beyond `capacity` are not recorded. Neither
// kind takes the other's place. What is forgotten costs a second copy of a message, and never a
// message. Thread-safe; one for all workers.
// Flow: look_up() each complete message before it is sent, or claim() it where somebody else may be
//   about to send the same. When a device goes before the upstream has answered, pend(). Once a 250
//   is known and has not arrived, remember() it, and then end the pend(); with any other outcome
//   only that. Accepted is to be said to the device, and followed by told().
// A device that gives up comes again, one connection after the other, and hears the reply on the
// last of them. So what was offered before the reply was first told is the same message, whether
// its device is still there or not; what is offered later waits for told(), and is another message
// when the reply has arrived.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
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
    void end_pend(const Fingerprint& message);
    // 250 was said by the upstream and has not arrived.
    void remember(const Fingerprint& message, std::string reply, TimePoint until);
    // It has arrived after all.
    void forget(const Fingerprint& message);
    // `offered`: when the message was complete.
    [[nodiscard]] Found look_up(const Fingerprint& message, TimePoint offered, TimePoint now);
    // The same, and pend() in the same step when it is Nothing.
    [[nodiscard]] Found claim(const Fingerprint& message, TimePoint offered, TimePoint now);
    // What has become of an Accepted.
    void told(const Fingerprint& message, bool arrived);
    // Messages that something is known of.
    [[nodiscard]] std::size_t size() const;

  private:
    struct Reply {
        Fingerprint message;
        std::string text;
        TimePoint until;
        std::optional<TimePoint> first_told{};
        std::size_t telling = 0;  // in so many sessions
        bool arrived = false;     // in one of them
    };
    using Replies = std::list<Reply>;
    using Index = std::map<Fingerprint, Replies::iterator>;

    void add_pend(const Fingerprint& message);
    [[nodiscard]] Found find(const Fingerprint& message, TimePoint offered, TimePoint now);
    void drop(Index::iterator known);

    std::size_t capacity_;
    mutable std::mutex mutex_;
    // The same message may be under way in several sessions of one device at once.
    std::map<Fingerprint, std::size_t> pending_;
    Replies replies_;  // the oldest first
    Index index_;
};

}  // namespace waxseal::relay
