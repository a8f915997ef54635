// One downstream connection from greeting to end: the join of a server machine and, for each
// transaction, an upstream connection, borrowed from the pool where the account is ours.
//
// pump() is the only place where the two sides meet. It runs after every event (octets, write done,
// timer, upstream ready) to a fixed point: at most one event out of each side at a time, act on it,
// then flush, set read interest from buffer levels, set the deadlines. Level-triggered and
// re-entrant-safe: a call from inside itself only asks for another round.
//
// Flow: construct, start(); drain() or stop() from outside; on_end is called once, after which the
// owner destroys it through the
//   reactor's defer. What it means: session_downstream.cpp (what the device says),
//   session_security.cpp (its TLS and its login), session_upstream.cpp (what the upstream says),
//   session_connection.cpp (getting a connection, replacing it, letting it go), session_body.cpp
//   (the message on its way), session_reply.cpp (whether its reply has arrived).
// Promises: 250 after end-of-data if and only if the upstream said so; after an abort inside a body
// the upstream gets not one more octet.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "auth/authenticator.hpp"
#include "base/channel.hpp"
#include "base/deadline.hpp"
#include "base/reactor.hpp"
#include "relay/login.hpp"
#include "relay/message_policy.hpp"
#include "relay/pace.hpp"
#include "relay/record.hpp"
#include "relay/routes.hpp"
#include "relay/transaction.hpp"
#include "smtp/server.hpp"
#include "upstream/connection.hpp"
#include "upstream/connector.hpp"

namespace waxseal::relay {

// What all sessions of one listener share; immutable, replaced as a whole by a reload.
struct SessionSettings {
    std::string listener;  // its address, for the log
    smtp::ServerSettings server;
    upstream::Connector::Providers providers;  // in order of preference, at least one
    Duration downstream_idle{};
    Duration tls_handshake{};  // after STARTTLS
    // Of the whole configuration: where a sender goes, and where a user is sent by name.
    std::shared_ptr<const RouteTable> routes{};
    std::map<std::string, upstream::Connector::Providers, std::less<>> by_name{};
    // AUTH; null: not offered. server.auth_mechanisms are its.
    std::shared_ptr<const auth::Authenticator> authenticator{};
    // Octets a second that a body has to come with, on average; it may pause for downstream_idle.
    // 0: any. (Postfix: smtpd_min_data_rate, 500.)
    std::uint64_t min_data_rate = 0;
    // How long each refusal beyond server.prompt_errors is held back. 0: not at all, and
    // prompt_errors has no bound. (Postfix: smtpd_error_sleep_time, 1 s.)
    Duration error_delay{};
    MessagePolicy messages{};
};

class Session {
  public:
    struct Client {
        std::string id;          // of the session
        std::string address;     // of the downstream, for the log
        IpAddress ip{};          // the same, for decisions
        std::uint16_t port = 0;  // 0: not known
        // Before the greeting, which was held back for it: what it said is the channel's
        // readable().
        bool spoke_first = false;
    };
    // A channel whose TLS is established speaks implicit TLS; one that is to be able to STARTTLS
    // has its settings for that.
    Session(Reactor& reactor, SessionServices services, std::unique_ptr<Channel> channel,
            std::shared_ptr<const SessionSettings> settings, Client client,
            std::function<void(Session&)> on_end);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    // 421 as soon as no transaction is under way.
    void drain();
    // Now, whatever is under way.
    void stop();

  private:
    enum class Pump : std::uint8_t { resting, running, again };
    enum class Life : std::uint8_t { running, draining, over };
    // What the record says of a connection that took another's place.
    static constexpr std::string_view replaced = "replaced";
    using Upstream = std::variant<std::monostate, std::unique_ptr<upstream::Connector>,
                                  std::unique_ptr<upstream::Connection>>;

