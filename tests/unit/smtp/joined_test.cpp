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

// Sloppy: not by the grammar, but so that it can only be understood in one way. Hasty: nor does it
// wait for the 354 before it sends a message.
enum class Manners { good, sloppy, hasty };

class Author {
  public:
    Author(Chance& chance, bool nul, Manners manners)
        : chance_(chance), nul_(nul), manners_(manners) {}

    Script write() {
        say(std::string(chance_.one_in(3) ? "HELO" : "EHLO") + (sloppy(4) ? "" : " device"));
        for (std::size_t n = 1 + chance_.below(4); n > 0; --n) transaction();
        say("QUIT");
        return std::move(script_);
    }

  private:
    // One command; pipelined or after all replies.
    void say(const std::string& line) {
        if (script_.segments.empty() || chance_.one_in(3)) {
            script_.segments.push_back({script_.replies, {}, false});
        }
        std::string& bytes = script_.segments.back().bytes;
        if (sloppy(5)) bytes += chance_.one_in(2) ? " " : "\t ";
        bytes += line + (sloppy(3) ? "\n" : "\r\n");
        ++script_.replies;
    }
    [[nodiscard]] bool sloppy(std::size_t n) {
        return manners_ != Manners::good && chance_.one_in(n);
    }
    std::string path(const std::string& address) {
        if (!sloppy(2)) return "<" + address + ">";
        const std::string ways[] = {address,
                                    " <" + address,
                                    "<'" + address + "'>",
                                    "<Name <" + address + ">>",
                                    address + " <" + address + "> X-ODD=1",
                                    "\t<" + address + ">\tX-ODD"};
        return ways[chance_.below(std::size(ways))];
    }
    void idle_talk() {
        if (!chance_.one_in(6)) return;
        constexpr std::string_view lines[] = {"NOOP", "VRFY x", "HELP", "RSET", "EHLO again"};
        const std::size_t chosen = chance_.below(std::size(lines));
        say(std::string(lines[chosen]));
        if (chosen >= 3) ended_ = true;
    }
    void transaction() {
        ended_ = false;
        say("MAIL FROM:" + path("a@b.c"));
        idle_talk();
        for (std::size_t n = 1 + chance_.below(3); n > 0; --n) say("RCPT TO:" + path("d@e.f"));
        idle_talk();
        say("DATA");
        // Whether it is content or a command depends on the reply: the scheduler looks. Or it is
        // on its way before that.
        const bool eager = manners_ == Manners::hasty && !ended_ && chance_.one_in(2);
        script_.segments.push_back(
            {script_.replies - (eager ? 1 : 0), random_body(chance_, nul_), true, eager});
        ++script_.replies;
        script_.segments.push_back({script_.replies, {}, false});
    }

    Chance& chance_;
    bool nul_;
    Manners manners_;
    bool ended_ = false;  // the transaction, before its DATA, which is refused then
    Script script_;
};

// A third of the devices is well-behaved. Where DATA may be refused, being hasty ends the session.
Manners manners_of(unsigned seed) {
    const bool refuses = seed % 4 == 1;
    if (seed % 3 == 0) return Manners::good;
    return seed % 3 == 1 || refuses ? Manners::sloppy : Manners::hasty;
}

ServerSettings settings_of(unsigned seed) {
    ServerSettings settings{"mx.test", seed % 2 == 0 ? LineEndings::repair : LineEndings::reject,
                            seed % 5 == 0 ? 500U : 100'000U, 100, 1000};
    if (manners_of(seed) != Manners::good) settings.reading = Reading::tolerant;
    return settings;
}

// All of them together.
class Simulation {
  public:
    Simulation(unsigned seed, bool faults)
        : chance_(seed),
          faults_(faults),
          settings_(settings_of(seed)),
          client_settings_(plain_setup(Security::implicit).settings),
          script_(Author(chance_, seed % 7 < 2, manners_of(seed)).write()),
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
        if (segment.body && !segment.eager && last_code_ != "354") {
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
