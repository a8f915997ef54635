// The server machine: the side of SMTP that faces a downstream. Octets in, events out; replies in,
// octets out.
//
// RFC 5321 (4.1.4 order of commands), RFC 2920 (pipelining: replies in order, input never lost),
// RFC 2034, RFC 3207 (STARTTLS), RFC 4954 (AUTH: framed here, judged by the owner). No socket, no
// clock, no callback. The table in server_table.hpp is the protocol; this class carries it out.
//
// Flow: greet() once (after secured(), when TLS is implicit); then receive()/end_of_input() as
// things arrive (what is received before is refused) and next() until NeedInput, Paused or an end.
// Each of Hello,
//   Mail, Rcpt, DataRequested and BodyEnd owes the downstream exactly one answer: hello() for the
//   first, reply() for the others; until it is given next() says Paused and pipelined input waits.
//   Only RCPT commands that stand right behind one another are told at once (up to
//   limits::pipelined_recipients): each reply() answers the oldest that is owed one.
//   Auth and AuthResponse are answered by challenge(), or by reply() with the verdict. After
//   StartTls the owner lets output() go out, begins the handshake and then says secured().
//   Everything else (NOOP, RSET, VRFY, mistakes) is answered here. output()/sent() carry the
//   octets; a machine that has finished() wants its output flushed and its channel closed.
// With Reading::tolerant what devices do wrong is understood where it can be (tolerance.hpp), and a
//   message that comes before the answer to DATA is taken when the answer is 354; when it is
//   another the connection ends, because what is a message must not be read as commands; and so it
//   does, in any Reading, when what follows a refused DATA is no command.
// Never: a command that came in clear carried out after STARTTLS, a line of an authentication
// exchange that has not ended read as a command, a credential left in memory that this machine has
// let go.
// Views in events live until the next call of next(), of any machine on the thread: what a body
// decodes to is the thread's, and no session keeps 16 KiB for it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "base/timer.hpp"
#include "smtp/capabilities.hpp"
#include "smtp/command.hpp"
#include "smtp/data.hpp"
#include "smtp/parameters.hpp"
#include "smtp/path.hpp"
#include "smtp/reply.hpp"
#include "smtp/tolerance.hpp"

