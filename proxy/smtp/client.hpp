// The client machine: the side of SMTP that faces an upstream. Acts in, octets out; replies in,
// events out.
//
// RFC 5321 (4.3.1 sequencing), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 2920 (PIPELINING), RFC
// 3030 (CHUNKING), XCLIENT_README. No socket, no clock, no callback. Every command sent puts its
// step into a queue; every reply is matched with the step at the front, whose row in
// client_table.hpp says what follows. A reply to a command that has not gone out yet is a
// violation.
//
// Acts need not wait for replies: they go out at once where the upstream offers PIPELINING, and one
// after the other, each when the one before was answered, where it does not. Where it offers
// CHUNKING, too, the body travels as BDAT: data() sends nothing and the body may follow at once.
//
// Flow: secured() first when TLS is implicit, else the machine asks with StartTls at its time and
// then waits for secured();
//   receive()/end_of_input() as things arrive, next() until NeedInput; Ready ends the login. Then
//   for each transaction: mail(), rcpt()…, data(), and once phase() is body (at once, or with a
//   positive intermediate DataReply) body()…, end_of_data(); reset() or quit() in between. Acts
//   assert that they are legal. Failed is the end: abort the channel, send nothing more.
// Never: plaintext after a failed STARTTLS, a credential without a VerifiedPeer, the end mark of an
// incomplete message.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/channel.hpp"
#include "base/error.hpp"
#include "base/timer.hpp"
#include "base/verified.hpp"
#include "smtp/capabilities.hpp"
#include "smtp/data.hpp"
#include "smtp/parameters.hpp"
#include "smtp/path.hpp"
#include "smtp/reply.hpp"
#include "smtp/sasl.hpp"
#include "smtp/xclient.hpp"

namespace waxseal::smtp {

enum class Security : std::uint8_t {
    implicit,   // TLS before the first octet
    starttls,   // required: no STARTTLS, no session
    cleartext,  // by explicit configuration only; never with credentials
};

struct ClientSettings {
    std::string hostname;  // our own name, for EHLO; the downstream's name never travels
    Security security = Security::implicit;
    SaslChoice auth = SaslChoice::automatic;
    SaslCrypto crypto{};
    // As they are configured, for a mechanism that repeats them; empty and 0: not said.
    std::string server_host{};
    std::uint16_t server_port = 0;
};

namespace client_event {
struct NeedInput {};
struct StartTls {};  // begin the handshake now, then call secured()
struct Ready {};     // logged in; capabilities() are the upstream's
struct MailReply {
    Reply reply;
};
struct RcptReply {
    Reply reply;
};
struct DataReply {
    Reply reply;  // 354, or a refusal
};
struct MessageReply {
    Reply reply;  // to end-of-data; or early: a refusal before it was sent, after which only abort
                  // is left
    bool early;
};
struct ResetReply {
    Reply reply;
};
struct Closed {};  // the upstream closed while nothing was owed (or after QUIT)
struct Failed {
    Failure failure;
    // The upstream's own refusal of the credentials, for a downstream whose credentials they are;
    // nothing where it would repeat them.
    std::optional<Reply> refusal = std::nullopt;
};
}  // namespace client_event

using ClientEvent =
    std::variant<client_event::NeedInput, client_event::StartTls, client_event::Ready,
                 client_event::MailReply, client_event::RcptReply, client_event::DataReply,
                 client_event::MessageReply, client_event::ResetReply, client_event::Closed,
                 client_event::Failed>;

class Client {
  public:
    enum class Phase : std::uint8_t {
        // From the greeting to the end of the login. No act but secured() is legal.
        login,
        // 220 to STARTTLS has come; everything learnt so far is forgotten; the handshake is the
        // owner's.
        securing,
        // Logged in. Commands may be sent, pipelined or not.
        open,
        // The upstream has said 354, or takes chunks: everything sent is message content.
        body,
        // An early refusal or QUIT: nothing more may be sent.
        closing,
        // Failed or Closed was told.
        finished,
    };
    // One for each command whose reply is waited for.
    enum class Step : std::uint8_t {
        greeting,
        ehlo,
        starttls,
        xclient,
        auth,
        mail,
        rcpt,
        data,
        chunk,  // BDAT that is not the last
        message,
        reset,
        quit
    };
    static constexpr std::size_t step_count = 12;

    // `settings` must outlive the machine. The credentials are those of this one login; with none
    // there is no login.
    // An Xclient is sent to an upstream that offers to take it.
    Client(const ClientSettings& settings, std::optional<Credentials> credentials,
           std::optional<Xclient> xclient = std::nullopt);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // TLS is up. The proof is needed before any credential is sent; none only where TLS is not
    // (Security::cleartext).
    void secured(VerifiedPeer proof, ClientCertificate certificate = ClientCertificate::none);

    void receive(std::string_view bytes);
    void end_of_input(EndOfInput how, std::string_view reason);
    [[nodiscard]] ClientEvent next();

    void mail(const Path& reverse_path, const MailParameters& parameters);
    void rcpt(const Path& forward_path, const RcptParameters& parameters);
    void data();
    void body(std::string_view decoded);
    void end_of_data();
    void reset();
    void quit();

