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
    Fingerprinter all;
    all.add_part(client_.address);
    all.add_part(record_.user);
    all.add_part(transaction_->mail.reverse_path.text());
    std::size_t accepted = 0;
    for (const Recipient& one : transaction_->recipients)
        if (one.state == Recipient::State::accepted) ++accepted;
    all.add_part(std::to_string(accepted));
    for (const Recipient& one : transaction_->recipients)
        if (one.state == Recipient::State::accepted) all.add_part(one.command.forward_path.text());
    return all;
}

// The same message as one that was accepted is not sent again; one whose first offer is still
// being decided waits for that. True: it is not to be sent now.
bool Session::answered_before() {
    const auto found = services_.lost_replies.look_up(*transaction_->fingerprint, reactor_.now());
    if (std::holds_alternative<LostReplies::Pending>(found)) {
        transaction_->stage = Stage::held;
        look_in(limits::delivery_look);
        return true;
    }
    const auto* const accepted = std::get_if<LostReplies::Accepted>(&found);
    if (accepted == nullptr) return false;
    drop_connection();
    log::info("lost_reply_repeated",
              {{"session", record_.id}, {"client", record_.client}, {"reply", accepted->reply}});
    const smtp::Reply reply = smtp::make_reply(
        250, {2, 0, 0}, "Accepted before, but its reply was lost: " + accepted->reply);
    transaction_->record.repeated = true;
    note_time(&TransactionRecord::reply_wait);
    watch_delivery(reply, accepted->reply);
    end_transaction("accepted", reply);
    server_.reply(reply);
    return true;
}

// The device, while the upstream's answer is awaited.
void Session::note_gone() {
    if (!transaction_ || transaction_->stage != Stage::outcome ||
        channel_->end() == EndOfInput::none)
        return;
    if (!gone_) gone_ = reactor_.now();
    if (transaction_->fingerprint && !transaction_->pending)
        transaction_->pending =
            std::make_unique<PendingReply>(services_.lost_replies, *transaction_->fingerprint);
}

// `said` is the upstream's own reply.
void Session::watch_delivery(const smtp::Reply& reply, std::string said) {
    undelivered_ = std::make_unique<Undelivered>();
    undelivered_->reply = std::move(said);
    undelivered_->heard = heard_;
    undelivered_->waited = transaction_->record.reply_wait;
    undelivered_->pending = std::move(transaction_->pending);
    if (undelivered_->reply.size() > limits::written_reply_line)
        undelivered_->reply.resize(limits::written_reply_line);
    if (reply.positive()) undelivered_->message = transaction_->fingerprint;
    if (channel_->broken()) {  // nothing is written to it any more
        lost();
        return undelivered_.reset();
    }
    look_in(limits::delivery_look);
}

void Session::look_in(Duration delay) {
    if (!look_) look_ = reactor_.alarm([this] { look_again(); });
    look_->arm(delay);
}

void Session::look_again() {
    if (transaction_ && transaction_->stage == Stage::held) {
        message_complete();
    } else if (undelivered_ && !judge_delivery()) {
        const bool early = ++undelivered_->looks < limits::delivery_looks;
        if (!early) lost();
        if (early || !server_.finished()) {
            look_in(early ? limits::delivery_look : later_look);
        } else {
            undelivered_.reset();
        }
    }
    pump();
}

// True when it is known, one way or the other.
bool Session::judge_delivery() {
    if (!undelivered_) return true;
    const bool heard = heard_ != undelivered_->heard;
    const Delivery state = channel_->delivery();
    const bool arrived = heard || (state == Delivery::arrived && server_.output().empty());
    if (!arrived && state != Delivery::failed) return false;
    if (!arrived) lost();
    if (arrived && undelivered_->told && undelivered_->message)
        services_.lost_replies.forget(*undelivered_->message);
    undelivered_.reset();
    if (look_) look_->disarm();
    return true;
}

// The reply has not arrived, and most likely will not.
void Session::lost() {
    if (std::exchange(undelivered_->told, true)) return;
    log::Fields told{{"session", record_.id},
                     {"client", record_.client},
                     {"reply", undelivered_->reply},
                     {"reply_ms", undelivered_->waited.count()}};
    if (gone_) told.emplace_back("hint", "the device waits for less long than the upstream takes");
    log::warn("client_gone_after_eod", told);
    if (!undelivered_->message) return;
    services_.lost_replies.remember(*undelivered_->message, undelivered_->reply,
                                    reactor_.now() + settings_->messages.lost_reply_memory);
    if (undelivered_->pending) undelivered_->pending->hand_over();
}

}  // namespace waxseal::relay