namespace waxseal::smtp {

// STARTTLS towards the downstream. `required`: nothing but greetings and farewells until TLS is up,
// whichever way (RFC 3207 4).
enum class Starttls : std::uint8_t { absent, offered, required };

// Lines of a message above 998 octets (RFC 5322 2.1.1).
enum class LongLines : std::uint8_t { accept, reject };

struct ServerSettings {
    std::string hostname;  // our own name, for the greeting and EHLO
    LineEndings line_endings = LineEndings::repair;
    std::uint64_t max_message_size = 0;  // octets
    std::uint64_t max_recipients = 0;
    std::uint64_t max_errors = 0;  // refused or malformed commands before 421
    // Of these, those that are answered at once: after each further one next() pauses, for whoever
    // holds its answer back.
    std::uint64_t prompt_errors = UINT64_MAX;
    Starttls starttls = Starttls::absent;
    std::vector<std::string> auth_mechanisms = {};  // upper case, as offered; none: no AUTH
    bool require_auth = false;                      // for MAIL
    std::uint64_t max_auth_failures = 3;            // at least 1; the next command gets 421
    Reading reading = Reading::strict;
    LongLines long_lines = LongLines::accept;
    bool legacy_auth = false;  // "AUTH=" in the EHLO reply beside "AUTH ", for who knows only that
};

// Why a body cannot be passed on. The connection stays in step: input is read up to the true end of
// data all the same.
enum class BodyVerdict { acceptable, line_endings, nul, line_too_long, too_big };

// Reasons of a Violation that have a remedy, which is the owner's to explain.
namespace violation {
inline constexpr std::string_view tls_in_clear = "TLS ClientHello on a cleartext listener";
inline constexpr std::string_view proxy_header =
    "PROXY header on a listener without proxy_protocol";
inline constexpr std::string_view http = "HTTP request";
inline constexpr std::string_view data_before_greeting = "data sent before the greeting";
inline constexpr std::string_view data_behind_starttls = "data sent in clear behind STARTTLS";
inline constexpr std::string_view message_behind_refusal =
    "a message sent before the reply to DATA, which was refused";
}  // namespace violation

namespace server_event {
struct NeedInput {};
struct Paused {};  // an answer is owed, replies wait to be read, or to be held back
struct Hello {
    std::string_view name;  // as the downstream gave it, not validated: for the log only
    bool esmtp;             // EHLO
    bool aborted;           // it ended a transaction
};
struct Mail {
    Path reverse_path;
    MailParameters parameters;
};
struct Rcpt {
    Path forward_path;
    RcptParameters parameters;
};
struct DataRequested {};
struct Body {
    std::string_view content;  // decoded: un-stuffed, CRLF line ends
};
struct BodyRefused {  // once, as soon as it is known; no Body follows
    BodyVerdict verdict;
};
struct BodyEnd {
    BodyVerdict verdict;
    DataFindings findings;
};
struct StartTls {  // 220 is on its way; all that was learnt is forgotten
    bool aborted;  // it ended a transaction
};
struct Auth {
    std::string mechanism;          // one of the offered, as written there
    std::optional<Secret> initial;  // decoded
};
struct AuthResponse {
    Secret response;  // decoded
};
struct AuthCancelled {  // the exchange has ended without a verdict; already answered
    std::string_view reason;
};
struct Reset {};    // RSET ended a transaction; already answered
struct Quit {};     // already answered
struct Violation {  // the stream cannot be trusted any more; 5yz and the end are on their way
    std::string_view reason;
};
struct Disconnected {  // the downstream's input has ended
    bool in_body;
};
}  // namespace server_event

using ServerEvent =
    std::variant<server_event::NeedInput, server_event::Paused, server_event::Hello,
                 server_event::Mail, server_event::Rcpt, server_event::DataRequested,
                 server_event::Body, server_event::BodyRefused, server_event::BodyEnd,
                 server_event::StartTls, server_event::Auth, server_event::AuthResponse,
                 server_event::AuthCancelled, server_event::Reset, server_event::Quit,
                 server_event::Violation, server_event::Disconnected>;

// What the machine remembers of the transaction under way, and of its body.
struct ServerTransaction {
    std::uint64_t recipients = 0;  // that stand
    std::uint64_t refused = 0;
    std::uint64_t recipients_beyond = 0;  // max_recipients
    std::optional<Reply> doom;
    // RCPT commands without an answer, oldest first; in between what was answered here and has to
    // wait for those before it.
    std::vector<std::optional<Reply>> unanswered;
    bool smtputf8 = false;
};
struct ServerBody {
    DataDecoder decoder;
    std::uint64_t consumed = 0;  // octets as they came
    bool refusal_told = false;
    bool ended = false;
};

class Server {
  public:
    // One bit each, so that a table row can name several.
    enum class Phase : std::uint16_t {
        // Nothing was said yet. Input that comes now is stored, and refused by greet().
        silent = 1 << 0,
        // Greeted; EHLO or HELO has not come. MAIL is 503.
        greeted = 1 << 1,
        // EHLO or HELO was answered and no transaction is open.
        ready = 1 << 2,
        // MAIL was accepted; no recipient stands yet.
        mail = 1 << 3,
        // At least one recipient stands: DATA is legal.
        rcpt = 1 << 4,
        // The transaction cannot succeed any more, though the downstream may not have noticed (it
        // may have pipelined): RCPT
        // and DATA get the reply that doomed it, MAIL begins afresh.
        doomed = 1 << 5,
        // 354 was said; every octet is message content up to the end of data.
        body = 1 << 6,
        // Nothing more is read or said; what output() still holds goes out, then the channel
        // closes.
        finished = 1 << 7,
        // 220 to STARTTLS was said. The handshake is the owner's; any octet that comes here came in
        // clear and ends the session.
        securing = 1 << 8,
        // AUTH was taken up. Until its verdict each line is a response, and never a command.
        authenticating = 1 << 9,
    };

    // `settings` must outlive the machine.
    explicit Server(const ServerSettings& settings);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void receive(std::string_view bytes);
    void end_of_input() noexcept;
    [[nodiscard]] ServerEvent next();

