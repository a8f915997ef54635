// The client machine with CHUNKING (RFC 3030): bodies as BDAT, pipelined, and what a refusal in the
// middle of one means.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "unit/smtp/client_peer.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;

namespace {

const std::string envelope_commands = "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n";
const std::string envelope_events = "ready\nmail 250 ok\nrcpt 250 ok\n";

Act both(Act first, Act second) {
    return [first = std::move(first), second = std::move(second)](Client& client) {
        first(client);
        second(client);
    };
}

// An upstream that offers both, with an envelope that it has taken; and what follows.
ClientScenario chunked(std::vector<ClientStep> steps) {
    ClientScenario scenario{plain_setup(Security::implicit), {}};
    scenario.steps = {
        {{}, "", "220 up.test ESMTP\r\n"},
        {{}, ehlo, "250-up.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n"},
        {both(mail("<a@b.c>"), rcpt("<d@e.f>")), envelope_commands, "250 ok\r\n250 ok\r\n"}};
    for (ClientStep& step : steps) scenario.steps.push_back(std::move(step));
    return scenario;
}

std::string lines(std::size_t octets) {
    std::string text(octets - 2, 'x');
    for (std::size_t i = 50; i + 2 < text.size(); i += 50) text.replace(i, 2, "\r\n");
    return text + "\r\n";
}

}  // namespace

TEST_CASE("client: a small body is one chunk, nothing of it stuffed, and waits for no 354") {
    const std::string body_text = "Hi\r\n.\r\n..\r\n";
    const ClientScenario scenario = chunked(
        {{both(data(), body(body_text)), "", ""},
         {end_of_data(), "BDAT 11 LAST\r\n" + body_text, "250 2.0.0 Queued\r\n"},
         {both(mail("<a@b.c>"), rcpt("<d@e.f>")), envelope_commands, "250 ok\r\n250 ok\r\n"},
         {both(data(), end_of_data()), "BDAT 0 LAST\r\n", "250 2.0.0 Queued\r\n"}});
    expect(scenario, envelope_events + "message 250 2.0.0 Queued\nmail 250 ok\nrcpt 250 ok\n" +
                         "message 250 2.0.0 Queued\n");
    expect_safe_everywhere(scenario);
}

TEST_CASE("client: what is large enough goes out as it comes, what is not is collected") {
    const std::string large = lines(limits::chunk);
    const std::string half = lines(limits::chunk / 2);
    const std::string size = std::to_string(limits::chunk);
    const ClientScenario scenario =
        chunked({{both(data(), body(large)), "BDAT " + size + "\r\n" + large, "250 2.0.0 got\r\n"},
                 {body(half), "", ""},
                 {body(half), "BDAT " + size + "\r\n" + half + half, ""},
                 {body("end\r\n"), "", ""},
                 {end_of_data(), "BDAT 5 LAST\r\nend\r\n", "250 got\r\n250 2.0.0 Queued\r\n"}});
    expect(scenario, envelope_events + "message 250 2.0.0 Queued\n");
}

TEST_CASE("client: a chunk that is refused ends the message, and LAST is never sent") {
    const std::string large = lines(limits::chunk);
    const std::string size = std::to_string(limits::chunk);
    for (const std::string refusal : {"552 5.3.4 Too big\r\n", "421 4.3.2 Closing\r\n"}) {
        const ClientScenario scenario =
            chunked({{both(data(), body(large)), "BDAT " + size + "\r\n" + large, refusal}});
        expect(scenario, envelope_events + "early " + refusal.substr(0, refusal.size() - 2) + "\n");
        ClientPeer peer(scenario.setup);
        for (const ClientStep& step : scenario.steps) {
            if (step.act) step.act(peer.client());
            peer.run();
            peer.receive(step.reply);
        }
        CHECK(peer.client().phase() == Client::Phase::closing);
    }
    // When LAST is on its way already, the first refusal is the message's.
    expect(
        chunked({{both(data(), both(body(large), end_of_data())),
                  "BDAT " + size + "\r\n" + large + "BDAT 0 LAST\r\n", "552 5.3.4 Too big\r\n"}}),
        envelope_events + "message 552 5.3.4 Too big\n");
}

TEST_CASE("client: what is no answer to BDAT") {
    const std::string large = lines(limits::chunk);
    for (const std::string wrong : {"354 go\r\n", "251 hm\r\n", "220 hi\r\n"}) {
        const ClientScenario scenario = chunked({{both(data(), body(large)), {}, wrong}});
        ClientPeer peer(scenario.setup);
        for (const ClientStep& step : scenario.steps) {
            if (step.act) step.act(peer.client());
            peer.run();
            peer.receive(step.reply);
        }
        CHECK(peer.result().events.find("failed protocol: not an answer to BDAT") !=
              std::string::npos);
    }
}

TEST_CASE("client: a chunk that is accepted before it has gone is not") {
    const ClientScenario scenario = chunked({});
    ClientPeer peer(scenario.setup);
    for (const ClientStep& step : scenario.steps) {
        if (step.act) step.act(peer.client());
        peer.run();
        peer.receive(step.reply);
    }
    Client& client = peer.client();
    client.data();
    client.body(lines(limits::chunk));
    client.sent(10);
    client.receive("250 2.0.0 got it\r\n");
    CHECK(std::holds_alternative<client_event::Failed>(client.next()));
}

TEST_CASE("client: CHUNKING without PIPELINING is not made use of") {
    ClientScenario scenario = chunked({});
    scenario.steps[1].reply = "250-up.test\r\n250 CHUNKING\r\n";
    scenario.steps[2] = {mail("<a@b.c>"), "MAIL FROM:<a@b.c>\r\n", "250 ok\r\n"};
    scenario.steps.push_back({rcpt("<d@e.f>"), "RCPT TO:<d@e.f>\r\n", "250 ok\r\n"});
    scenario.steps.push_back({data(), "DATA\r\n", "354 go\r\n"});
    scenario.steps.push_back({body("x\r\n"), "x\r\n", ""});
    scenario.steps.push_back({end_of_data(), ".\r\n", "250 ok\r\n"});
    expect(scenario, envelope_events + "data 354 go\nmessage 250 ok\n");
}