    void pump();
    [[nodiscard]] bool step();
    [[nodiscard]] bool step_downstream();
    [[nodiscard]] bool step_upstream();
    [[nodiscard]] bool step_login();
    [[nodiscard]] bool read_downstream();
    void note_repairs(const smtp::ServerEvent& told);
    [[nodiscard]] Duration silent_for() const noexcept { return reactor_.now() - heard_at_; }
    void settle();
    void flush();
    [[nodiscard]] bool body_blocked();
    void set_deadlines();
    void downstream_late();
    void watch_pace();
    void too_slow();
    void part(std::string_view end, const smtp::Reply& farewell);
    [[nodiscard]] bool held() const noexcept;
    void watch_hold();
    void hold_over();
    void upstream_idle_over();
    void finish();

    void on(smtp::server_event::NeedInput) {}
    void on(smtp::server_event::Paused) {}
    void on(smtp::server_event::Hello hello);
    void on(smtp::server_event::Mail mail);
    void on(smtp::server_event::Rcpt rcpt);
    void on(smtp::server_event::DataRequested);
    void on(smtp::server_event::Body body);
    void on(smtp::server_event::BodyRefused refused);
    void on(smtp::server_event::BodyEnd end);
    void on(smtp::server_event::StartTls told);
    void on(smtp::server_event::Auth auth);
    void on(smtp::server_event::AuthResponse told);
    void on(smtp::server_event::AuthCancelled told);
    void on(smtp::server_event::Reset);
    void on(smtp::server_event::Quit);
    void on(smtp::server_event::Violation violation);
    void on(smtp::server_event::Disconnected disconnected);

    void on(smtp::client_event::NeedInput) {}
    void on(smtp::client_event::StartTls) {}
    void on(smtp::client_event::Ready) {}
    void on(const smtp::client_event::MailReply& told);
    void on(const smtp::client_event::RcptReply& told);
    void on(const smtp::client_event::DataReply& told);
    void on(const smtp::client_event::MessageReply& told);
    void on(const smtp::client_event::ResetReply& told);
    void on(smtp::client_event::Closed);
    void on(smtp::client_event::Failed told);
    void note_slow();

    // Towards the downstream: session_security.cpp.
    [[nodiscard]] bool secure();
    [[nodiscard]] bool begin_handshake();
    void downstream_secured();
    void on(Login::Waiting) {}
    void on(const Login::Ask& ask);
    void on(const Login::Accepted& accepted);
    void on(Login::Collected collected);
    void on(const Login::Rejected& rejected);
    void try_upstream(smtp::Credentials credentials);
    void tried(upstream::Connector::Outcome outcome, const std::optional<smtp::Reply>& refusal);
    void forget_client();
    void complain(std::string_view event, std::string_view kind, log::Fields fields);
    [[nodiscard]] bool passes_through() const noexcept;
    [[nodiscard]] const upstream::Connector::Providers& destination(
        const smtp::Path* reverse_path) const;

    // The upstream side: session_connection.cpp.
    void expect();
    void connect();
    void open(upstream::Borrower borrower);
    void adopt(std::unique_ptr<upstream::Connection> connection);
    [[nodiscard]] smtp::Xclient xclient() const;
    void connected(upstream::Connector::Outcome outcome);
    [[nodiscard]] bool may_replace();
    void replace(const Failure& failure);
    void release();

    void send_envelope();
    void begin_body();

    // The message: session_body.cpp.
    [[nodiscard]] const auth::SenderRule* sender_rule(const upstream::Provider& provider) const;
    [[nodiscard]] const smtp::Path& reverse_path(const upstream::Provider& provider) const;
    [[nodiscard]] std::optional<message::HeaderEditor> editor() const;
    [[nodiscard]] bool collects_first() const;
    void keep_copy(std::string_view content);
    void pass_on(std::string_view content);
    void refuse_header();
    void message_complete();
    void send_whole();
    void finish_message();
    [[nodiscard]] bool step_sending();
    [[nodiscard]] bool start_over(std::string_view reason);
    [[nodiscard]] Deadline& patience();
    void watch_patience();
    void patience_over();
    void decide(const smtp::Reply& reply);

