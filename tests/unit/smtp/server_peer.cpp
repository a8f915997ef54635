#include "unit/smtp/server_peer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "unit/support/split.hpp"

namespace waxseal::testing {

using namespace smtp;
namespace event = smtp::server_event;

namespace {

std::string text(const MailParameters& p) {
    std::string out;
    if (p.size) out += " size=" + std::to_string(*p.size);
    if (p.body == Body::seven_bit) out += " 7bit";
    if (p.body == Body::eight_bit_mime) out += " 8bitmime";
    if (p.ret == Ret::full) out += " full";
    if (p.ret == Ret::headers) out += " hdrs";
    if (!p.envid.empty()) out += " envid=" + p.envid;
    if (p.smtputf8) out += " smtputf8";
    if (p.auth) out += " auth";
    return out;
}

std::string text(const RcptParameters& p) {
    std::string out;
    if (p.notify) out += p.notify->never ? " never" : " notify=" + std::to_string(p.notify->events);
    if (!p.orcpt.empty()) out += " orcpt=" + p.orcpt;
    return out;
}

// The event on a line; empty for those that say only "wait", and for content.
struct Line {
    std::string operator()(const event::NeedInput&) const { return {}; }
    std::string operator()(const event::Paused&) const { return {}; }
    std::string operator()(const event::Body&) const { return {}; }
    std::string operator()(const event::Hello& hello) const {
        return std::string(hello.esmtp ? "ehlo " : "helo ") + std::string(hello.name) +
               (hello.aborted ? " aborted" : "");
    }
    std::string operator()(const event::Mail& mail) const {
        return "mail " + mail.reverse_path.text() + text(mail.parameters);
    }
    std::string operator()(const event::Rcpt& rcpt) const {
        return "rcpt " + rcpt.forward_path.text() + text(rcpt.parameters);
    }
    std::string operator()(const event::DataRequested&) const { return "data"; }
    std::string operator()(const event::BodyRefused&) const { return "body refused"; }
    std::string operator()(const event::BodyEnd& end) const {
        return "end " + std::string(to_string(end.verdict)) +
               " octets=" + std::to_string(end.findings.octets) +
               (end.findings.bare_lf != 0 ? " lf=" + std::to_string(end.findings.bare_lf) : "") +
               (end.findings.bare_cr != 0 ? " cr=" + std::to_string(end.findings.bare_cr) : "");
    }
    std::string operator()(const event::StartTls& tls) const {
        return std::string("starttls") + (tls.aborted ? " aborted" : "");
    }
    std::string operator()(const event::Auth& auth) const {
        return "auth " + auth.mechanism +
               (auth.initial ? " [" + std::string(auth.initial->reveal()) + "]" : "");
    }
    std::string operator()(const event::AuthResponse& told) const {
        return "response [" + std::string(told.response.reveal()) + "]";
    }
    std::string operator()(const event::AuthCancelled& told) const {
        return "auth cancelled: " + std::string(told.reason);
    }
    std::string operator()(const event::Reset&) const { return "reset"; }
    std::string operator()(const event::Quit&) const { return "quit"; }
    std::string operator()(const event::Violation& violation) const {
        return "violation " + std::string(violation.reason);
    }
    std::string operator()(const event::Disconnected& gone) const {
        return gone.in_body ? "disconnected in body" : "disconnected";
    }
};

bool begins(std::string_view whole, std::string_view part) { return whole.starts_with(part); }

}  // namespace

ServerPeer::ServerPeer(const ServerScenario& scenario)
    : handshakes_(scenario.tls != ServerScenario::Tls::fails),
      answers_(scenario.answers),
      server_(scenario.settings) {
    if (scenario.tls == ServerScenario::Tls::implicit) server_.secured();
    server_.greet();
}

void ServerPeer::note(const std::string& line) { run_.events += line + "\n"; }

void ServerPeer::answer(std::deque<Reply>& answers, Reply friendly) {
    if (!answers.empty()) {
        friendly = answers.front();
        answers.pop_front();
    }
    server_.reply(friendly);
}

// The next of the answers; friendly, it takes what was said for the whole of the exchange.
void ServerPeer::authenticate() {
    if (!answers_.auth.empty() && answers_.auth.front().intermediate()) {
        const std::string challenge = answers_.auth.front().lines.front();
        answers_.auth.pop_front();
        return server_.challenge(challenge);
    }
    answer(answers_.auth, make_reply(235, {2, 7, 0}, "Authentication successful"));
}

// False when the machine waits.
bool ServerPeer::take(const ServerEvent& told) {
    if (std::holds_alternative<event::NeedInput>(told)) return false;
    if (std::holds_alternative<event::Paused>(told)) return false;
    if (const auto* body = std::get_if<event::Body>(&told)) {
        CHECK_FALSE(body->content.empty());
        CHECK_FALSE(refused_);
        body_ += body->content;
        return true;
    }
    if (std::holds_alternative<event::BodyRefused>(told)) {
        body_.clear();
        refused_ = true;
    }
    if (std::holds_alternative<event::BodyEnd>(told)) {
        if (!refused_ && !body_.empty()) note("body " + body_);
        body_.clear();
        refused_ = false;
    }
    note(std::visit(Line{}, told));
    ++count_;
    const bool auth = std::holds_alternative<event::Auth>(told) ||
                      std::holds_alternative<event::AuthResponse>(told);
    const bool owes = auth || std::holds_alternative<event::Mail>(told) ||
                      std::holds_alternative<event::Rcpt>(told) ||
                      std::holds_alternative<event::DataRequested>(told) ||
                      std::holds_alternative<event::BodyEnd>(told) ||
                      std::holds_alternative<event::Hello>(told);
    CHECK(server_.owes() == owes);
    if (owes) {
        // Until it is answered nothing else happens (but RCPT behind RCPT), and nobody is late.
        if (!std::holds_alternative<event::Rcpt>(told))
            CHECK(std::holds_alternative<event::Paused>(server_.next()));
        CHECK(server_.timer() == Timer::none);
        CHECK_FALSE(server_.idle());
    }
    if (auth) authenticate();
    if (std::holds_alternative<event::Hello>(told)) server_.hello(answers_.offer);
    if (std::holds_alternative<event::Mail>(told))
        answer(answers_.mail, make_reply(250, {2, 1, 0}, "Sender ok"));
    if (std::holds_alternative<event::Rcpt>(told))
        answer(answers_.rcpt, make_reply(250, {2, 1, 5}, "Recipient ok"));
    if (std::holds_alternative<event::DataRequested>(told))
        answer(answers_.data, make_reply(354, "End data with <CR><LF>.<CR><LF>"));
    if (std::holds_alternative<event::BodyEnd>(told))
        answer(answers_.message, make_reply(250, {2, 0, 0}, "Queued"));
    return true;
}

void ServerPeer::run() {
    for (;;) {
        while (take(server_.next())) {
            if (after_event) after_event();
        }
        if (!server_.output().empty()) {
            run_.output += server_.output();
            server_.sent(server_.output().size());
        } else if (server_.phase() == Server::Phase::securing && handshakes_) {
            server_.secured();
            note("secured");
        } else {
            return;
        }
    }
}

void ServerPeer::send(std::string_view bytes) {
    server_.receive(bytes);
    run();
}

void ServerPeer::end_input() {
    server_.end_of_input();
    run();
}

ServerRun ServerPeer::result() const {
    ServerRun run = run_;
    run.unended = body_;
    run.finished = server_.finished();
    return run;
}

ServerRun play(const ServerScenario& scenario) {
    ServerPeer peer(scenario);
    peer.run();
    for (const std::string& segment : scenario.segments) peer.send(segment);
    return peer.result();
}

void expect(const ServerScenario& scenario, std::string_view events, std::string_view output) {
    const ServerRun whole = play(scenario);
    CHECK(whole.events == events);
    CHECK(whole.output == greeting + std::string(output));
    // Each segment cut in every way, while the others stay whole.
    for (std::size_t cut_one = 0; cut_one < scenario.segments.size(); ++cut_one) {
        bool same = true;
        for_each_split(scenario.segments[cut_one], [&](const Chunks& chunks) {
            ServerPeer peer(scenario);
            peer.run();
            for (std::size_t i = 0; i < scenario.segments.size(); ++i) {
                if (i != cut_one) peer.send(scenario.segments[i]);
                if (i != cut_one) continue;
                for (const std::string_view chunk : chunks) peer.send(chunk);
            }
            if (same) same = peer.result() == whole;
        });
        CHECK_MESSAGE(same, "cutting segment " << cut_one << " changes the outcome");
    }
}

namespace {

void stop_after_each_octet(const ServerScenario& scenario, const ServerRun& whole) {
    std::size_t total = 0;
    for (const std::string& segment : scenario.segments) total += segment.size();
    for (std::size_t stop = 0; stop <= total; ++stop) {
        ServerPeer peer(scenario);
        peer.run();
        std::size_t left = stop;
        for (const std::string& segment : scenario.segments) {
            const std::size_t part = std::min(left, segment.size());
            peer.send(std::string_view(segment).substr(0, part));
            left -= part;
        }
        const bool in_body = peer.server().phase() == Server::Phase::body;
        const bool over = peer.server().finished();
        const std::string before = peer.result().output;
        peer.end_input();
        const ServerRun run = peer.result();
        const std::string end = in_body ? "disconnected in body\n" : "disconnected\n";
        CHECK(run.finished);
        CHECK(run.output == before);  // nobody is there to read an answer
        CHECK(begins(whole.output, run.output));
        if (over) {
            CHECK(run == whole);
            continue;
        }
        REQUIRE(run.events.ends_with(end));
        const std::string so_far = run.events.substr(0, run.events.size() - end.size());
        CHECK(begins(whole.events, so_far));
        // Told once.
        CHECK(std::holds_alternative<event::NeedInput>(peer.server().next()));
    }
}

void shut_down_after_each_event(const ServerScenario& scenario) {
    ServerPeer counter(scenario);
    counter.run();
    for (const std::string& segment : scenario.segments) counter.send(segment);
    for (std::size_t stop = 1; stop <= counter.events(); ++stop) {
        ServerPeer peer(scenario);
        bool done = false;
        peer.after_event = [&] {
            if (peer.events() != stop || std::exchange(done, true)) return;
            if (peer.server().finished()) return;
            // In the middle of a handshake there is nobody to say it to.
            const bool silent = peer.server().phase() == Server::Phase::securing;
            peer.server().shut_down(make_reply(421, {4, 3, 2}, "Bye"));
            CHECK(peer.server().output().ends_with("421 4.3.2 Bye\r\n") == !silent);
        };
        peer.run();
        for (const std::string& segment : scenario.segments) peer.send(segment);
        CHECK(peer.events() == stop);
        CHECK(peer.server().finished());
        CHECK(peer.server().timer() == Timer::none);
        CHECK(peer.server().buffered() == 0);
    }
}

}  // namespace

void expect_safe_everywhere(const ServerScenario& scenario) {
    stop_after_each_octet(scenario, play(scenario));
    shut_down_after_each_event(scenario);
}

void expect_all(const ServerScenario& scenario, std::string_view events, std::string_view output) {
    expect(scenario, events, output);
    expect_safe_everywhere(scenario);
}

}  // namespace waxseal::testing
