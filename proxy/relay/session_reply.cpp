// Whether the reply to a message has arrived, and what it means when not: a device that has given
// up too early offers the same message again, and is told of the first (lost_replies.hpp).
//
// A reply has arrived when the device has said something after it, or when its system has
// acknowledged it; a system whose program has closed the connection answers with RST instead. So a
// device that has only ended its own half, and reads, is not taken for gone.
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

using Stage = Transaction::Stage;

namespace {
// After the first looks: a reply that arrives late is not to be remembered.
constexpr Duration later_look = std::chrono::seconds(1);
}  // namespace

// Of the device and the envelope, to go on with the body. Nothing where no reply is remembered.
std::optional<Fingerprinter> Session::fingerprinter() const {
    if (settings_->messages.lost_reply_memory == Duration{}) return std::nullopt;
    // Parameters as the device has said them.
    smtp::Capabilities everything;
    everything.extensions = ~everything.extensions;
    smtp::MailParameters parameters = transaction_->mail.parameters;
    parameters.size.reset();
    Fingerprinter all;
    all.add_part(record_.listener);
    all.add_part(client_.address);
    all.add_part(record_.user);
    all.add_part(transaction_->mail.reverse_path.text() + smtp::write(parameters, everything));
    std::size_t accepted = 0;
    for (const Recipient& one : transaction_->recipients)
        if (one.state == Recipient::State::accepted) ++accepted;
    all.add_part(std::to_string(accepted));
    for (const Recipient& one : transaction_->recipients)
        if (one.state == Recipient::State::accepted)
            all.add_part(one.command.forward_path.text() +
                         smtp::write(one.command.parameters, everything));
    return all;
}

// The same message as one that was accepted is not sent again; one whose first offer is still
// being decided waits for that. True: it is not to be sent now.
bool Session::answered_before() {
    LostReplies& known = services_.lost_replies;
    const Fingerprint& message = *transaction_->fingerprint;
    (void)judge_delivery();  // of what this connection was told
    // Several may have waited for the same decision, and their devices be gone, too: one goes on.
    const bool contended =
        transaction_->stage == Stage::held || channel_->end() != EndOfInput::none;
    const TimePoint offered = transaction_->complete_at;
    const auto found = contended ? known.claim(message, offered, reactor_.now())
                                 : known.look_up(message, offered, reactor_.now());
    if (std::holds_alternative<LostReplies::Pending>(found)) {
        transaction_->stage = Stage::held;
        look_in(limits::delivery_look);
        return true;
    }
    if (contended && std::holds_alternative<LostReplies::Nothing>(found))
        transaction_->pending = std::make_unique<PendingReply>(known, message);
    const auto* const accepted = std::get_if<LostReplies::Accepted>(&found);
    if (accepted == nullptr) return false;
    repeat(accepted->reply);
    return true;
}

void Session::repeat(const std::string& said) {
    drop_connection();
    log::info("lost_reply_repeated",
              {{"session", record_.id}, {"client", record_.client}, {"reply", said}});
    const smtp::Reply reply =
        smtp::make_reply(250, {2, 0, 0}, "Accepted before, but its reply was lost: " + said);
    transaction_->record.repeated = true;
    note_time(&TransactionRecord::reply_wait);
    watch_delivery(reply, said);
    end_transaction("accepted", reply);
    server_.reply(reply);
}

// The device, while it is owed the answer to a message. One that is held waits for another's.
void Session::note_gone() {
    if (!transaction_ || !transaction_->complete() || channel_->end() == EndOfInput::none) return;
    if (!gone_) gone_ = reactor_.now();
    if (!transaction_->fingerprint || transaction_->pending || transaction_->stage == Stage::held)
        return;
    services_.lost_replies.pend(*transaction_->fingerprint);
    transaction_->pending =
        std::make_unique<PendingReply>(services_.lost_replies, *transaction_->fingerprint);
}

// `said` is the upstream's own reply.
void Session::watch_delivery(const smtp::Reply& reply, std::string said) {
    if (said.size() > limits::written_reply_line) said.resize(limits::written_reply_line);
    Undelivered watched{.reply = std::move(said),
                        .waited = transaction_->record.reply_wait,
                        .heard = heard_,
                        .repeated = transaction_->record.repeated};
    if (reply.positive()) {
        watched.message = transaction_->fingerprint;
        watched.pending = std::move(transaction_->pending);
    }
    if (channel_->broken()) return lost(watched);  // nothing is written to it any more
    if (undelivered_.size() == limits::undelivered_replies) {
        arrived(undelivered_.front());
        undelivered_.erase(undelivered_.begin());
    }
    undelivered_.push_back(std::move(watched));
    look_in(limits::delivery_look);
}

void Session::look_in(Duration delay) {
    if (!look_) look_ = reactor_.alarm([this] { look_again(); });
    look_->arm(delay);
}

void Session::look_again() {
    Duration next = later_look;
    if (!judge_delivery()) {
        for (Undelivered& one : undelivered_) {
            if (++one.looks < limits::delivery_looks) {
                next = limits::delivery_look;
            } else {
                lost(one);
            }
        }
        // With all of them told there is nothing to wait for.
        if (server_.finished() && next == later_look) undelivered_.clear();
        if (!undelivered_.empty()) look_in(next);
    }
    if (transaction_ && transaction_->stage == Stage::held) message_complete();
    pump();
}

// True when it is known of all, one way or the other.
bool Session::judge_delivery() {
    if (undelivered_.empty()) return true;
    // The usual case: the device has said something since, and its system need not be asked.
    std::erase_if(undelivered_, [this](const Undelivered& one) {
        const bool answered = heard_ != one.heard;
        if (answered) arrived(one);
        return answered;
    });
    if (!undelivered_.empty()) {
        const Delivery state = channel_->delivery();
        const bool all = state == Delivery::arrived && server_.output().empty();
        if (!all && state != Delivery::failed) return false;
        for (Undelivered& one : undelivered_) all ? arrived(one) : lost(one);
        undelivered_.clear();
    }
    const bool held = transaction_ && transaction_->stage == Stage::held;
    if (look_ && !held) look_->disarm();
    return true;
}

// Whoever offers the message again means another one.
void Session::arrived(const Undelivered& reply) {
    if (!reply.message) return;
    if (reply.told) {
        services_.lost_replies.forget(*reply.message);
    } else if (reply.repeated) {
        services_.lost_replies.told(*reply.message, true);
    }
}

// It has not arrived, and most likely will not.
void Session::lost(Undelivered& reply) {
    if (std::exchange(reply.told, true)) return;
    log::Fields told{{"session", record_.id},
                     {"client", record_.client},
                     {"reply", reply.reply},
                     {"reply_ms", reply.waited.count()}};
    if (gone_) told.emplace_back("hint", "the device waits for less long than the upstream takes");
    log::warn("client_gone_after_eod", told);
    if (!reply.message) return;
    if (reply.repeated) return services_.lost_replies.told(*reply.message, false);
    services_.lost_replies.remember(*reply.message, reply.reply,
                                    reactor_.now() + settings_->messages.lost_reply_memory);
    reply.pending.reset();
}

}  // namespace waxseal::relay
