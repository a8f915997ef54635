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
    if (!credentials_ || settings_.auth == SaslChoice::none) return ready();
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

Client::Handled Client::begin_auth() {
    if (!proof_)
        return fail(FailureKind::credentials,
                    "credentials are never sent over a connection that is not verified TLS");
    if (!capabilities_.has(Extension::auth)) {
        return fail(FailureKind::credentials,
                    "the upstream does not offer AUTH, but a username is configured");
    }
    auto chosen = make_sasl_client(settings_.auth, capabilities_.auth_mechanisms, *credentials_,
                                   settings_.hmac_md5);
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
            sasl_ = *make_sasl_client(settings_.auth, capabilities_.auth_mechanisms, *credentials_,
                                      settings_.hmac_md5);
        }
        wipe(encoded);
    }
    send(Step::auth, line);
    wipe(line);
    return std::nullopt;
}

Client::Handled Client::on_auth(Reply& reply) {
    if (reply.code == 235) {
        if (!sasl_->finished())
            return fail(FailureKind::protocol,
                        "the upstream accepted credentials that were not sent yet");
        return ready();
    }
    if (reply.code != 334)
        return refused(FailureKind::credentials, "the upstream refused the login", reply);
    if (++sasl_rounds_ > limits::sasl_rounds)
        return fail(FailureKind::protocol, "the login does not end");
    auto answer = auth_answer(reply);
    send(Step::auth, answer ? *answer : "*");
    if (answer) wipe(*answer);
    return std::nullopt;
}

std::optional<std::string> Client::auth_answer(const Reply& reply) {
    // The prompts of LOGIN and PLAIN are for people, and servers send odd ones ("334 ok, go on"):
    // what they say does not matter. What is not base64 is an empty challenge, which no mechanism
    // that looks at it accepts.
    auto answer = sasl_->respond(base64_decode(reply.lines.front()).value_or(std::string()));
    if (!answer) return std::nullopt;
    return base64_encode(answer->reveal());
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

Client::Handled Client::on_message(Reply& reply) {
    in_transaction_ = false;
    if (reply.intermediate())
        return refused(FailureKind::protocol, "not an answer to end-of-data", reply);
    // Refused before it had read all: what is still to go out would be commands to it.
    if (unasked_ || !output_.empty()) enter(Phase::closing);
    return event::MessageReply{std::move(reply), false};
}

Client::Handled Client::on_reset(Reply& reply) {
    if (reply.positive()) in_transaction_ = false;
    return event::ResetReply{std::move(reply)};
}

Client::Handled Client::on_quit(Reply&) {
    enter(Phase::finished);
    return event::Closed{};
}

std::string_view to_string(Client::Step step) noexcept { return ClientTable::row(step).phrase; }

}  // namespace waxseal::smtp
