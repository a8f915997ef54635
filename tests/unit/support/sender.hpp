// A mail client on a Wire: sends messages, tries again after a 4yz, and keeps account of everything
// that RFC 5321 promises it: one reply to each command, in order, and nothing unasked but a 421.
//
// Driven by what arrives, so that it can run beside other senders and any disturbance.
//
// Flow: construct with the wire whose channel() a session has or will have (what has come before
//   counts); run the reactor until done(). Then wrongs() lists broken promises, results what became
//   of each message.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unit/support/sim.hpp"

namespace waxseal::testing {

struct SenderOptions {
    std::vector<std::string> messages;  // as text: CRLF line ends, unstuffed, ending in CRLF
    std::vector<std::string> recipients = {"b@example.com"};
    std::size_t attempts = 2;  // for each message
    bool esmtp = true;
    bool pipelines = false;   // MAIL and all RCPT in one segment
    Duration body_pause{};    // in the middle of each body
    Duration retry_pause{};   // before each second attempt
    std::size_t give_up = 0;  // with 1, 2, …: hangs up instead of its so-manieth segment; 0: never
    EndOfInput give_up_how = EndOfInput::clean;
    // How many octets the next segment has; all by default.
    std::function<std::size_t()> segment = {};
};

class Sender {
  public:
    struct Result {
        std::vector<int> codes;  // after end-of-data, one for each time it came that far
        std::size_t attempts = 0;
        [[nodiscard]] bool accepted() const { return !codes.empty() && codes.back() == 250; }
    };

    Sender(FakeReactor& reactor, std::shared_ptr<Wire> wire, SenderOptions options);
    ~Sender();
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    [[nodiscard]] bool done() const noexcept { return done_; }
    [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }
    [[nodiscard]] const std::vector<std::string>& wrongs() const noexcept { return wrongs_; }
    [[nodiscard]] const std::vector<Result>& results() const noexcept { return results_; }
    [[nodiscard]] bool all_accepted() const;
    // The text of each message that had a 250, once for each.
    [[nodiscard]] std::vector<std::string> accepted() const;
    // Each command with its reply, for a person.
    [[nodiscard]] const std::string& transcript() const noexcept { return transcript_; }
    // End marks sent.
    [[nodiscard]] std::size_t completed() const noexcept { return completed_; }
    // Segments so far: what give_up counts.
    [[nodiscard]] std::size_t segments() const noexcept { return segments_; }

  private:
    enum class Doing { greeting, hello, ready, envelope, data, body, reset, quit };

    void turn();
    void take_reply(int code, const std::string& text);
    void answered();
    void begin_message();
    void after_envelope();
    void after_attempt(int code);
    void next_attempt();
    void send_body();
    void paused();
    void send_rest();
    void send(std::string_view octets, std::vector<std::string> commands);
    void finish();

    std::shared_ptr<Wire> wire_;
    SenderOptions options_;
    std::unique_ptr<Alarm> pause_;
    Doing doing_ = Doing::greeting;
    std::deque<std::string> waiting_{"greeting"};
    std::vector<int> codes_;  // of the present group of commands
    std::size_t taken_ = 0;
    std::string reply_;
    std::string rest_;  // of the body
    std::size_t current_ = 0;
    std::vector<Result> results_;
    std::vector<std::string> wrongs_;
    std::string transcript_;
    std::size_t completed_ = 0;
    std::size_t segments_ = 0;
    bool closing_ = false;  // 221 or 421 was read
    bool gave_up_ = false;
    bool done_ = false;
};

}  // namespace waxseal::testing
