#include "unit/smtp/joined_parts.hpp"

#include <doctest/doctest.h>

#include <utility>
#include <variant>

#include "unit/support/verified.hpp"

namespace waxseal::testing {

using namespace smtp;

namespace {
const Reply later = make_reply(451, {4, 4, 2}, "Upstream is lost");
}

// --- StrictUpstream

StrictUpstream::StrictUpstream(Chance& chance, bool refuses)
    : out("220 up.test\r\n"), chance_(chance), refuses_(refuses) {}

void StrictUpstream::take(std::string_view bytes) {
    buffer_ += bytes;
    while (in_message_ ? take_message() : take_line()) {
    }
}

bool StrictUpstream::take_line() {
    const std::size_t end = buffer_.find("\r\n");
    if (end == std::string::npos) return false;
    const std::string line = buffer_.substr(0, end + 2);
    buffer_.erase(0, line.size());
    const bool refuse = refuses_ && chance_.one_in(6) && !line.starts_with("EHLO");
    if (!(refuse && line == "DATA\r\n")) log_ += line;
    if (refuse) {
        out += chance_.one_in(2) ? "450 4.2.0 Not now\r\n" : "550 5.7.1 Not you\r\n";
    } else if (line.starts_with("EHLO")) {
        out += "250-up.test\r\n250-8BITMIME\r\n250 SIZE\r\n";
    } else if (line == "DATA\r\n") {
        out += "354 Go\r\n";
        in_message_ = true;
    } else {
        out += "250 2.0.0 Ok\r\n";
    }
    return true;
}

bool StrictUpstream::take_message() {
    const bool empty = buffer_.starts_with(".\r\n");
    const std::size_t found = buffer_.find("\r\n.\r\n");
    if (!empty && found == std::string::npos) return false;
    const std::size_t content = empty ? 0 : found + 2;
    const std::string message = buffer_.substr(0, content);
    log_ += buffer_.substr(0, content + 3);
    buffer_.erase(0, content + 3);
    in_message_ = false;
    ++ends;
    if (refuses_ && chance_.one_in(6)) {
        out += "554 5.6.0 Spam\r\n";
        return true;
    }
    messages.push_back(message);
    out += "250 2.0.0 Queued\r\n";
    return true;
}

// --- PlainRelay

PlainRelay::PlainRelay(Chance& chance, const ServerSettings& server_settings,
                       const ClientSettings& client_settings, bool refuses)
    : server(server_settings),
      chance_(chance),
      client_settings_(client_settings),
      refuses_(refuses) {
    server.greet();
}

bool PlainRelay::step_server() {
    const ServerEvent told = server.next();
    if (std::holds_alternative<server_event::NeedInput>(told) ||
        std::holds_alternative<server_event::Paused>(told))
        return false;
    on(told);
    return true;
}

bool PlainRelay::step_client() {
    if (!client) return false;
    const ClientEvent told = client->next();
    if (std::holds_alternative<client_event::NeedInput>(told)) return false;
    on(told);
    return true;
}

void PlainRelay::on(const ServerEvent& told) {
    if (const auto* hello = std::get_if<server_event::Hello>(&told)) {
        if (hello->aborted) reset_upstream();
        server.hello({});
    } else if (const auto* mail = std::get_if<server_event::Mail>(&told)) {
        begin(*mail);
    } else if (const auto* rcpt = std::get_if<server_event::Rcpt>(&told)) {
        client->rcpt(rcpt->forward_path, rcpt->parameters);
    } else if (std::holds_alternative<server_event::DataRequested>(told)) {
        client->data();
    } else if (const auto* body = std::get_if<server_event::Body>(&told)) {
        if (!verdict_) client->body(body->content);
    } else if (std::holds_alternative<server_event::BodyRefused>(told)) {
        drop();
        verdict_ = later;
    } else if (const auto* end = std::get_if<server_event::BodyEnd>(&told)) {
        end_body(*end);
    } else if (std::holds_alternative<server_event::Reset>(told)) {
        reset_upstream();
    } else {
        drop();  // Quit, Violation, Disconnected
    }
}

void PlainRelay::begin(server_event::Mail mail) {
    verdict_.reset();
    mail_ = std::move(mail);
    if (client && client->phase() != Client::Phase::open && client->phase() != Client::Phase::login)
        drop();
    if (!client) {
        client = std::make_unique<Client>(client_settings_, std::nullopt);
        client->secured(VerifiedAccess::make());
        upstreams.push_back(std::make_unique<StrictUpstream>(chance_, refuses_));
    }
    send_mail();
}

void PlainRelay::send_mail() {
    if (mail_ && client && client->idle()) client->mail(mail_->reverse_path, mail_->parameters);
}

void PlainRelay::end_body(const server_event::BodyEnd& end) {
    if (end.verdict != BodyVerdict::acceptable) {
        drop();
        verdict_ = refusal(end.verdict);
    }
    if (!verdict_) return client->end_of_data();
    server.reply(*std::exchange(verdict_, std::nullopt));
}

void PlainRelay::answer_message(Reply reply) {
    if (reply.code == 421) reply.code = 451;
    if (reply.positive()) ++accepted;
    server.reply(reply);
}

void PlainRelay::on(const ClientEvent& told) {
    if (std::holds_alternative<client_event::Ready>(told)) return send_mail();
    if (const auto* mail = std::get_if<client_event::MailReply>(&told)) {
        mail_.reset();
        server.reply(mail->reply);
    } else if (const auto* rcpt = std::get_if<client_event::RcptReply>(&told)) {
        server.reply(rcpt->reply);
    } else if (const auto* data = std::get_if<client_event::DataReply>(&told)) {
        server.reply(data->reply);
        if (!data->reply.intermediate()) client->reset();
    } else if (const auto* message = std::get_if<client_event::MessageReply>(&told)) {
        REQUIRE_FALSE(message->early);  // this upstream never does
        answer_message(message->reply);
    } else if (const auto* reset = std::get_if<client_event::ResetReply>(&told)) {
        if (!reset->reply.positive()) {
            drop();
            if (mail_) begin(*mail_);
        } else {
            send_mail();
        }
    } else {
        lost();  // Closed, Failed
    }
}

// Ends the upstream's transaction, if it is in one.
void PlainRelay::reset_upstream() {
    if (!client || !client->in_transaction()) return;
    if (client->phase() == Client::Phase::open) return client->reset();
    drop();
}

// Says nothing more, whatever was being said.
void PlainRelay::drop() {
    if (!client) return;
    client.reset();
    upstreams.back()->dead = true;
}

void PlainRelay::lost() {
    drop();
    mail_.reset();
    if (server.phase() == Server::Phase::body && !server.owes()) {
        verdict_ = later;
        return;
    }
    while (server.owes()) server.reply(later);
    server.doom(later);
}

}  // namespace waxseal::testing
