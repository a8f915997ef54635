// What the owner of the server machine answers, and what that does to it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "smtp/server.hpp"

namespace waxseal::smtp {

namespace {

// "AUTH PLAIN LOGIN" once more, as drafts of RFC 2554 had it: "AUTH=PLAIN LOGIN".
void add_legacy_auth(Reply& reply) {
    const auto line = std::ranges::find_if(
        reply.lines, [](const std::string& one) { return one.starts_with("AUTH "); });
    if (line == reply.lines.end()) return;
    std::string legacy = *line;
    legacy[4] = '=';
    reply.lines.insert(std::next(line), std::move(legacy));
}

}  // namespace

void Server::hello(const Capabilities& offer) {
    if (phase_ == Phase::finished) return;
    assert(owed_ == Owed::hello || owed_ == Owed::helo);
    if (std::exchange(owed_, Owed::nothing) == Owed::hello) {
        Reply reply = write_ehlo(settings_.hostname, with_own_security(offer));
        if (settings_.legacy_auth) add_legacy_auth(reply);
        say(reply);
        if (offer.size_limit != 0) offered_size_ = std::min(offered_size_, offer.size_limit);
    } else {
        say(make_reply(250, settings_.hostname));
    }
    enter(Phase::ready);
}

void Server::reply(const Reply& reply) {
    if (phase_ == Phase::finished) return;
    switch (std::exchange(owed_, Owed::nothing)) {
        case Owed::mail:
            return after_mail(reply);
        case Owed::rcpt:
            return after_rcpt(reply);
        case Owed::data:
            return after_data(reply);
        case Owed::message:
            say(reply);
            junk_ = 0;
            transaction_.reset();
            return enter(Phase::ready);
        case Owed::auth:
            return after_auth(reply);
        case Owed::nothing:
        case Owed::hello:
        case Owed::helo:
            break;
    }
    assert(!"reply() without a command that is owed one");
}

void Server::after_mail(const Reply& reply) {
    answer(reply);
    if (reply.positive()) return enter(Phase::mail);
    if (!reply.transient()) {
        transaction_.reset();
        return enter(Phase::ready);
    }
    transaction_->doom = reply;
    enter(Phase::doomed);
}

void Server::after_rcpt(const Reply& reply) {
    auto& unanswered = transaction_->unanswered;
    unanswered.erase(unanswered.begin());
    give(reply);
    if (reply.positive()) {
        ++transaction_->recipients;
        if (phase_ == Phase::mail) enter(Phase::rcpt);
    } else {
        ++transaction_->refused;
    }
    while (!unanswered.empty() && unanswered.front()) {
        give(*unanswered.front());
        unanswered.erase(unanswered.begin());
    }
    if (!unanswered.empty()) owed_ = Owed::rcpt;
}

void Server::after_data(const Reply& reply) {
    if (!input_.empty() && tolerant()) {
        repairs_.add(Repair::pipelined);
        if (!reply.intermediate()) {
            answer(reply);
            end();
            violation_ = violation::message_behind_refusal;
            return;
        }
    } else if (!input_.empty()) {
        // What has arrived would be content after a 354 and commands after a refusal: never guess.
        shut_down(make_reply(
            554, {5, 5, 0}, "Protocol synchronization error: wait for the reply to DATA; closing"));
        violation_ = "data sent before the reply to DATA";
        return;
    }
    answer(reply);
    data_refused_ = !reply.intermediate();
    if (reply.intermediate()) {
        body_.emplace(ServerBody{DataDecoder(settings_.line_endings)});
        return enter(Phase::body);
    }
    if (reply.transient()) {
        transaction_->doom = reply;
        return enter(Phase::doomed);
    }
    transaction_.reset();
    enter(Phase::ready);
}

// A reply that answers a command, in its turn.
void Server::answer(const Reply& reply) {
    if (owed_ == Owed::rcpt) {
        transaction_->unanswered.emplace_back(reply);
    } else {
        give(reply);
    }
}

// Those for good count towards max_errors.
void Server::give(const Reply& reply) {
    if (reply.permanent()) ++errors_;
    if (reply.permanent() || reply.transient())
        last_refusal_ = summary(reply).substr(0, limits::written_reply_line);
    say(reply);
}

void Server::say(const Reply& reply) { output_.append(write(reply)); }

}  // namespace waxseal::smtp
