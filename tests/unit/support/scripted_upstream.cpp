#include "unit/support/scripted_upstream.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace waxseal::testing {

namespace {

constexpr std::array<std::string_view, step_count> names{"greeting", "ehlo", "starttls", "auth",
                                                         "mail",     "rcpt", "data",     "body",
                                                         "message",  "rset", "quit"};

// How many replies that accept something are in what was said.
std::size_t acceptances(std::string_view said) {
    std::size_t count = said.starts_with("250 ") ? 1 : 0;
    for (std::size_t at = said.find("\n250 "); at != std::string_view::npos;
         at = said.find("\n250 ", at + 1))
        ++count;
    return count;
}

std::string_view verb_of(std::string_view line) {
    return line.substr(0, std::min(line.find(' '), line.size()));
}

}  // namespace

std::string_view to_string(Step step) noexcept { return names[static_cast<std::size_t>(step)]; }

std::size_t Conversation::count(std::string_view verb) const {
    return static_cast<std::size_t>(
        std::count_if(commands.begin(), commands.end(),
                      [&](const std::string& line) { return verb_of(line) == verb; }));
}

// The server's side of one connection.
class ScriptedUpstream::Peer {
  public:
    Peer(ScriptedUpstream& server, std::shared_ptr<Wire> wire)
        : server_(server), conversation{std::move(wire), {}, {}, {}, {}, {}, 0, 0, 0} {
        conversation.wire->set_on_activity([this] { turn(); });
        if (server_.options.tls != Tls::implicit) greet();
    }
    ~Peer() { conversation.wire->set_on_activity(nullptr); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    void say(std::string_view octets);

  private:
    enum class Mode { greet, command, login_name, login_password, response, message, chunk };
    // Whether a chunk of the present message was refused: then all that follow are (RFC 3030 2).
    enum class Chunks { taken, refused };

    void turn();
    void greet();
    [[nodiscard]] bool take_line();
    [[nodiscard]] bool take_message();
    [[nodiscard]] bool take_chunk();
    void bdat(std::string_view arguments);
    void end_chunk();
    void begin_anew();
    void command(const std::string& line);
    void auth(std::string_view arguments);
    // Does the step, well or not; true when it went well.
    bool act(Step step, const std::string& good);
    void stop(Deviation::Then then);
    [[nodiscard]] std::string ehlo() const;

    ScriptedUpstream& server_;
    Mode mode_ = Mode::greet;
    std::size_t taken_ = 0;  // of what the Wire has got
    bool secured_ = false;
    bool stopped_ = false;
    bool answered_ = false;  // the present message, before its end
    std::string said_;       // at the last step
    Chunks chunks_ = Chunks::taken;
    std::string chunked_;         // the present message's chunks
    std::size_t chunk_left_ = 0;  // octets of the present chunk that are still to come
    Step chunk_step_ = Step::body;

  public:
    Conversation conversation;
};

void ScriptedUpstream::Peer::say(std::string_view octets) {
    const std::size_t pieces = std::max<std::size_t>(server_.options.reply_pieces, 1);
    const std::size_t each = std::max<std::size_t>(octets.size() / pieces, 1);
    for (; !octets.empty(); octets.remove_prefix(std::min(each, octets.size())))
        conversation.wire->feed(octets.substr(0, each));
}

void ScriptedUpstream::Peer::turn() {
    Wire& wire = *conversation.wire;
    if (!secured_ && wire.tls() == TlsPhase::established) {
        secured_ = true;
        if (server_.options.tls == Tls::implicit) greet();
    }
    while (!stopped_ && taken_ < wire.sent().size()) {
        const bool taken = mode_ == Mode::message ? take_message()
                           : mode_ == Mode::chunk ? take_chunk()
                                                  : take_line();
        if (!taken) break;
    }
    if (wire.fate() != Fate::open && !wire.ended()) wire.end(EndOfInput::clean);
}

void ScriptedUpstream::Peer::greet() {
    mode_ = Mode::command;
    act(Step::greeting, "220 smtp.example.com ESMTP ready\r\n");
}

bool ScriptedUpstream::Peer::take_line() {
    const std::string& all = conversation.wire->sent();
    const std::size_t end = all.find("\r\n", taken_);
    if (end == std::string::npos) return false;
    const std::string line = all.substr(taken_, end - taken_);
    taken_ = end + 2;
    conversation.commands.push_back(line);
    command(line);
    return true;
}

bool ScriptedUpstream::Peer::take_message() {
    const std::string& all = conversation.wire->sent();
    std::string& got = conversation.unfinished;
    const std::size_t before = got.size();
    got.append(all, taken_);
    taken_ = all.size();
    const bool early = answered_;
    act(Step::body, {});
    answered_ = answered_ || !said_.empty();
    const bool empty = got.starts_with(".\r\n");
    const std::size_t mark = empty ? 0 : got.find("\r\n.\r\n", before < 4 ? 0 : before - 4);
    if (mark == std::string::npos || (stopped_ && !answered_)) return false;
    const std::size_t length = empty ? 3 : mark + 5;
    taken_ -= got.size() - length;
    conversation.raw.push_back(got.substr(0, length));
    std::string message = got.substr(0, length - 3);
    for (std::size_t at = message.starts_with('.') ? 0 : message.find("\r\n.");
         at != std::string::npos; at = message.find("\r\n.", at + 1))
        message.erase(message[at] == '.' ? at : at + 2, 1);
    got.clear();
    conversation.messages.push_back(std::move(message));
    mode_ = Mode::command;
    const bool in_body = answered_;
    if (!answered_)
        act(Step::message,
            "250 2.0.0 Ok: queued as " + std::to_string(conversation.messages.size()) + "\r\n");
    answered_ = false;
    // Whatever was meant by it, this is what the relay reads in it, unless it came too early.
    const bool good = !early && said_.starts_with("250 ");
    if (good && in_body) --conversation.lies;
    ++(good ? conversation.accepted : conversation.rejected);
    if (good) conversation.taken.push_back(conversation.messages.back());
    return true;
}

// MAIL, RSET: whatever was refused before.
void ScriptedUpstream::Peer::begin_anew() {
    chunks_ = Chunks::taken;
    chunked_.clear();
}

void ScriptedUpstream::Peer::bdat(std::string_view arguments) {
    std::from_chars(arguments.data(), arguments.data() + arguments.size(), chunk_left_);
    chunk_step_ = arguments.ends_with(" LAST") ? Step::message : Step::body;
    mode_ = Mode::chunk;
    if (chunk_left_ == 0) end_chunk();
}

bool ScriptedUpstream::Peer::take_chunk() {
    const std::string& all = conversation.wire->sent();
    const std::size_t length = std::min(chunk_left_, all.size() - taken_);
    chunked_.append(all, taken_, length);
    taken_ += length;
    chunk_left_ -= length;
    if (chunk_left_ != 0) return false;
    end_chunk();
    return true;
}

void ScriptedUpstream::Peer::end_chunk() {
    mode_ = Mode::command;
    if (chunks_ == Chunks::refused) return say("503 5.5.1 A chunk before this one was refused\r\n");
    if (chunk_step_ == Step::body) {
        act(Step::body, "250 2.0.0 Chunk ok\r\n");
    } else {
        conversation.messages.push_back(std::exchange(chunked_, {}));
        act(Step::message,
            "250 2.0.0 Ok: queued as " + std::to_string(conversation.messages.size()) + "\r\n");
    }
    const bool good = said_.starts_with("250 ");
    if (said_.starts_with('4') || said_.starts_with('5')) chunks_ = Chunks::refused;
    if (chunk_step_ == Step::body) return;
    ++(good ? conversation.accepted : conversation.rejected);
    if (good) conversation.taken.push_back(conversation.messages.back());
}

std::string ScriptedUpstream::Peer::ehlo() const {
    std::vector<std::string> lines = server_.offer;
    const bool clear = server_.options.tls == Tls::starttls && !secured_;
    if (clear) lines.emplace_back("STARTTLS");
    if (!clear && !server_.mechanisms.empty()) lines.push_back("AUTH " + server_.mechanisms);
    std::string reply = "250" + std::string(lines.empty() ? " " : "-") + "smtp.example.com\r\n";
    for (std::size_t i = 0; i < lines.size(); ++i)
        reply += "250" + std::string(i + 1 == lines.size() ? " " : "-") + lines[i] + "\r\n";
    return reply;
}

void ScriptedUpstream::Peer::command(const std::string& line) {
    if (mode_ != Mode::command) return auth(line);
    const std::string_view verb = verb_of(line);
    if (verb == "EHLO") {
        act(Step::ehlo, ehlo());
    } else if (verb == "STARTTLS") {
        act(Step::starttls, "220 2.0.0 Go ahead\r\n");
    } else if (verb == "AUTH") {
        auth(std::string_view(line).substr(std::min<std::size_t>(5, line.size())));
    } else if (verb == "MAIL") {
        begin_anew();
        act(Step::mail, "250 2.1.0 Sender ok\r\n");
    } else if (verb == "RCPT") {
        act(Step::rcpt, "250 2.1.5 Recipient ok\r\n");
    } else if (verb == "DATA") {
        if (act(Step::data, "354 Go ahead\r\n")) mode_ = Mode::message;
    } else if (verb == "BDAT") {
        bdat(std::string_view(line).substr(std::min<std::size_t>(5, line.size())));
    } else if (verb == "RSET") {
        begin_anew();
        act(Step::rset, "250 2.0.0 Reset\r\n");
    } else if (verb == "QUIT") {
        if (act(Step::quit, "221 2.0.0 Bye\r\n")) stop(Deviation::Then::end_clean);
    } else {
        say("500 5.5.2 What?\r\n");
    }
}

// A login that succeeds with whatever it is given.
void ScriptedUpstream::Peer::auth(std::string_view arguments) {
    const Mode was = std::exchange(mode_, Mode::command);
    if (was == Mode::command) {
        const std::string_view mechanism = verb_of(arguments);
        const bool initial = mechanism.size() < arguments.size();
        if (initial) return void(act(Step::auth, "235 2.7.0 Welcome\r\n"));
        const std::string challenge = mechanism == "LOGIN"      ? "VXNlcm5hbWU6"
                                      : mechanism == "CRAM-MD5" ? "PDEuMkBleGFtcGxlLmNvbT4="
                                                                : "";
        if (act(Step::auth, "334 " + challenge + "\r\n"))
            mode_ = mechanism == "LOGIN" ? Mode::login_name : Mode::response;
    } else if (arguments == "*") {
        say("501 5.7.0 Cancelled\r\n");
    } else if (was == Mode::login_name) {
        if (act(Step::auth, "334 UGFzc3dvcmQ6\r\n")) mode_ = Mode::login_password;
    } else {
        act(Step::auth, "235 2.7.0 Welcome\r\n");
    }
}

bool ScriptedUpstream::Peer::act(Step step, const std::string& good) {
    const Deviation what = server_.behaviour(step, good);
    said_ = what.besides ? good + what.say : what.say;
    const std::size_t due = good.starts_with("250") ? 1 : 0;
    conversation.lies += std::max(acceptances(said_), due) - due;
    // Behind half a reply its next one is not read as what it was meant to be.
    if (said_.ends_with("-half")) ++conversation.lies;
    if (what.besides) say(good);
    say(what.say);
    stop(what.then);
    return what.besides || (what.say == good && what.then == Deviation::Then::go_on);
}

void ScriptedUpstream::Peer::stop(Deviation::Then then) {
    using Then = Deviation::Then;
    Wire& wire = *conversation.wire;
    stopped_ = stopped_ || then != Then::go_on;
    if (then == Then::end_clean) wire.end(EndOfInput::clean);
    if (then == Then::end_cut)
        wire.end(wire.tls() == TlsPhase::none ? EndOfInput::clean : EndOfInput::truncated);
    if (then == Then::reset) wire.end(EndOfInput::failed);
    if (then == Then::stop_taking) wire.set_window(0);
}

// --- ScriptedUpstream

ScriptedUpstream::ScriptedUpstream(FakeReactor& reactor, Options options_)
    : options(options_), reactor_(reactor), of_step_(step_count, 0) {}

ScriptedUpstream::~ScriptedUpstream() = default;

std::unique_ptr<FakeDialer> ScriptedUpstream::dialer() {
    return std::make_unique<FakeDialer>(reactor_, [this] { return connect(); });
}

std::shared_ptr<Wire> ScriptedUpstream::connect() {
    auto wire = Wire::make(reactor_, {.peer_address = "198.51.100.25:465",
                                      .tls = options.plan,
                                      .implicit_tls = options.tls == Tls::implicit,
                                      .writes_at_once = options.writes_at_once,
                                      .offers_session = options.offers_session});
    wire->set_window(options.window);
    conversations_.push_back(std::make_unique<Peer>(*this, wire));
    return wire;
}

Deviation ScriptedUpstream::behaviour(Step step, const std::string& good) {
    const std::size_t nth = steps_++;
    ++of_step_[static_cast<std::size_t>(step)];
    const auto found = std::find_if(deviations.begin(), deviations.end(), [&](Deviation& one) {
        return one.step == step && one.after-- == 0;
    });
    if (found != deviations.end()) {
        Deviation what = std::move(*found);
        deviations.erase(found);
        return what;
    }
    if (on_step) {
        if (auto what = on_step(step, nth)) return *std::move(what);
    }
    return {.step = step, .say = good};
}

const Conversation& ScriptedUpstream::operator[](std::size_t i) const {
    return conversations_.at(i)->conversation;
}

Conversation& ScriptedUpstream::last() { return conversations_.back()->conversation; }

void ScriptedUpstream::say(std::size_t connection, std::string_view octets) {
    conversations_.at(connection)->say(octets);
    conversations_.at(connection)->conversation.lies += acceptances(octets);
}

std::size_t ScriptedUpstream::steps_of(Step step) const {
    return of_step_[static_cast<std::size_t>(step)];
}

std::vector<std::string> ScriptedUpstream::messages() const {
    std::vector<std::string> all;
    for (const auto& one : conversations_)
        all.insert(all.end(), one->conversation.messages.begin(), one->conversation.messages.end());
    return all;
}

std::size_t ScriptedUpstream::accepted() const {
    std::size_t total = 0;
    for (const auto& one : conversations_) total += one->conversation.accepted;
    return total;
}

std::size_t ScriptedUpstream::open() const {
    std::size_t total = 0;
    for (const auto& one : conversations_)
        total += one->conversation.wire->fate() == Fate::open ? 1U : 0U;
    return total;
}

}  // namespace waxseal::testing