    [[nodiscard]] std::string_view output() const noexcept { return output_.front(); }
    void sent(std::size_t n) noexcept;
    [[nodiscard]] std::size_t pending() const noexcept { return output_.size(); }
    [[nodiscard]] Timer timer() const noexcept;
    // For a log or a failure: "the reply to MAIL".
    [[nodiscard]] std::string_view waiting_for() const noexcept;
    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    // Logged in, nothing owed, no transaction: QUIT or MAIL may be sent.
    [[nodiscard]] bool idle() const noexcept;
    // MAIL was sent, and neither has the upstream ended the transaction nor was it told to.
    [[nodiscard]] bool in_transaction() const noexcept { return in_transaction_; }
    // The reply to DATA has not come: what follows decides what comes next, so RSET has to wait.
    [[nodiscard]] bool awaits_go_ahead() const noexcept;
    // MAIL commands sent so far.
    [[nodiscard]] std::uint64_t mails() const noexcept { return mails_; }
    // As many MAIL commands were sent as the upstream takes on a connection (RFC 9422 4.1 MAILMAX).
    [[nodiscard]] bool used_up() const noexcept {
        return capabilities_.limits.mail_max && mails_ >= *capabilities_.limits.mail_max;
    }
    [[nodiscard]] const Capabilities& capabilities() const noexcept { return capabilities_; }
    // The mechanism that was used; empty when there was no login.
    [[nodiscard]] std::string_view mechanism() const noexcept { return mechanism_; }

  private:
    friend struct ClientTable;
    using Handled = std::optional<ClientEvent>;  // nothing: go on with the next reply

    void enter(Phase phase) noexcept { phase_ = phase; }
    struct Command {
        Step step;
        std::string line;  // without CRLF
    };
    struct Awaited {
        Step step;
        std::uint64_t end;  // of its octets, counted from the first that was ever sent
    };
    void send(Step step, std::string_view line);
    void write(Step step, std::string_view line);
    void write_waiting();
    void chunk(std::string_view decoded);
    void write_chunk(Step step, std::string_view content);
    void append(std::string_view octets);
    void await(Step step);
    [[nodiscard]] ClientEvent fail(FailureKind kind, std::string reason);
    // In the upstream's own words.
    [[nodiscard]] ClientEvent refused(FailureKind kind, std::string_view what, Reply& reply);
    // Many servers echo what they refuse: words that repeat a credential go no further.
    void withhold_credential(Reply& reply) const;
    [[nodiscard]] bool repeats_credential(std::string_view text) const;
    [[nodiscard]] ClientEvent login_refused(Reply& reply);
    [[nodiscard]] Handled take_reply(Reply reply);
    [[nodiscard]] ClientEvent unsolicited(Reply reply);
    [[nodiscard]] ClientEvent ended();
    [[nodiscard]] Handled after_ehlo();
    [[nodiscard]] Handled begin_auth();
    [[nodiscard]] std::expected<std::unique_ptr<SaslClient>, Error> exchange() const;
    [[nodiscard]] ClientEvent ready();
    [[nodiscard]] std::optional<std::string> auth_answer(const Reply& reply);

    [[nodiscard]] Handled on_greeting(Reply& reply);
    [[nodiscard]] Handled on_ehlo(Reply& reply);
    [[nodiscard]] Handled on_starttls(Reply& reply);
    [[nodiscard]] Handled on_xclient(Reply& reply);
    [[nodiscard]] Handled on_auth(Reply& reply);
    [[nodiscard]] Handled on_mail(Reply& reply);
    [[nodiscard]] Handled on_rcpt(Reply& reply);
    [[nodiscard]] Handled on_data(Reply& reply);
    [[nodiscard]] Handled on_chunk(Reply& reply);
    [[nodiscard]] Handled on_message(Reply& reply);
    [[nodiscard]] Handled on_reset(Reply& reply);
    [[nodiscard]] Handled on_quit(Reply& reply);

    const ClientSettings& settings_;
    std::optional<Credentials> credentials_;
    std::optional<Xclient> xclient_;  // until it is sent
    Phase phase_ = Phase::login;
    std::deque<Awaited> waiting_;
    std::deque<Command> held_back_;  // until nothing is waited for: no PIPELINING
    ReplyParser replies_;
    ByteQueue output_;
    std::uint64_t written_ = 0;  // octets that went into output_, and out of it
    std::uint64_t sent_ = 0;
    Capabilities capabilities_;
    std::optional<VerifiedPeer> proof_;
    ClientCertificate certificate_ = ClientCertificate::none;
    std::unique_ptr<SaslClient> sasl_;  // during the login only
    std::string_view mechanism_;        // a name with static storage
    std::size_t sasl_rounds_ = 0;
    std::string cancelled_;  // why we have answered a challenge with "*"
    DataEncoder encoder_;
    std::string scratch_;  // stuffed, or the chunk that is still to grow
    std::uint64_t mails_ = 0;
    bool in_transaction_ = false;
    enum class Framing : std::uint8_t { data, chunks } framing_ = Framing::data;
    bool unasked_ = false;  // octets came while nothing was asked: the next reply answers nothing
    struct End {
        EndOfInput how;
        std::string reason;
    };
    std::optional<End> end_;
};

[[nodiscard]] std::string_view to_string(Client::Step step) noexcept;

}  // namespace waxseal::smtp
