// The transaction under way in a session: its envelope, kept whole until the body has begun, so
// that it can be said again on another connection; how far it has come; what it will be told.
//
// MAIL is answered at once and travels with the first RCPT; DATA is answered at once when a
// recipient stands. So the downstream may be ahead of the upstream by one step, and what it was
// told is remembered here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/reactor.hpp"
#include "message/header_editor.hpp"
#include "relay/fingerprint.hpp"
#include "relay/lost_replies.hpp"
#include "relay/record.hpp"
#include "relay/spool.hpp"
#include "smtp/server.hpp"

namespace waxseal::relay {

struct Recipient {
    enum class State : std::uint8_t {
        unanswered,
        accepted,
        refused
    };  // as the downstream knows it
    smtp::server_event::Rcpt command;
    State state = State::unanswered;
    std::optional<smtp::Reply> refusal{};  // ours, until it is told in its turn
};

// A pend(), to be ended: others that offer the same message wait for what becomes of this one.
class PendingReply {
  public:
    PendingReply(LostReplies& replies, const Fingerprint& message)
        : replies_(replies), message_(message) {}
    ~PendingReply() { replies_.end_pend(message_); }
    PendingReply(const PendingReply&) = delete;
    PendingReply& operator=(const PendingReply&) = delete;

  private:
    LostReplies& replies_;
    Fingerprint message_;
};

struct Transaction {
    enum class Stage : std::uint8_t {
        envelope,
        // DATA was answered; the upstream has not said yet that it takes the body.
        go_ahead,
        collect,  // the body goes into the copy; the upstream is not waited for
        body,
        held,     // all of it has come; the same message of another session is about to be answered
        outcome,  // the end of data has been sent
    };
    Transaction(smtp::server_event::Mail told, TimePoint now) : mail(std::move(told)), since(now) {
        record.reverse_path = mail.reverse_path.text();
    }

    // What is said and sent upstream is begun again: on another connection.
    void start_over() {
        next_reply.reset();
        editor.reset();
        body_begun = false;
        if (copy) copy->rewind();
    }

    TransactionRecord record;
    Stage stage = Stage::envelope;
    smtp::server_event::Mail mail;
    std::vector<Recipient> recipients;
    std::size_t answered = 0;  // of those, the first so many have their answer
    // Of those: whose reply from the upstream is next; all: none is missing. None: the envelope is
    // not with an upstream.
    std::optional<std::size_t> next_reply;
    std::optional<smtp::Reply> verdict;  // known before the body's end: what it will get there
    TimePoint since;                     // the phase under way
    TimePoint complete_at{};             // all of the message was there
    bool body_begun = false;             // part of it may be with the upstream
    std::optional<message::HeaderEditor> editor;
    // All that has come of the body so far; none: it is not kept.
    std::optional<Spool> copy;
    bool whole = false;  // the copy is all of it, to be sent from there
    std::optional<Fingerprinter> fingerprinter;
    std::optional<Fingerprint> fingerprint;  // of the whole
    std::unique_ptr<PendingReply> pending;

    // The envelope is said, or said again: refused recipients are left out.
    void begin_replies() {
        next_reply = 0;
        skip_refused();
    }
    // One that is refused here, of which the upstream hears nothing.
    void add_refused(Recipient recipient) {
        recipients.push_back(std::move(recipient));
        if (next_reply) skip_refused();
    }
    // The device has said all of it, and waits for its answer.
    [[nodiscard]] bool complete() const noexcept {
        return whole || stage == Stage::held || stage == Stage::outcome;
    }
    [[nodiscard]] bool awaits_reply() const noexcept {
        return next_reply && *next_reply < recipients.size();
    }
    void reply_taken() {
        ++*next_reply;
        skip_refused();
    }

  private:
    void skip_refused() {
        while (*next_reply < recipients.size() &&
               recipients[*next_reply].state == Recipient::State::refused)
            ++*next_reply;
    }
};

}  // namespace waxseal::relay
