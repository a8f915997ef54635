// Both machines joined, with everything random that can be: what the device says, where the octets
// are cut, who is served next, what the upstream refuses, who dies and when. However it goes, what
// went upstream must mean the same to every server, and the two sides must agree on what was
// delivered.
#include <doctest/doctest.h>

#include <algorithm>

#include "unit/smtp/client_peer.hpp"
#include "unit/smtp/joined_parts.hpp"
#include "unit/support/lenient.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

// Everything that has ever ended a message too early somewhere, and what surrounds it.
constexpr std::string_view tokens[] = {
    "\n.\n"sv,
    "\n.\r\n"sv,
    "\r.\r"sv,
    "\r.\r\n"sv,
    "\r\n.\n"sv,
    "\r\n.\r"sv,
    "\n.\r"sv,
    "\r.\n"sv,
    "\r\n.\r\r\n"sv,
    "\r\r\n.\r\r\n"sv,
    "\r\n\0.\r\n"sv,
    "\r\n.\0\r\n"sv,
    "\r\0\n.\r\n"sv,
    "\r\n.\r\0\n"sv,
    "\0\r\n"sv,
    "\n..\r\n"sv,
    "\r\n..\n"sv,
    "\x0b.\r\n"sv,
    "\xC2\x85.\r\n"sv,
    "."sv,
    ".."sv,
    "\r"sv,
    "\n"sv,
    "\r\n"sv,
    "\r\n.."sv,
    "x"sv,
    "\xFF"sv,
    "DATA\r\n"sv,
    "QUIT\r\n"sv,
    "Subject: x\r\n\r\n"sv,
    "MAIL FROM:<evil@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nB\r\n.\r\n"sv};

// The wire form of a message: it ends where RFC 5321 says, whatever was meant.
std::string random_body(Chance& chance, bool nul) {
    std::string body;
    for (std::size_t n = chance.below(12); n > 0; --n) {
        const std::string_view token = tokens[chance.below(std::size(tokens))];
        if (nul || token.find('\0') == std::string_view::npos) body += token;
    }
    if (chance.one_in(4)) body += std::string(chance.below(3000), 'y');
    body += "\r\n.\r\n";
    if (body.starts_with(".\r\n")) return ".\r\n";
    return body.substr(0, body.find("\r\n.\r\n") + 5);
}

struct Script {
    std::vector<Segment> segments;
    std::size_t replies = 1;  // that are due when all was said
};

class Author {
  public:
    Author(Chance& chance, bool nul) : chance_(chance), nul_(nul) {}

    Script write() {
        say(chance_.one_in(3) ? "HELO device\r\n" : "EHLO device\r\n");
        for (std::size_t n = 1 + chance_.below(4); n > 0; --n) transaction();
        say("QUIT\r\n");
        return std::move(script_);
    }

  private:
    // One command; pipelined or after all replies.
    void say(const std::string& line) {
        if (script_.segments.empty() || chance_.one_in(3)) {
            script_.segments.push_back({script_.replies, {}, false});
        }
        script_.segments.back().bytes += line;
        ++script_.replies;
    }
    void idle_talk() {
        if (!chance_.one_in(6)) return;
        constexpr std::string_view lines[] = {"NOOP\r\n", "VRFY x\r\n", "HELP\r\n", "RSET\r\n",
                                              "EHLO again\r\n"};
        say(std::string(lines[chance_.below(std::size(lines))]));
    }
    void transaction() {
        say("MAIL FROM:<a@b.c>\r\n");
        idle_talk();
        for (std::size_t n = 1 + chance_.below(3); n > 0; --n) say("RCPT TO:<d@e.f>\r\n");
        idle_talk();
        say("DATA\r\n");
        // Whether it is content or a command depends on the reply: the scheduler looks.
        script_.segments.push_back({script_.replies, random_body(chance_, nul_), true});
        ++script_.replies;
        script_.segments.push_back({script_.replies, {}, false});
    }

    Chance& chance_;
    bool nul_;
    Script script_;
};

