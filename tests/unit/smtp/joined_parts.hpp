// The parts of the joined simulation: a strict little upstream, a device that follows a script, and
// a relay that joins the two machines in the plainest way. All of them pass octets through Pipes,
// whose ends a scheduler serves at random.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client.hpp"
#include "smtp/server.hpp"

namespace waxseal::testing {

class Chance {
  public:
    explicit Chance(unsigned seed) : engine_(seed) {}
    // 0 .. n-1
    std::size_t below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_);
    }
    bool one_in(std::size_t n) { return below(n) == 0; }

  private:
    std::mt19937 engine_;
};

// A server by the letter of RFC 5321: only CRLF ends a line, only CRLF . CRLF a message. Refuses
// now and then, and dies when it is told to.
class StrictUpstream {
  public:
    StrictUpstream(Chance& chance, bool refuses);

    void take(std::string_view bytes);
    std::string out;
    bool dead = false;  // what is sent to it is lost, and the connection has ended

    std::vector<std::string> messages;  // that it accepted, as they came, without the end mark
    // What it was sent: all octets but refused DATA commands, so that the oracle, which takes every
    // DATA for accepted, reads it as this server did.
    [[nodiscard]] std::string effective() const { return log_ + buffer_; }
    std::size_t ends = 0;  // messages that it saw the end of, accepted or not

  private:
    [[nodiscard]] bool take_line();
    [[nodiscard]] bool take_message();
    void answer(std::string_view good);

    Chance& chance_;
    bool refuses_;
    std::string buffer_;
    std::string log_;
    bool in_message_ = false;
};

// Sends the segments of its script; each waits until so many replies have come.
struct Segment {
    std::size_t after;  // complete replies, the greeting included
    std::string bytes;
    bool body;           // sent only if the last reply was 354
    bool eager = false;  // a body, and sent all the same
};

// Joins a server machine with client machines, one connection after the other.
class PlainRelay {
  public:
    PlainRelay(Chance& chance, const smtp::ServerSettings& server,
               const smtp::ClientSettings& client, bool refuses);

    // One event of one machine; false when it only waits.
    bool step_server();
    bool step_client();

    smtp::Server server;
    std::unique_ptr<smtp::Client> client;
    std::vector<std::unique_ptr<StrictUpstream>> upstreams;  // the last is connected, if client is
    std::size_t accepted = 0;  // 250 after end-of-data, said to the device

  private:
    void on(const smtp::ServerEvent& told);
    void on(const smtp::ClientEvent& told);
    void begin(smtp::server_event::Mail mail);
    void end_body(const smtp::server_event::BodyEnd& end);
    void send_mail();
    void reset_upstream();
    void drop();
    void lost();
    void answer_message(smtp::Reply reply);

    Chance& chance_;
    const smtp::ClientSettings& client_settings_;
    bool refuses_;
    std::optional<smtp::server_event::Mail> mail_;
    std::optional<smtp::Reply> verdict_;
};

}  // namespace waxseal::testing
