// A submission server on Wires, by default a good one, that can be told to misbehave at any step.
//
// It has a parser of its own, as simple as can be and unrelated to the product's, and records
// everything: per connection the commands, the complete messages and all octets (in the Wire).
//
// Flow: set offer, deviations or on_step; give dialer() to a provider; run the reactor; look at
//   conversations. A deviation applies once, to the step it names, after that step went well
//   `after` times; on_step is asked for everything the list does not match.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unit/support/sim.hpp"

namespace waxseal::testing {

enum class Step {
    greeting,
    ehlo,
    starttls,
    auth,  // each round
    mail,
    rcpt,
    data,
    body,  // each time octets of a message have come, before they are looked at (of a chunk: when
           // it is whole); what is said then is its only reply
    message,
    rset,
    quit,
};
inline constexpr std::size_t step_count = static_cast<std::size_t>(Step::quit) + 1;
[[nodiscard]] std::string_view to_string(Step step) noexcept;

// What it does at a step instead of the good thing, or besides.
struct Deviation {
    enum class Then {
        go_on,
        stall,        // says nothing any more, but reads
        end_clean,    // closes, inside TLS with close_notify
        end_cut,      // FIN without close_notify (in clear the same as end_clean)
        reset,        // RST
        stop_taking,  // says nothing and reads nothing any more
    };
    Step step = Step::greeting;
    std::string say = {};  // these octets instead of the good reply; empty: nothing is said
    Then then = Then::go_on;
    std::size_t after = 0;
    bool besides = false;  // the good reply first, then `say`
};

// One connection, as the server saw it.
struct Conversation {
    std::shared_ptr<Wire> wire;
    std::vector<std::string> commands;  // without line ends, secrets and all
    std::vector<std::string> messages;  // complete ones, un-stuffed, with their line ends
    std::vector<std::string> raw;       // the same on the wire, with their end marks
    std::string unfinished;             // wire octets after the last 354 that no end mark followed
    std::vector<std::string> taken;     // those messages that were answered 250
    std::size_t accepted = 0;           // their number
    std::size_t rejected = 0;           // messages that were answered otherwise
    // Acceptances that nothing had asked for. When one crosses an end mark on its way here the
    // relay cannot but believe it.
    std::size_t lies = 0;
    [[nodiscard]] std::size_t count(std::string_view verb) const;
};

class ScriptedUpstream {
  public:
    enum class Tls { none, starttls, implicit };
    struct Options {
        Tls tls = Tls::implicit;
        TlsPlan plan = TlsPlan::succeeds;
        bool writes_at_once = false;
        std::size_t window = std::numeric_limits<std::size_t>::max();  // of each new connection
        std::size_t reply_pieces = 1;  // each reply arrives in so many segments
        bool offers_session = false;   // each new connection, an earlier one of TLS
    };

    explicit ScriptedUpstream(FakeReactor& reactor) : ScriptedUpstream(reactor, Options()) {}
    ScriptedUpstream(FakeReactor& reactor, Options options);
    ~ScriptedUpstream();
    ScriptedUpstream(const ScriptedUpstream&) = delete;
    ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

    Options options;
    // After the host's name, without STARTTLS and AUTH, which it adds where they belong.
    std::vector<std::string> offer = {"PIPELINING", "SIZE 52428800",       "8BITMIME",
                                      "SMTPUTF8",   "ENHANCEDSTATUSCODES", "DSN"};
    std::string mechanisms = "PLAIN LOGIN";  // empty: no AUTH
    std::vector<Deviation> deviations;
    // For everything else: the step and how many steps of any kind there were before it.
    std::function<std::optional<Deviation>(Step, std::size_t)> on_step;

    // Owned by the caller, which may outlive the server only unused.
    [[nodiscard]] std::unique_ptr<FakeDialer> dialer();

    [[nodiscard]] std::size_t connections() const noexcept { return conversations_.size(); }
    [[nodiscard]] const Conversation& operator[](std::size_t i) const;
    [[nodiscard]] Conversation& last();
    // Octets nobody asked for.
    void say(std::size_t connection, std::string_view octets);

    [[nodiscard]] std::size_t steps() const noexcept { return steps_; }
    [[nodiscard]] std::size_t steps_of(Step step) const;
    // Over all connections.
    [[nodiscard]] std::vector<std::string> messages() const;
    [[nodiscard]] std::size_t accepted() const;
    [[nodiscard]] std::size_t open() const;

  private:
    class Peer;
    [[nodiscard]] std::shared_ptr<Wire> connect();
    [[nodiscard]] Deviation behaviour(Step step, const std::string& good);

    FakeReactor& reactor_;
    std::vector<std::unique_ptr<Peer>> conversations_;
    std::size_t steps_ = 0;
    std::vector<std::size_t> of_step_;
};

}  // namespace waxseal::testing
