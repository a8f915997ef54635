// What each reply means to the client machine: the handlers of client_table.hpp. A handler either
// sends what follows and returns nothing, or returns the event.
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "smtp/base64.hpp"
#include "smtp/client.hpp"
#include "smtp/client_table.hpp"

namespace waxseal::smtp {

namespace event = client_event;

namespace {
// RFC 4954 4: an initial response that makes the command longer than the limit must not be sent
// with it. Servers hold AUTH to the plain 512 of RFC 5321, whatever else they accept.
constexpr std::size_t auth_line = 512;
}  // namespace

Client::Handled Client::on_greeting(Reply& reply) {
    if (settings_.security == Security::implicit && !proof_)
        return fail(FailureKind::tls, "data arrived in clear where TLS has to come first");
    if (reply.code != 220)
        return refused(FailureKind::unavailable, "refused at the greeting", reply);
    send(Step::ehlo, "EHLO " + settings_.hostname);
    return std::nullopt;
}

Client::Handled Client::on_ehlo(Reply& reply) {
    if (reply.code != 250) return refused(FailureKind::unavailable, "EHLO was refused", reply);
    capabilities_ = parse_ehlo(reply);
    return after_ehlo();
}

Client::Handled Client::after_ehlo() {
    if (settings_.security == Security::starttls && !proof_) {
        if (!capabilities_.has(Extension::starttls)) {
            return fail(FailureKind::tls,
                        "the upstream does not offer STARTTLS; waxseal does not go on in clear");
        }
        send(Step::starttls, "STARTTLS");
        return std::nullopt;
    }
    // Before the login: the upstream begins anew after it.
    if (const auto line =
            xclient_ ? write_xclient(*xclient_, capabilities_.xclient) : std::nullopt) {
        xclient_.reset();
        send(Step::xclient, *line);
        return std::nullopt;
    }
    // A client certificate may be all that EXTERNAL needs.
    const bool login = credentials_ || settings_.auth == SaslChoice::external;
    if (!login || settings_.auth == SaslChoice::none) return ready();
    return begin_auth();
}

Client::Handled Client::on_starttls(Reply& reply) {
    if (reply.code != 220) return refused(FailureKind::tls, "STARTTLS was refused", reply);
    if (replies_.buffered() != 0) {
        return fail(FailureKind::tls,
                    "data arrived in clear after STARTTLS: refusing (possible injection)");
    }
    // RFC 3207 4.2: everything learnt before TLS is discarded.
    capabilities_ = {};
    replies_.reset();
    enter(Phase::securing);
    return event::StartTls{};
}

// 220 is a greeting: the session begins anew, with EHLO, and with an offer for whom we speak for.
// If an upstream does not take what it offered to take, going on would pass its client off as us.
Client::Handled Client::on_xclient(Reply& reply) {
    if (reply.code != 220) return refused(FailureKind::unavailable, "XCLIENT was refused", reply);
    capabilities_ = {};
    send(Step::ehlo, "EHLO " + settings_.hostname);
    return std::nullopt;
}

Client::Handled Client::begin_auth() {
    if (!proof_)
        return fail(FailureKind::credentials,
                    "credentials are never sent over a connection that is not verified TLS");
    if (!capabilities_.has(Extension::auth)) {
        return fail(FailureKind::credentials,
                    "the upstream does not offer AUTH, but a username is configured");
    }
    auto chosen = exchange();
    if (!chosen) return fail(FailureKind::credentials, chosen.error().text);
    sasl_ = std::move(*chosen);
    mechanism_ = sasl_->mechanism();
    std::string line = "AUTH " + std::string(mechanism_);
    if (auto initial = sasl_->initial_response()) {
        std::string encoded = initial->empty() ? "=" : base64_encode(initial->reveal());
        if (line.size() + encoded.size() + 3 <= auth_line) {
            line.reserve(line.size() + encoded.size() + 1);  // no second copy of the credential
            line.append(1, ' ').append(encoded);
        } else {
            // It goes with the first 334 instead; the mechanism starts over.
            sasl_ = *exchange();
        }
        wipe(encoded);
    }
    send(Step::auth, line);
    wipe(line);
    return std::nullopt;
}

std::expected<std::unique_ptr<SaslClient>, Error> Client::exchange() const {
    static const Credentials none;
    return make_sasl_client(
        settings_.auth, capabilities_.auth_mechanisms, credentials_ ? *credentials_ : none,
        {settings_.crypto, settings_.server_host, settings_.server_port, certificate_});
}

Client::Handled Client::on_auth(Reply& reply) {
    if (reply.code == 235 && sasl_->finished()) return ready();
    if (reply.code == 235)
        return fail(FailureKind::protocol,
                    "the upstream accepted a login that is not complete" +
                        (cancelled_.empty() ? std::string() : ": " + cancelled_));
    if (reply.code != 334) return login_refused(reply);
    if (++sasl_rounds_ > limits::sasl_rounds || !cancelled_.empty())
        return fail(FailureKind::protocol, "the login does not end");
    auto answer = auth_answer(reply);
    send(Step::auth, answer ? *answer : "*");
    if (answer) wipe(*answer);
    return std::nullopt;
}

// The refusal itself is worth telling only if it judges the credentials: not after we gave up.
ClientEvent Client::login_refused(Reply& reply) {
    if (!cancelled_.empty())
        return refused(FailureKind::protocol, "the login was given up: " + cancelled_, reply);
    std::string what = "the upstream refused the login";
    const std::string_view complaint = sasl_->complaint();
    if (!complaint.empty() && !repeats_credential(complaint))
        what.append(" (").append(complaint).append(1, ')');
    ClientEvent failed = refused(FailureKind::credentials, what, reply);
    if (reply.transient() || reply.permanent()) std::get<event::Failed>(failed).refusal = reply;
    return failed;
}

std::optional<std::string> Client::auth_answer(const Reply& reply) {
    // The prompts of LOGIN and PLAIN are for people, and servers send odd ones ("334 ok, go on"):
    // what they say does not matter. What is not base64 is an empty challenge, which no mechanism
    // that looks at it accepts.
    auto answer = sasl_->respond(base64_decode(reply.lines.front()).value_or(std::string()));
    if (answer) return base64_encode(answer->reveal());
    cancelled_ = std::move(answer.error().text);
    return std::nullopt;
}

ClientEvent Client::ready() {
    enter(Phase::open);
    output_.wipe();
    sasl_.reset();
    return event::Ready{};
}

Client::Handled Client::on_mail(Reply& reply) {
    if (reply.intermediate()) return refused(FailureKind::protocol, "not an answer to MAIL", reply);
    if (!reply.positive()) in_transaction_ = false;
    return event::MailReply{std::move(reply)};
}

Client::Handled Client::on_rcpt(Reply& reply) {
    if (reply.intermediate()) return refused(FailureKind::protocol, "not an answer to RCPT", reply);
    return event::RcptReply{std::move(reply)};
}

Client::Handled Client::on_data(Reply& reply) {
    if (reply.positive()) return refused(FailureKind::protocol, "not an answer to DATA", reply);
    if (reply.intermediate()) {
        if (reply.code != 354)
            return refused(FailureKind::protocol, "not an answer to DATA", reply);
        encoder_ = DataEncoder();
        enter(Phase::body);
    }
    return event::DataReply{std::move(reply)};
}

// Refused in the middle: the upstream throws away what still comes, and what it would take for the
// message's end is not sent (or, sent already, answered likewise).
Client::Handled Client::on_chunk(Reply& reply) {
    if (reply.code == 250) return std::nullopt;
    in_transaction_ = false;
    if (!reply.transient() && !reply.permanent())
        return refused(FailureKind::protocol, "not an answer to BDAT", reply);
    const bool early = waiting_.empty() || waiting_.back().step != Step::message;
    enter(Phase::closing);
    return event::MessageReply{std::move(reply), early};
}

Client::Handled Client::on_message(Reply& reply) {
    in_transaction_ = false;
    // 250 and no other 2yz (RFC 5321 4.3.2): a 220 here is a stream out of step, and no promise.
    if (reply.intermediate() || (reply.positive() && reply.code != 250))
        return refused(FailureKind::protocol, "not an answer to end-of-data", reply);
    // Refused before it had read all: what is still to go out would be commands to it.
    if (unasked_ || !output_.empty()) enter(Phase::closing);
    return event::MessageReply{std::move(reply), false};
}

Client::Handled Client::on_reset(Reply& reply) { return event::ResetReply{std::move(reply)}; }

Client::Handled Client::on_quit(Reply&) {
    enter(Phase::finished);
    return event::Closed{};
}

std::string_view to_string(Client::Step step) noexcept { return ClientTable::row(step).phrase; }

}  // namespace waxseal::smtp
