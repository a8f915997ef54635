#include "unit/smtp/client_peer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <variant>

#include "unit/support/split.hpp"
#include "unit/support/verified.hpp"

namespace waxseal::testing {

using namespace smtp;
namespace event = smtp::client_event;

namespace {

struct Line {
    std::string operator()(const event::NeedInput&) const { return {}; }
    std::string operator()(const event::StartTls&) const { return "starttls"; }
    std::string operator()(const event::Ready&) const { return "ready"; }
    std::string operator()(const event::MailReply& told) const {
        return "mail " + summary(told.reply);
    }
    std::string operator()(const event::RcptReply& told) const {
        return "rcpt " + summary(told.reply);
    }
    std::string operator()(const event::DataReply& told) const {
        return "data " + summary(told.reply);
    }
    std::string operator()(const event::MessageReply& told) const {
        return (told.early ? "early " : "message ") + summary(told.reply);
    }
    std::string operator()(const event::ResetReply& told) const {
        return "reset " + summary(told.reply);
    }
    std::string operator()(const event::Closed&) const { return "closed"; }
    std::string operator()(const event::Failed& told) const {
        return "failed " + std::string(to_string(told.failure.kind)) + ": " + told.failure.reason;
    }
};

Path path(const std::string& text, PathKind kind) {
    auto parsed = parse_path(text, kind);
    REQUIRE(parsed.has_value());
    return parsed->path;
}

// Plays the steps before `stop`, and of step `stop` all but the answer. False when it ended early.
bool play_until(ClientPeer& peer, const ClientScenario& scenario, std::size_t stop) {
    peer.run();
    for (std::size_t i = 0; i <= stop; ++i) {
        const ClientStep& step = scenario.steps[i];
        if (step.act) {
            step.act(peer.client());
            peer.run();
        }
        REQUIRE(peer.fresh() == step.expect);
        if (i == stop) break;
        peer.receive(step.reply);
    }
    return !peer.result().failed;
}

// What must be true wherever a run has stopped.
void check_bounds(ClientPeer& peer, const std::string& before) {
    const ClientRun& run = peer.result();
    if (peer.client().phase() == Client::Phase::finished) {
        CHECK(peer.client().output().empty());
        CHECK(peer.client().timer() == Timer::none);
        peer.receive("250 2.0.0 Late\r\n");
        CHECK(std::holds_alternative<event::NeedInput>(peer.client().next()));
    }
    // Whatever was said after the fault: never the end of a message.
    const std::string after = run.output.substr(before.size());
    CHECK(after.find("\r\n.\r\n") == std::string::npos);
    CHECK_FALSE(after.starts_with(".\r\n"));
    if (peer.secured()) return;
    for (const std::string_view word : {"AUTH", "MAIL", "RCPT", "DATA"})
        CHECK(run.output.find(word) == std::string::npos);
}

struct Wrong {
    std::string_view name;
    std::string reply;
    bool fatal;  // whatever was waited for
};

std::vector<Wrong> wrongs(const ClientStep& step) {
    return {{"nothing but a line end", "\r\n", true},
            {"garbage", "hello there\r\n", true},
            {"bare LF", "250 ok\n", true},
            {"bare CR", "250 ok\r250 ok\r\n", true},
            {"NUL", std::string("250 o\0k\r\n", 9), true},
            {"a code out of range", "650 ok\r\n", true},
            {"two codes in a reply", "250-ok\r\n251 ok\r\n", true},
            {"an overlong line", "250 " + std::string(5000, 'x') + "\r\n", true},
            {"a reply without end",
             [] {
                 std::string lines;
                 for (int i = 0; i < 600; ++i) lines += "250-x\r\n";
                 return lines;
             }(),
             true},
            {"TLS", "\x15\x03\x03\x00\x02\x02\x28", false},
            {"421", "421 4.3.2 Closing\r\n", false},
            {"454", "454 4.7.0 Not now\r\n", false},
            {"502", "502 5.5.1 What?\r\n", false},
            {"354", "354 Go on\r\n", false},
            {"334", "334 UGFzc3dvcmQ6\r\n", false},
            {"all that could come",
             "454 4.7.0 no\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", false},
            {"an answer too many", step.reply + "250 2.0.0 Extra\r\n", false},
            {"half an answer too many", step.reply + "2", false}};
}

void go_wrong(const ClientScenario& scenario, std::size_t at) {
    for (const Wrong& wrong : wrongs(scenario.steps[at])) {
        CAPTURE(at);
        CAPTURE(wrong.name);
        ClientPeer peer(scenario.setup);
        REQUIRE(play_until(peer, scenario, at));
        const std::string before = peer.result().output;
        const bool over = peer.client().phase() == Client::Phase::finished;
        peer.receive(wrong.reply);
        if (wrong.fatal && !over) CHECK(peer.result().failed);
        check_bounds(peer, before);
    }
}

void end_everywhere(const ClientScenario& scenario, std::size_t at) {
    const std::string& reply = scenario.steps[at].reply;
    for (std::size_t octets = 0; octets < std::max<std::size_t>(reply.size(), 1); ++octets) {
        for (const EndOfInput how :
             {EndOfInput::clean, EndOfInput::truncated, EndOfInput::failed}) {
            CAPTURE(at);
            CAPTURE(octets);
            ClientPeer peer(scenario.setup);
            REQUIRE(play_until(peer, scenario, at));
            const std::string before = peer.result().output;
            const bool quitting = peer.client().phase() == Client::Phase::closing;
            peer.receive(reply.substr(0, octets));
            peer.end(how);
            CHECK(peer.client().phase() == Client::Phase::finished);
            if (!quitting) CHECK(peer.result().failed);
            check_bounds(peer, before);
        }
    }
}

}  // namespace

ClientPeer::ClientPeer(const ClientSetup& setup)
    : settings_(setup.settings),
      certificate_(setup.certificate),
      client_(settings_,
              setup.credentials ? std::optional(setup.credentials->clone()) : std::nullopt,
              setup.xclient) {
    if (settings_.security == Security::cleartext) secured_ = true;  // as far as it ever will be
    if (settings_.security != Security::implicit) return;
    client_.secured(VerifiedAccess::make(), certificate_);
    secured_ = true;
}

void ClientPeer::receive(std::string_view bytes) {
    client_.receive(bytes);
    run();
}

void ClientPeer::end(EndOfInput how) {
    client_.end_of_input(how, "");
    run();
}

void ClientPeer::run() {
    for (;;) {
        const ClientEvent told = client_.next();
        // Written at once, as a channel does: a reply can only answer what was sent.
        run_.output += client_.output();
        client_.sent(client_.output().size());
        if (std::holds_alternative<event::NeedInput>(told)) return;
        run_.events += std::visit(Line{}, told) + "\n";
        run_.failed = run_.failed || std::holds_alternative<event::Failed>(told);
        if (!std::holds_alternative<event::StartTls>(told)) continue;
        // Octets that came in clear stop everything, even if the owner did not look.
        CHECK(client_.output().empty());
        CHECK(client_.timer() == Timer::tls_handshake);
        CHECK(client_.capabilities() == Capabilities{});
        if (std::holds_alternative<event::NeedInput>(client_.next())) {
            client_.secured(VerifiedAccess::make(), certificate_);
            secured_ = true;
        }
    }
}

std::string ClientPeer::fresh() {
    std::string out = run_.output.substr(seen_);
    seen_ = run_.output.size();
    return out;
}

void expect(const ClientScenario& scenario, std::string_view events) {
    ClientPeer whole(scenario.setup);
    play_until(whole, scenario, scenario.steps.size() - 1);
    whole.receive(scenario.steps.back().reply);
    CHECK(whole.result().events == events);
    for (std::size_t cut_one = 0; cut_one < scenario.steps.size(); ++cut_one) {
        bool same = true;
        for_each_split(scenario.steps[cut_one].reply, [&](const Chunks& chunks) {
            ClientPeer peer(scenario.setup);
            peer.run();
            for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
                if (scenario.steps[i].act) scenario.steps[i].act(peer.client());
                peer.run();
                if (i != cut_one) peer.receive(scenario.steps[i].reply);
                if (i != cut_one) continue;
                for (const std::string_view chunk : chunks) peer.receive(chunk);
            }
            if (same) same = peer.result() == whole.result();
        });
        CHECK_MESSAGE(same, "cutting answer " << cut_one << " changes the outcome");
    }
}