    // TLS is up: before greet(), or after StartTls.
    void secured();
    // A certificate that the client has shown stands for a login, until the end of the session.
    void vouched_for() noexcept {
        if (trust_ == Trust::none) trust_ = Trust::certificate;
    }
    // 220; or, when there is input already, 554 in its place and the end (RFC 5321 3.1, 4.3.1).
    void greet();
    // Answers Hello: 250 with the offer (EHLO) or without (HELO). STARTTLS and AUTH in it are this
    // machine's own, whatever `offer` says of them. AUTH is offered still when it has succeeded, as
    // Postfix does: devices look for it after each EHLO.
    void hello(const Capabilities& offer);
    // Answers Mail, Rcpt, DataRequested (354 or a refusal), BodyEnd. A 4yz to Mail dooms the
    // transaction instead of ending it. To Auth and AuthResponse it is the verdict: a 2yz
    // authenticates, a 5yz is a failure and an error, a 4yz is neither.
    void reply(const Reply& reply);
    // Answers Auth and AuthResponse: 334, and the next line is the response. `raw` is not encoded.
    void challenge(std::string_view raw);
    // The upstream is lost while no answer is owed: the transaction cannot succeed; `reply` goes to
    // what comes next.
    void doom(const Reply& reply);
    // Says farewell (421 …) and finishes. With an answer owed it is that answer, and in a body the
    // downstream finds it at its end: nothing was accepted in either case. Late answers are
    // ignored.
    void shut_down(const Reply& farewell);

    [[nodiscard]] std::string_view output() const noexcept { return output_.front(); }
    void sent(std::size_t n) noexcept { output_.consume(n); }
    [[nodiscard]] Timer timer() const noexcept;
    [[nodiscard]] bool finished() const noexcept { return phase_ == Phase::finished; }
    // Between transactions, and nothing owed: the moment for a farewell.
    [[nodiscard]] bool idle() const noexcept;
    // An event was told whose answer has not been given.
    [[nodiscard]] bool owes() const noexcept { return owed_ != Owed::nothing; }
    [[nodiscard]] std::size_t buffered() const noexcept { return input_.size(); }
    [[nodiscard]] bool tls() const noexcept { return secured_; }
    [[nodiscard]] bool authenticated() const noexcept { return trust_ == Trust::login; }
    // Refused or malformed commands so far, of max_errors; failed logins, of max_auth_failures.
    [[nodiscard]] std::uint64_t errors() const noexcept { return errors_; }
    [[nodiscard]] std::uint64_t auth_failures() const noexcept { return auth_failures_; }
    // The last 4yz or 5yz that a command got, whoever gave it: "530 5.7.0 Authentication required".
    [[nodiscard]] const std::string& last_refusal() const noexcept { return last_refusal_; }
    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    // What had to be tolerated since the last call.
    [[nodiscard]] Repairs take_repairs() noexcept { return repairs_.take(); }

  private:
    friend struct ServerTable;
    enum class Owed : std::uint8_t { nothing, hello, helo, mail, rcpt, data, message, auth };
    enum class Input : std::uint8_t { open, ended, told };
    enum class Trust : std::uint8_t { none, certificate, login };
    using Handled = std::optional<ServerEvent>;  // nothing: answered here, go on with the next line

    void enter(Phase phase) noexcept { phase_ = phase; }
    void refuse_early();
    [[nodiscard]] Handled take_line();
    [[nodiscard]] Handled on_line(const LineReader::Line& line);
    [[nodiscard]] Handled on_long_line(const LineReader::TooLong& line);
    [[nodiscard]] ServerEvent on_illegal(const LineReader::Illegal& illegal);
    [[nodiscard]] Handled execute(std::string_view line);
    [[nodiscard]] Handled carry_out(const Command& command);
    [[nodiscard]] bool tolerant() const noexcept { return settings_.reading == Reading::tolerant; }
    [[nodiscard]] bool passed_over() noexcept;
    [[nodiscard]] Handled take_response(std::string_view line);
    [[nodiscard]] ServerEvent take_body();
    [[nodiscard]] ServerEvent no_input();
    [[nodiscard]] ServerEvent finish(const Reply& reply, std::string_view reason);
    [[nodiscard]] ServerEvent out_of_step(Verb verb);
    [[nodiscard]] ServerEvent message_for_nobody();
    [[nodiscard]] Verb verb_of(std::string_view line) const noexcept;
    [[nodiscard]] ServerEvent cancel_auth(const Reply& reply, std::string_view reason);
    void end() noexcept;
    [[nodiscard]] std::size_t line_limit() const noexcept;
    [[nodiscard]] bool in_clear() const noexcept;
    [[nodiscard]] bool offers(Verb verb) const noexcept;
    [[nodiscard]] Capabilities with_own_security(Capabilities offer) const;
    [[nodiscard]] Handled exhausted();
    [[nodiscard]] bool may_run_ahead() const noexcept;
    void count_junk() noexcept;
    [[nodiscard]] BodyVerdict judge() const noexcept;
    [[nodiscard]] bool endless() const noexcept;

