// A scripted downstream for the server machine, and what it makes of a scenario: the events as text
// and the octets that came back.
//
// A scenario is a list of segments. A segment is sent when the machine has used up the one before
// and waits; every event that owes an answer gets the next of `answers`, or a friendly one. So the
// same scenario can be cut into pieces anywhere, stopped anywhere, and compared.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/server.hpp"

namespace waxseal::testing {

// What the other side (a session, an upstream) answers, in order; friendly when it runs out.
struct Answers {
    std::deque<smtp::Reply> mail, rcpt, data, message;
    std::deque<smtp::Reply> auth;  // of these a 334 is a challenge, not encoded
    smtp::Capabilities offer;
};

struct ServerScenario {
    // After StartTls: `works` says secured() as soon as the 220 is out, `fails` never does.
    enum class Tls { works, fails, implicit };
    std::vector<std::string> segments;
    Answers answers = {};
    smtp::ServerSettings settings = {"mx.test", smtp::LineEndings::repair, 100000, 3, 5};
    Tls tls = Tls::works;
};

// What a run has left behind. Equal for every way of cutting the input.
struct ServerRun {
    std::string events;  // one a line; content of bodies is joined
    std::string output;
    std::string unended;  // content of a body whose end has not come
    bool finished = false;
    friend bool operator==(const ServerRun&, const ServerRun&) = default;
};

class ServerPeer {
  public:
    explicit ServerPeer(const ServerScenario& scenario);

    // Hands over octets and lets the machine work until it waits.
    void send(std::string_view bytes);
    void end_input();
    // Lets it work until it waits; takes all output.
    void run();

    [[nodiscard]] smtp::Server& server() { return server_; }
    // Called after each event, when it was answered: the place to interfere.
    std::function<void()> after_event;
    [[nodiscard]] ServerRun result() const;
    [[nodiscard]] std::size_t events() const { return count_; }

  private:
    void note(const std::string& line);
    [[nodiscard]] bool take(const smtp::ServerEvent& event);
    void authenticate();
    void answer(std::deque<smtp::Reply>& answers, smtp::Reply friendly);

    bool handshakes_;
    Answers answers_;
    smtp::Server server_;
    ServerRun run_;
    std::string body_;
    bool refused_ = false;
    std::size_t count_ = 0;
};

[[nodiscard]] ServerRun play(const ServerScenario& scenario);
// The scenario in one go, and then cut in every way: all must give `events` and `output`.
void expect(const ServerScenario& scenario, std::string_view events, std::string_view output);
// The scenario stopped by the end of input after each octet: nothing but a prefix of what would
// have happened, and then the end. Also shut down after each event.
void expect_safe_everywhere(const ServerScenario& scenario);
// Both.
void expect_all(const ServerScenario& scenario, std::string_view events, std::string_view output);

// How every dialogue begins here.
inline const std::string greeting = "220 mx.test ESMTP waxseal\r\n";
inline const std::string hello = "250 mx.test\r\n";
inline const std::string ok = "250 2.0.0 Ok\r\n";
inline const std::string go_on = "354 End data with <CR><LF>.<CR><LF>\r\n";

}  // namespace waxseal::testing