// All of them together.
class Simulation {
  public:
    Simulation(unsigned seed, bool faults)
        : chance_(seed),
          faults_(faults),
          settings_{"mx.test", seed % 2 == 0 ? LineEndings::repair : LineEndings::reject,
                    seed % 5 == 0 ? 500U : 100'000U, 100, 1000},
          client_settings_(plain_setup(Security::implicit).settings),
          script_(Author(chance_, seed % 3 == 0).write()),
          relay_(chance_, settings_, client_settings_, seed % 4 == 1) {}

    // Until nothing moves any more.
    void run() {
        bool moved = true;
        while (moved) {
            moved = move(chance_.below(moves));
            for (std::size_t which = 0; which < moves && !moved; ++which) moved = move(which);
            if (faults_ && moved && chance_.one_in(300)) interfere();
        }
    }

    void check() {
        std::vector<std::string> upstream;
        for (const auto& one : relay_.upstreams) {
            std::string sent = one->effective();
            // Cut off inside the end mark: the message was complete, so who takes it is right.
            if (faults_ && sent.ends_with("\r\n.\r")) sent.pop_back();
            CAPTURE(sent);
            CHECK(count_messages(sent, strict) == one->ends);
            CHECK(count_messages_leniently(sent) == one->ends);
            upstream.insert(upstream.end(), one->messages.begin(), one->messages.end());
        }
        CHECK(accepted_seen_ <= upstream.size());
        CHECK(relay_.accepted <= upstream.size());
        if (faults_) return;
        // Nobody died: the device knows exactly what was delivered, and had every answer.
        CHECK(relay_.accepted == upstream.size());
        CHECK(replies_ == due_);
        CHECK(relay_.server.finished());
        CHECK(upstream == expected_);
    }

  private:
    static constexpr std::size_t moves = 7;
    bool move(std::size_t which) {
        switch (which) {
            case 0:
                return speak();
            case 1:
                return pass(to_server_,
                            [this](std::string_view bytes) { relay_.server.receive(bytes); });
            case 2:
                return relay_.step_server();
            case 3:
                return relay_.step_client();
            case 4:
                return listen();
            case 5:
                return to_upstream();
            default:
                return from_upstream();
        }
    }

    template <typename Take>
    bool pass(std::string& pipe, Take take) {
        if (pipe.empty()) return false;
        const std::size_t n = 1 + chance_.below(chance_.one_in(2) ? pipe.size() : 1);
        take(std::string_view(pipe).substr(0, n));
        pipe.erase(0, n);
        return true;
    }

    // The device says its next segment, when it has heard enough.
    bool speak() {
        if (gone_ || next_ == script_.segments.size()) return false;
        if (replies_ + skipped_ < script_.segments[next_].after) return false;
        const Segment& segment = script_.segments[next_++];
        if (segment.body && last_code_ != "354") {
            ++skipped_;  // DATA was refused: the content is not sent, so no reply comes
            return true;
        }
        if (segment.body) {
            body_ = segment.bytes;
            ++due_;
        } else {
            due_ += static_cast<std::size_t>(
                std::count(segment.bytes.begin(), segment.bytes.end(), '\n'));
        }
        to_server_ += segment.bytes;
        return true;
    }

    bool listen() {
        const std::string_view out = relay_.server.output();
        if (out.empty()) return false;
        const std::size_t n = 1 + chance_.below(out.size());
        heard_ += out.substr(0, n);
        relay_.server.sent(n);
        for (std::size_t end; (end = heard_.find("\r\n")) != std::string::npos;) {
            if (heard_[3] != '-') hear(heard_.substr(0, end));
            heard_.erase(0, end + 2);
        }
        return true;
    }

    void hear(const std::string& line) {
        ++replies_;
        // What was answered: the end of a body, if one is on its way and 354 is behind us.
        if (last_code_ == "354") {
            if (line.starts_with("250")) {
                ++accepted_seen_;
                expected_.push_back(wire_form(body_));
            }
        }
        last_code_ = line.substr(0, 3);
    }

    // As an upstream must get it: decoded and encoded in one go.
    std::string wire_form(std::string_view body) const {
        DataDecoder decoder(settings_.line_endings);
        std::string decoded, encoded;
        const auto progress = decoder.decode(body, decoded);
        CHECK(progress.ended);
        DataEncoder encoder;
        encoder.encode(decoded, encoded);
        encoder.finish(encoded);
        return encoded.substr(0, encoded.size() - 3);
    }

    bool to_upstream() {
        if (!relay_.client || relay_.client->output().empty()) return false;
        const std::string_view out = relay_.client->output();
        const std::size_t n = 1 + chance_.below(out.size());
        relay_.upstreams.back()->take(out.substr(0, n));
        relay_.client->sent(n);
        return true;
    }

    bool from_upstream() {
        if (!relay_.client) return false;
        StrictUpstream& upstream = *relay_.upstreams.back();
        return pass(upstream.out,
                    [this](std::string_view bytes) { relay_.client->receive(bytes); });
    }

    void interfere() {
        if (chance_.one_in(2)) {
            gone_ = true;
            relay_.server.end_of_input();
        } else if (relay_.client) {
            relay_.client->end_of_input(
                chance_.one_in(2) ? EndOfInput::truncated : EndOfInput::clean, "");
        }
    }

    Chance chance_;
    bool faults_;
    ServerSettings settings_;
    ClientSettings client_settings_;
    Script script_;
    PlainRelay relay_;
    std::string to_server_;
    std::string heard_;
    std::string last_code_;
    std::string body_;  // the last one sent
    std::vector<std::string> expected_;
    std::size_t next_ = 0;
    std::size_t replies_ = 0;
    std::size_t skipped_ = 0;
    std::size_t due_ = 1;
    std::size_t accepted_seen_ = 0;
    bool gone_ = false;
};

}  // namespace

TEST_CASE("joined: what goes upstream means the same to every server") {
    for (unsigned seed = 0; seed < 1500; ++seed) {
        CAPTURE(seed);
        Simulation world(seed, false);
        world.run();
        world.check();
    }
}

TEST_CASE("joined: the same while sides die") {
    for (unsigned seed = 0; seed < 1500; ++seed) {
        CAPTURE(seed);
        Simulation world(seed, true);
        world.run();
        world.check();
    }
}
