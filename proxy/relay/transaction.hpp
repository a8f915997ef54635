// The transaction under way in a session: its envelope, kept whole until the body has begun, so
// that it can be said again on another connection; how far it has come; what it will be told.
//
// MAIL is answered at once and travels with the first RCPT; DATA is answered at once when a
// recipient stands. So the downstream may be ahead of the upstream by one step, and what it was
// told is remembered here.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/reactor.hpp"
#include "relay/record.hpp"
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
};

struct Transaction {
    enum class Stage : std::uint8_t {
        envelope,
        // DATA was answered; the upstream has not said yet that it takes the body.
        go_ahead,
        body,
        outcome,  // the end of data has been sent
    };
    Transaction(smtp::server_event::Mail told, TimePoint now) : mail(std::move(told)), since(now) {
        record.reverse_path = mail.reverse_path.text();
    }

    TransactionRecord record;
    Stage stage = Stage::envelope;
    smtp::server_event::Mail mail;
    std::vector<Recipient> recipients;
    // Of those: whose reply from the upstream is next; all: none is missing. None: the envelope is
    // not with an upstream.
    std::optional<std::size_t> next_reply;
    std::optional<smtp::Reply> verdict;  // known before the body's end: what it will get there
    TimePoint since;                     // the phase under way
    bool body_begun = false;             // part of it may be with the upstream

    // The envelope is said, or said again: refused recipients are left out.
    void begin_replies() {
        next_reply = 0;
        skip_refused();
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
