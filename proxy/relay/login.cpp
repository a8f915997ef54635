#include "relay/login.hpp"

#include <utility>

namespace waxseal::relay {

namespace {

smtp::Reply bad_credentials() {
    return smtp::make_reply(535, {5, 7, 8}, "Authentication failed: wrong name or password");
}

smtp::Reply locked_out() {
    return smtp::make_reply(454, {4, 7, 0}, "Too many failed logins; try again in some minutes");
}

smtp::Reply overloaded() {
    return smtp::make_reply(454, {4, 7, 0}, "Too many logins at once; try again");
}

}  // namespace

Login::Login(Reactor& reactor, SessionServices services, const auth::Authenticator& authenticator,
             const IpAddress& client, std::string_view mechanism, std::function<void()> notify)
    : reactor_(reactor),
      services_(services),
      client_(client),
      mechanism_(mechanism),
      exchange_(authenticator.begin(mechanism)),
      notify_(std::move(notify)) {
    if (locked()) return;
    if (!exchange_) {
        result_ = Rejected{smtp::make_reply(504, {5, 5, 4}, "This mechanism is not offered"),
                           "no such mechanism"};
    }
}

void Login::receive(std::optional<Secret> message) {
    if (exchange_) take(exchange_->step(std::move(message)));
}

Login::Result Login::poll() { return std::exchange(result_, Waiting{}); }

// Asked again and again: others of the same address may have failed since this exchange began.
bool Login::locked() {
    if (!services_.lockout.locked(client_, reactor_.now())) return false;
    result_ = Rejected{locked_out(), "locked out"};
    return true;
}

void Login::take(auth::Step step) {
    if (locked()) return;
    if (auto* challenge = std::get_if<auth::Challenge>(&step)) {
        result_ = Ask{std::move(challenge->text)};
    } else if (auto* work = std::get_if<auth::Check>(&step)) {
        check(std::move(work->work));
    } else if (auto* granted = std::get_if<auth::Granted>(&step)) {
        accept(std::move(*granted));
    } else if (auto* collected = std::get_if<auth::Collected>(&step)) {
        result_ = Collected{std::move(collected->credentials)};
    } else if (auto* malformed = std::get_if<auth::Malformed>(&step)) {
        result_ = Rejected{smtp::make_reply(501, {5, 5, 2}, malformed->reason), "malformed"};
    } else {
        penalize(bad_credentials(), "wrong name or password");
    }
}

// What the thread finds out goes through a value that both share; the worker's queue is between
// them.
void Login::check(auth::Work work) {
    auto matched = std::make_shared<bool>(false);
    job_ = services_.worker.run([work = std::move(work), matched] { *matched = work(); },
                                [this, matched] {
                                    retire(reactor_, std::move(job_));
                                    take(exchange_->conclude(*matched));
                                    wake();
                                });
    if (!job_) result_ = Rejected{overloaded(), "too many checks at once"};
}

// A copy is called: what runs may well let go of this.
void Login::wake() {
    const auto notify = notify_;
    notify();
}

void Login::accept(auth::Granted granted) {
    if (granted.user && !granted.user->allowed_from(client_))
        return penalize(bad_credentials(), "not from this address");
    result_ = Accepted{std::move(granted.user), std::move(granted.name)};
}

void Login::refused_elsewhere(const smtp::Reply& reply) {
    penalize(reply, "refused by the upstream");
}

void Login::penalize(smtp::Reply reply, std::string_view why) {
    held_ = Rejected{std::move(reply), why, std::string(exchange_->claimed()), true};
    penalty_ = reactor_.alarm([this] {
        result_ = *std::exchange(held_, std::nullopt);
        wake();
    });
    penalty_->arm(services_.lockout.failed(client_, reactor_.now()));
}

}  // namespace waxseal::relay