void expect_safe_everywhere(const ClientScenario& scenario) {
    for (std::size_t at = 0; at < scenario.steps.size(); ++at) {
        go_wrong(scenario, at);
        end_everywhere(scenario, at);
    }
}

ClientSetup plain_setup(Security security) {
    return {{"relay.test", security, SaslChoice::automatic}};
}

ClientSetup login_setup(Security security, SaslChoice choice) {
    const auto hmac = [](std::string_view key, std::string_view text) {
        return std::string(key.substr(0, 1)) + std::string(text.substr(0, 1));
    };
    return {{"relay.test", security, choice, {.hmac_md5 = hmac}},
            Credentials{"user", Secret(password)}};
}

Act mail(std::string text, MailParameters parameters) {
    return [=](Client& client) { client.mail(path(text, PathKind::reverse), parameters); };
}
Act rcpt(std::string text, RcptParameters parameters) {
    return [=](Client& client) { client.rcpt(path(text, PathKind::forward), parameters); };
}
Act data() {
    return [](Client& client) { client.data(); };
}
Act body(std::string decoded) {
    return [=](Client& client) { client.body(decoded); };
}
Act end_of_data() {
    return [](Client& client) { client.end_of_data(); };
}
Act reset() {
    return [](Client& client) { client.reset(); };
}
Act quit() {
    return [](Client& client) { client.quit(); };
}

}  // namespace waxseal::testing
