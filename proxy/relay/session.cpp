// The pump, the deadlines and the end of a session. What events mean is in session_downstream.cpp
// and session_upstream.cpp.
#include "relay/session.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "relay/replies.hpp"

namespace waxseal::relay {

namespace {
// How long a farewell may take to be read before the connection is cut.
constexpr Duration farewell_time = std::chrono::seconds(10);
}  // namespace

Session::Session(Reactor& reactor, SessionServices services, std::unique_ptr<Channel> channel,
                 std::shared_ptr<const SessionSettings> settings, Client client,
                 std::function<void(Session&)> on_end)
    : reactor_(reactor),
      services_(services),
      settings_(std::move(settings)),
      client_(std::move(client)),
      channel_(std::move(channel)),
      server_(settings_->server),
      on_end_(std::move(on_end)),
      downstream_deadline_(reactor, [this] { downstream_late(); }),
      upstream_idle_(reactor, [this] { upstream_idle_over(); }),
      pace_alarm_(reactor.alarm([this] { too_slow(); })),
      hold_(reactor, [this] { hold_over(); }),
      started_(reactor.now()) {
    record_.id = client_.id;
    record_.client = client_.address;
    record_.listener = settings_->listener;
    channel_->set_notify([this] { pump(); });
}

// Nothing is deferred from here: what it could call back is gone.
Session::~Session() {
    if (upstream::Connection* const upstream = connection()) upstream->close();
}

void Session::start() {
    log::debug(
        "session_start",
        {{"session", record_.id}, {"listener", record_.listener}, {"client", record_.client}});
    if (channel_->tls() == TlsPhase::established) downstream_secured();
    if (client_.spoke_first) (void)read_downstream();
    server_.greet();
    pump();
}

void Session::drain() {
    if (life_ != Life::running) return;
    life_ = Life::draining;
    pump();
}

void Session::stop() {
    if (life_ == Life::over) return;
    if (record_.end.empty()) record_.end = "stopped";
    abandon("aborted");
    server_.shut_down(farewell::draining());
    flush();
    finish();
}

void Session::pump() {
    if (pump_ != Pump::resting) {
        pump_ = Pump::again;
        return;
    }
    do {
        pump_ = Pump::running;
        while (life_ != Life::over && step()) {
        }
        if (life_ != Life::over) settle();
    } while (pump_ == Pump::again);
    pump_ = Pump::resting;
}

// The upstream first: what it has already said belongs to what it was asked until now, and must not
// be taken for the reply to the device's next command.
bool Session::step() {
    return step_upstream() || step_sending() || step_login() || step_downstream();
}

bool Session::step_login() {
    if (!login_) return false;
    Login::Result result = login_->poll();
    if (std::holds_alternative<Login::Waiting>(result)) return false;
    std::visit([this](auto& told) { on(std::move(told)); }, result);
    return true;
}

bool Session::step_downstream() {
    if (held()) return false;
    if (server_.phase() == smtp::Server::Phase::securing) return secure();
    if (body_blocked()) return false;
    smtp::ServerEvent told = server_.next();
    note_repairs(told);
    const bool quiet = std::holds_alternative<smtp::server_event::NeedInput>(told) ||
                       std::holds_alternative<smtp::server_event::Paused>(told);
    if (quiet) return read_downstream();
    std::visit([this](auto& event) { on(std::move(event)); }, told);
    return true;
}

// To the transaction they were made in: MAIL's is still to begin.
void Session::note_repairs(const smtp::ServerEvent& told) {
    noted_.add(server_.take_repairs());
    if (noted_.empty() || std::holds_alternative<smtp::server_event::Mail>(told)) return;
    (transaction_ ? transaction_->record.repairs : record_.repairs).add(noted_.take());
}

bool Session::read_downstream() {
    if (server_.buffered() >= limits::read_block) return false;
    if (const std::string_view input = channel_->readable(); !input.empty()) {
        // Octets of a command that does not end are no progress, and neither are those after the
        // end.
        if (server_.phase() == smtp::Server::Phase::body) progress_ += input.size();
        if (pace_) pace_->received(input.size(), reactor_.now());
        heard_ += input.size();
        heard_at_ = reactor_.now();
        server_.receive(input);
        channel_->consume(input.size());
        return true;
    }
    if (input_ended_ || channel_->end() == EndOfInput::none) return false;
    input_ended_ = true;
    server_.end_of_input();
    return true;
}

bool Session::step_upstream() {
    if (auto* connector = std::get_if<std::unique_ptr<upstream::Connector>>(&upstream_)) {
        auto outcome = (*connector)->poll();
        if (!outcome) return false;
        connected(*std::move(outcome));
        return true;
    }
    upstream::Connection* const upstream = connection();
    if (upstream == nullptr) return false;
    smtp::ClientEvent told = upstream->next();
    if (std::holds_alternative<smtp::client_event::NeedInput>(told)) return false;
    std::visit([this](auto& event) { on(std::move(event)); }, told);
    return true;
}

void Session::settle() {
    if (life_ == Life::draining && server_.idle()) {
        if (record_.end.empty()) record_.end = "drained";
        abandon("aborted");
        server_.shut_down(farewell::draining());
    }
    if (!held()) flush();
    note_gone();
    if (server_.finished() && server_.output().empty() && judge_delivery()) return finish();
    channel_->want_input(!held() && !begin_handshake() && !body_blocked() &&
                         server_.buffered() < limits::read_block);
    set_deadlines();
}

// After those errors that it may make at once, each further one costs a downstream time: its
// refusal is held back, and nothing is read meanwhile. Everything else is answered at once, above
// all a 250 after end-of-data.
bool Session::held() const noexcept {
    return settings_->error_delay != Duration{} && server_.errors() != errors_paid_ &&
           server_.errors() > settings_->server.prompt_errors;
}

// Refusals that came together (of a batch) are paid for one by one.
void Session::watch_hold() {
    if (!held()) return hold_.stop();
    const std::uint64_t paid = std::max(errors_paid_, settings_->server.prompt_errors);
    const auto unpaid = static_cast<Duration::rep>(server_.errors() - paid);
    hold_.watch(Timer::error_delay, server_.errors(), settings_->error_delay * unpaid);
}

void Session::hold_over() {
    errors_paid_ = server_.errors();
    flush();  // before the next one is made
    pump();
}

void Session::flush() {
    const bool deaf = channel_->broken();
    // Replies that nobody reads keep what the device has said from being looked at.
    if (deaf && !server_.output().empty() && pump_ == Pump::running) pump_ = Pump::again;
    const bool waits = server_.output().size() > limits::pending_replies;
    while (!server_.output().empty()) {
        const std::size_t taken =
            deaf ? server_.output().size() : channel_->write(server_.output());
        if (taken == 0) break;
        progress_ += taken;
        server_.sent(taken);
    }
    // What had to wait for room need not any more; nobody else says so when all was taken at once.
    if (waits && server_.output().size() <= limits::pending_replies && pump_ == Pump::running)
        pump_ = Pump::again;
    if (upstream::Connection* const upstream = connection()) upstream->flush();
}

// Back-pressure with hysteresis: a body waits above the high mark until the upstream has taken it
// down to the low one.
bool Session::body_blocked() {
    // Behind the message there is only its device's end to be seen.
    if (transaction_ && transaction_->complete()) return false;
    if (transaction_ && transaction_->stage == Transaction::Stage::go_ahead &&
        !transaction_->verdict)
        return true;
    upstream::Connection* const upstream = connection();
    const std::size_t pending = upstream == nullptr ? 0 : upstream->pending();
    if (pending > limits::pending_high) blocked_ = true;
    if (pending <= limits::pending_low) blocked_ = false;
    return blocked_;
}

void Session::set_deadlines() {
    if (server_.finished()) {
        downstream_deadline_.watch(Timer::farewell, progress_, farewell_time);
    } else {
        // While the body waits for the upstream the device is not late: the upstream's own deadline
        // runs.
        const Timer due = body_blocked() ? Timer::none : server_.timer();
        const bool securing = due == Timer::tls_handshake;
        downstream_deadline_.watch(
            due, securing ? 0 : progress_,
            securing ? settings_->tls_handshake : settings_->downstream_idle);
    }
    watch_pace();
    watch_hold();
    watch_patience();
    upstream::Connection* const upstream = connection();
    // A login that was passed through is the downstream's for as long as its session lasts.
    const bool spare =
        upstream != nullptr && !transaction_ && upstream->client().idle() && !passes_through();
    if (spare == (upstream_idle_.watched() != Timer::none)) return;
    if (spare) {
        upstream_idle_.watch(Timer::upstream_idle, 0, upstream->provider()->idle_timeout);
        upstream->slot().spare([this] { upstream_idle_over(); });
    } else {
        upstream_idle_.stop();
        if (upstream != nullptr) upstream->slot().spare(nullptr);
    }
}

void Session::downstream_late() {
    if (server_.finished()) {
        channel_->abort();
        return finish();
    }
    const bool securing = server_.phase() == smtp::Server::Phase::securing;
    part(securing ? "tls_timeout" : "idle", farewell::idle());
}

void Session::watch_pace() {
    if (settings_->min_data_rate == 0 || server_.phase() != smtp::Server::Phase::body) {
        pace_.reset();
        return pace_alarm_->disarm();
    }
    const TimePoint now = reactor_.now();
    if (!pace_) pace_.emplace(settings_->min_data_rate, settings_->downstream_idle, now);
    pace_->run(!body_blocked(), now);
    if (const auto left = pace_->left(now)) return pace_alarm_->arm(*left);
    pace_alarm_->disarm();
}

void Session::too_slow() { part("too_slow", farewell::too_slow()); }

// The downstream is given up; a message that is on its way is not completed.
void Session::part(std::string_view end, const smtp::Reply& farewell) {
    record_.end = end;
    abandon("aborted");
    release();
    server_.shut_down(farewell);
    pump();
}

void Session::upstream_idle_over() {
    // The offer may have been taken up just as the device began its next transaction: then it is
    // not spare any more.
    if (!transaction_) drop_connection();
    pump();
}

void Session::finish() {
    life_ = Life::over;
    downstream_deadline_.stop();
    upstream_idle_.stop();
    pace_alarm_->disarm();
    hold_.stop();
    patience_.reset();
    if (!judge_delivery()) std::ranges::for_each(undelivered_, [this](auto& one) { lost(one); });
    // Not later: who shares the memory of replies may end before this object does.
    undelivered_.clear();
    look_.reset();
    retire(reactor_, std::move(login_));
    abandon("aborted");
    release();
    // Of a handshake that failed the alert is still to go out.
    if (channel_->end() == EndOfInput::failed && channel_->failure().kind != FailureKind::tls) {
        channel_->abort();
    } else {
        channel_->close();
    }
    if (record_.end.empty()) record_.end = "closed";
    record_.last_refusal = server_.last_refusal();
    log::info("session_end", fields(record_, reactor_.now() - started_));
    on_end_(*this);
}

upstream::Connection* Session::connection() noexcept {
    auto* connection = std::get_if<std::unique_ptr<upstream::Connection>>(&upstream_);
    return connection == nullptr ? nullptr : connection->get();
}

void Session::note_time(Duration TransactionRecord::* phase) {
    if (!transaction_) return;
    transaction_->record.*phase = reactor_.now() - transaction_->since;
    transaction_->since = reactor_.now();
}

// Of the phase that is under way.
void Session::note_phase() {
    using Stage = Transaction::Stage;
    const Stage stage = transaction_->stage;
    if (stage == Stage::envelope) return note_time(&TransactionRecord::envelope);
    const bool answers = stage == Stage::held || stage == Stage::outcome || transaction_->whole;
    note_time(answers ? &TransactionRecord::reply_wait : &TransactionRecord::body);
}

void Session::end_transaction(std::string_view outcome, const smtp::Reply& reply) {
    if (!transaction_) return;
    transaction_->record.outcome = outcome;
    transaction_->record.set_reply(smtp::summary(reply));
    record_.add(std::move(transaction_->record));
    transaction_.reset();
}

// The transaction ends without a reply of its own: RSET, QUIT, the device has gone.
void Session::abandon(std::string_view outcome) {
    if (!transaction_) return;
    note_phase();
    if (transaction_->stage == Transaction::Stage::outcome) {
        log::warn("outcome_unknown", {{"session", record_.id},
                                      {"reason", "the session ended before the upstream's reply"}});
        outcome = "unknown";
    }
    transaction_->record.outcome = outcome;
    record_.add(std::move(transaction_->record));
    transaction_.reset();
}

}  // namespace waxseal::relay