    // The reply: session_reply.cpp.
    // The reply to a message, written, of which it is not known yet whether it has arrived.
    struct Undelivered {
        std::optional<Fingerprint> message{};  // of a 250
        std::string reply{};
        Duration waited{};        // the device, for it
        std::uint64_t heard = 0;  // octets the device had sent until then
        std::unique_ptr<PendingReply> pending{};
        unsigned looks = 0;
        bool repeated = false;  // it is an earlier one's, which is known
        bool told = false;      // that it is lost
    };
    [[nodiscard]] std::optional<Fingerprinter> fingerprinter() const;
    [[nodiscard]] bool answered_before();
    void repeat(const std::string& said);
    void note_gone();
    void watch_delivery(const smtp::Reply& reply, std::string said);
    [[nodiscard]] bool judge_delivery();
    void look_in(Duration delay);
    void look_again();
    void arrived(const Undelivered& reply);
    void lost(Undelivered& reply);
    void answer_recipient(Recipient& recipient, const smtp::Reply& reply);
    void tell_refusals();
    [[nodiscard]] bool refuses(const smtp::Path& forward_path) const;
    [[nodiscard]] std::optional<smtp::Reply> refusal_of(const smtp::server_event::Mail& mail);
    void refuse_envelope(std::string_view outcome, const smtp::Reply& reply);
    void fail_envelope(const smtp::Reply& reply);
    [[nodiscard]] std::optional<smtp::Reply> untranslatable(
        const smtp::server_event::Mail& mail, const smtp::Capabilities& offered) const;
    void fail(const Failure& failure);
    void abandon(std::string_view outcome);
    void end_transaction(std::string_view outcome, const smtp::Reply& reply);
    void note_time(Duration TransactionRecord::* phase);
    void note_phase();
    [[nodiscard]] upstream::Connection* connection() noexcept;
    void drop_connection();
    [[nodiscard]] static const upstream::Provider& first_choice(
        const upstream::Connector::Providers& all);
    [[nodiscard]] smtp::Capabilities offer() const;

    Reactor& reactor_;
    SessionServices services_;
    std::shared_ptr<const SessionSettings> settings_;
    Client client_;
    std::unique_ptr<Channel> channel_;
    smtp::Server server_;
    Upstream upstream_;
    upstream::Connector::Providers opened_for_;  // among which it was chosen
    std::unique_ptr<upstream::Pool::Expectation> expectation_;
    std::unique_ptr<Login> login_;              // the AUTH exchange under way
    std::shared_ptr<const auth::User> user_;    // who has logged in, of ours
    std::unique_ptr<Transaction> transaction_;  // none: between two
    std::function<void(Session&)> on_end_;
    SessionRecord record_;
    Repairs noted_;  // of a MAIL whose transaction is still to begin
    Deadline downstream_deadline_;
    Deadline upstream_idle_;
    std::optional<Pace> pace_;  // of the body that is coming
    std::unique_ptr<Alarm> pace_alarm_;
    Deadline hold_;
    std::optional<Deadline> patience_;      // of an upstream that waits for the body
    std::vector<Undelivered> undelivered_;  // in order; of pipelined messages there may be several
    // For a reply that may not have arrived, or a held message; none until it is needed.
    std::unique_ptr<Alarm> look_;
    std::optional<TimePoint> gone_;  // the device, while the upstream's answer was awaited
    std::uint64_t heard_ = 0;        // octets
    TimePoint heard_at_;
    std::uint64_t errors_paid_ = 0;  // those that were waited for
    TimePoint started_;
    std::uint64_t progress_ = 0;
    std::uint32_t offered_ = 0;  // the extensions that the downstream was told of
    Pump pump_ = Pump::resting;
    Life life_ = Life::running;
    bool input_ended_ = false;
    bool blocked_ = false;  // the body waits for the upstream to take what it has
};

}  // namespace waxseal::relay
