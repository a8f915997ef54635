// TLS and logins towards the downstream: STARTTLS, AUTH in all its modes, client certificates, and
// which upstreams follow from who the client is.
//
// RFC 3207 4 (what was learnt before TLS is forgotten), RFC 4954 4 (AUTH).
#include <utility>

#include "base/log.hpp"
#include "relay/replies.hpp"
#include "relay/session.hpp"

namespace waxseal::relay {

namespace event = smtp::server_event;

namespace {

// RFC 4954 6: a login that failed for a reason that is not the credentials'.
smtp::Reply not_now(FailureKind kind) {
    smtp::Reply reply = reply_for(kind);
    reply.code = 454;
    return reply;
}

}  // namespace

// --- TLS

void Session::on(event::StartTls told) {
    if (told.aborted) on(event::Reset{});
    drop_connection();
    forget_client();
}

// Once 220 has gone out. Until then, which is what is returned, the client's part of it waits with
// the kernel: read now it would be data in clear.
bool Session::begin_handshake() {
    if (server_.phase() != smtp::Server::Phase::securing || channel_->tls() != TlsPhase::none ||
        channel_->end() != EndOfInput::none)
        return false;
    if (!server_.output().empty() || !channel_->flushed()) return true;
    channel_->start_tls();
    return false;
}

// Between 220 and the end of the handshake. Nothing of what arrives is looked at here: what came in
// clear is the channel's to refuse.
bool Session::secure() {
    if (channel_->tls() == TlsPhase::established) {
        downstream_secured();
        return true;
    }
    if (input_ended_ || channel_->end() == EndOfInput::none) return false;
    input_ended_ = true;
    const std::string reason =
        channel_->end() == EndOfInput::clean ? "the client closed" : channel_->failure().reason;
    complain("client_tls_failed", "tls",
             {{"session", record_.id}, {"client", record_.client}, {"reason", reason}});
    record_.end = "tls_failed";
    server_.end_of_input();
    // Told as the end of the session, of which the end is known already.
    (void)server_.next();
    abandon("aborted");
    return true;
}

void Session::downstream_secured() {
    record_.downstream_tls = channel_->tls_details();
    server_.secured();
    if (record_.downstream_tls.client_certificate) server_.vouched_for();
}

// RFC 3207 4.2: of what the client said in clear nothing counts any more.
void Session::forget_client() {
    retire(reactor_, std::move(login_));
    user_.reset();
    record_.user.clear();
    record_.helo.clear();
    offered_ = 0;
}

// --- logins

void Session::on(event::Auth auth) {
    login_ = std::make_unique<Login>(reactor_, services_, *settings_->authenticator, client_.ip,
                                     auth.mechanism, [this] { pump(); });
    login_->receive(std::move(auth.initial));
}

void Session::on(event::AuthResponse told) { login_->receive(std::move(told.response)); }

void Session::on(event::AuthCancelled) { retire(reactor_, std::move(login_)); }

void Session::on(const Login::Ask& ask) { server_.challenge(ask.challenge); }

void Session::on(const Login::Accepted& accepted) {
    user_ = accepted.user;
    record_.user = accepted.name;
    retire(reactor_, std::move(login_));
    server_.reply(smtp::make_reply(235, {2, 7, 0}, "Authentication successful"));
}

void Session::on(const Login::Rejected& rejected) {
    const log::Fields told{{"session", record_.id},
                           {"listener", record_.listener},
                           {"client", record_.client},
                           {"user", rejected.user},
                           {"mechanism", login_->mechanism()},
                           {"reason", rejected.why},
                           {"reply", smtp::summary(rejected.reply)}};
    // What was judged, and so has cost the client a delay, is told each time.
    if (rejected.judged) {
        log::warn("login_failed", told);
    } else {
        complain("login_failed", rejected.why, told);
    }
    retire(reactor_, std::move(login_));
    server_.reply(rejected.reply);
}

// Of what a client can repeat as fast as it likes: once a minute, with how often it was.
void Session::complain(std::string_view event, std::string_view kind, log::Fields fields) {
    const auto count = services_.refusals.note(kind, client_.ip, reactor_.now());
    if (!count) return;
    if (*count > 1) fields.emplace_back("count", *count);
    log::warn(event, fields);
}

// The downstream's own credentials, to be judged by the upstream; login_ stays until it has.
void Session::on(Login::Collected collected) {
    drop_connection();
    record_.user = collected.credentials.username;
    upstream_ = std::make_unique<upstream::Connector>(
        reactor_, destination(nullptr),
        upstream::Borrower{.label = record_.id,
                           .credentials = std::move(collected.credentials),
                           .client = xclient()},
        [this] { pump(); });
}

void Session::tried(upstream::Connector::Outcome outcome,
                    const std::optional<smtp::Reply>& refusal) {
    if (outcome) {
        adopt(*std::move(outcome));
        retire(reactor_, std::move(login_));
        return server_.reply(smtp::make_reply(235, {2, 7, 0}, "Authentication successful"));
    }
    drop_connection();
    const std::string user = std::exchange(record_.user, {});
    const FailureKind kind = outcome.error().kind;
    if (kind == FailureKind::credentials && refusal && refusal->permanent())
        return login_->refused_elsewhere(for_downstream(*refusal));
    const smtp::Reply reply = refusal ? for_downstream(*refusal) : not_now(kind);
    on(Login::Rejected{reply, "not judged by the upstream", user});
}

bool Session::passes_through() const noexcept {
    return settings_->authenticator && settings_->authenticator->mode() == auth::Mode::passthrough;
}

// --- where to

const upstream::Connector::Providers& Session::destination(const smtp::Path* reverse_path) const {
    static const upstream::Connector::Providers nobody;
    const auto own = user_ && !user_->upstream.empty() ? settings_->by_name.find(user_->upstream)
                                                       : settings_->by_name.end();
    const auto& of_user = own == settings_->by_name.end() ? nobody : own->second;
    // A name counts only where somebody answers for it: one of our users, or the upstream that is
    // to judge it.
    const std::string_view name = user_              ? std::string_view(user_->name)
                                  : passes_through() ? std::string_view(record_.user)
                                                     : std::string_view();
    if (settings_->routes)
        return settings_->routes->choose({record_.listener, name, reverse_path}, of_user,
                                         settings_->providers);
    return of_user.empty() ? settings_->providers : of_user;
}

}  // namespace waxseal::relay