    // Of MAIL and RCPT: what had to be tolerated counts once the command is taken.
    [[nodiscard]] std::optional<std::string_view> keyword(std::string_view argument,
                                                          std::string_view name, Repairs& repairs);
    [[nodiscard]] std::expected<ParsedPath, PathError> path(std::string_view text, PathKind kind,
                                                            Repairs& repairs);
    [[nodiscard]] std::string parameters_of(const ParsedPath& parsed, PathKind kind,
                                            Repairs& repairs);
    [[nodiscard]] Handled on_hello(const Command& command);
    [[nodiscard]] Handled on_mail(const Command& command);
    [[nodiscard]] Handled on_rcpt(const Command& command);
    [[nodiscard]] Handled on_data(const Command& command);
    [[nodiscard]] Handled on_rset(const Command& command);
    [[nodiscard]] Handled on_quit(const Command& command);
    [[nodiscard]] Handled on_starttls(const Command& command);
    [[nodiscard]] Handled on_auth(const Command& command);
    [[nodiscard]] Handled on_answered_here(const Command& command);
    [[nodiscard]] Handled on_hang_up(const Command& command);

    void answer(const Reply& reply);
    void give(const Reply& reply);
    void say(const Reply& reply);
    void after_mail(const Reply& reply);
    void after_rcpt(const Reply& reply);
    void after_data(const Reply& reply);
    void after_auth(const Reply& reply);

    const ServerSettings& settings_;
    Phase phase_ = Phase::silent;
    Owed owed_ = Owed::nothing;
    Input input_state_ = Input::open;
    ByteQueue input_;
    ByteQueue output_;
    LineReader lines_;
    std::uint64_t offered_size_;
    std::optional<ServerTransaction> transaction_;
    std::optional<ServerBody> body_;
    std::optional<std::string> hello_name_;  // none: neither EHLO nor HELO was said
    std::string last_refusal_;
    std::string scratch_;
    std::string_view violation_;  // a pending end to tell: see reply() for DATA
    std::uint32_t errors_ = 0;
    std::uint32_t junk_ = 0;
    std::uint32_t auth_failures_ = 0;
    std::uint32_t blank_lines_ = 0;  // in a row
    Phase after_tls_ = Phase::greeted;
    Repairs repairs_;
    bool secured_ = false;
    bool data_refused_ = false;      // just now: the message may come all the same
    Verb too_long_ = Verb::unknown;  // of the line whose head was given up
    Trust trust_ = Trust::none;
};

using ServerPhases = std::uint16_t;  // a set of them

[[nodiscard]] constexpr ServerPhases operator|(ServerPhases a, Server::Phase b) noexcept {
    return static_cast<ServerPhases>(a | static_cast<ServerPhases>(b));
}
[[nodiscard]] constexpr ServerPhases operator|(Server::Phase a, Server::Phase b) noexcept {
    return static_cast<ServerPhases>(a) | b;
}
[[nodiscard]] constexpr bool contains(ServerPhases set, Server::Phase phase) noexcept {
    return (set & static_cast<ServerPhases>(phase)) != 0;
}
[[nodiscard]] std::string_view to_string(Server::Phase phase) noexcept;
[[nodiscard]] std::string_view to_string(BodyVerdict verdict) noexcept;
// The reply that a refused body gets at its end.
[[nodiscard]] Reply refusal(BodyVerdict verdict);

}  // namespace waxseal::smtp
