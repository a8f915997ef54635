// Usage: dialogs FILE...   plays dialog scripts (script.hpp) against a whole session: the real
// relay, in-memory channels, simulated time, a scripted upstream. The first difference in a file is
// told as FILE:LINE, with what the device heard and what was logged.
#include <algorithm>
#include <iostream>
#include <regex>

#include "dialogs/script.hpp"
#include "dialogs/setup.hpp"

namespace waxseal::dialogs {

namespace {

using testing::Deviation;
using testing::ScriptedUpstream;
using testing::World;

class Play {
  public:
    explicit Play(const Script& script) : script_(script), world_(upstream_options(script)) {
        set_up(world_, script);
        connect();
    }

    void run() {
        for (const ScriptLine& line : script_.lines) {
            line_ = line.number;
            act(line);
        }
        if (heard_ != device_->wire->sent().size()) fail("was not read: " + next_reply());
        if (looked_ && skip_login(false)) fail("the upstream also got: " + *skip_login(false));
        check_octets();
    }

    [[nodiscard]] std::string story() const {
        std::string text = "the device heard:\n" + escape(device_->wire->sent());
        for (std::size_t i = 0; i < world_.upstream.connections(); ++i)
            text += "\nthe upstream got:\n" + escape(after_login(i));
        return text + "\nlogged:\n" + world_.log.all();
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Wrong(script_.file, line_, what);
    }

    [[nodiscard]] std::uint64_t count(std::string_view text) const {
        try {
            return number(text);
        } catch (const std::invalid_argument& error) {
            fail(error.what());
        }
    }

    void act(const ScriptLine& line) {
        if (line.verb == "c ->") return say(line.text + "\r\n");
        if (line.verb == "c =>" || line.verb == "c *>") return say(line.text);
        if (line.verb == "c <-") return line.text == "close" ? hear_close() : hear(line.text);
        if (line.verb == "c <~") return hear_like(line.text);
        if (line.verb == "c tls") return secure();
        if (line.verb == "c gone") {
            device_->wire->lose_output();
            return device_->hang_up();
        }
        if (line.verb == "c connect") return connect();
        if (line.verb == "c writes") {
            if (device_->wire->writes() != count(line.text))
                fail(std::to_string(device_->wire->writes()) + " writes were made");
            return;
        }
        if (line.verb == "c close") return device_->hang_up();
        if (line.verb == "c silent") {
            if (heard_ != device_->wire->sent().size()) fail("got: " + next_reply());
            return;
        }
        if (line.verb == "u ->") return plan(line.text);
        if (line.verb == "u =>") {
            world_.upstream.say(world_.upstream.connections() - 1, line.text);
            return world_.reactor.run_until_idle();
        }
        if (line.verb == "u close") {
            world_.upstream.last().wire->end(EndOfInput::clean);
            return world_.reactor.run_until_idle();
        }
        if (line.verb == "u <-") return got(line.text);
        if (line.verb == "u silent") {
            if (const auto more = skip_login(false)) fail("the upstream got: " + escape(*more));
            return;
        }
        if (line.verb == "wait")
            return world_.reactor.advance(std::chrono::seconds(count(line.text)));
        if (line.verb == "log") {
            if (!logged(world_.log, line.text)) fail("no such event was logged");
            return;
        }
        if (world_.upstream.connections() != count(line.text))
            fail(std::to_string(world_.upstream.connections()) + " connections were made");
    }

    void say(const std::string& octets) {
        if (heard_ != device_->wire->sent().size()) fail("was not read: " + next_reply());
        device_->say(octets);
    }

    void connect() {
        device_ = &world_.connect();
        heard_ = 0;
    }

    // The device's handshake, after the 220 to STARTTLS; whether it succeeds is set before.
    void secure() {
        say(std::string(client_hello));
        const bool up = device_->wire->tls() == TlsPhase::established;
        if (!up && world_.wire_options.tls == testing::TlsPlan::succeeds) fail("there is no TLS");
    }

    // The next line that the device got, without its end; nothing when none has come.
    [[nodiscard]] std::optional<std::string> next_line() const {
        const std::string& all = device_->wire->sent();
        const std::size_t end = all.find("\r\n", heard_);
        if (end == std::string::npos) return std::nullopt;
        return all.substr(heard_, end - heard_);
    }
    [[nodiscard]] std::string next_reply() const { return escape(next_line().value_or("nothing")); }

    void hear(const std::string& expected) {
        if (next_line() != expected) fail("got: " + next_reply());
        heard_ += expected.size() + 2;
    }

    void hear_like(const std::string& pattern) {
        const auto line = next_line();
        if (!line ||
            !std::regex_search(*line, std::regex(pattern), std::regex_constants::match_continuous))
            fail("got: " + next_reply());
        for (bool last = false; !last;) {
            const auto each = next_line();
            if (!each) fail("the reply does not end");
            last = each->size() < 4 || (*each)[3] != '-';
            heard_ += each->size() + 2;
        }
    }

    void hear_close() {
        if (heard_ != device_->wire->sent().size()) fail("was not read: " + next_reply());
        if (!device_->closed()) fail("the session is still open");
    }

    void plan(const std::string& text) {
        const std::size_t colon = text.find(": ");
        if (colon == std::string::npos) fail("u -> step: text");
        Deviation deviation;
        bool known = false;
        for (std::size_t i = 0; i < testing::step_count && !known; ++i) {
            deviation.step = static_cast<testing::Step>(i);
            known = text.substr(0, colon) == to_string(deviation.step);
        }
        if (!known) fail("no such step");
        std::string say = text.substr(colon + 2);
        constexpr std::pair<std::string_view, Deviation::Then> ends[] = {
            {"(nothing)", Deviation::Then::go_on},
            {"(stall)", Deviation::Then::stall},
            {"(close)", Deviation::Then::end_clean},
            {"(cut)", Deviation::Then::end_cut},
            {"(reset)", Deviation::Then::reset}};
        for (const auto& [word, then] : ends) {
            if (!say.ends_with(word)) continue;
            deviation.then = then;
            say.resize(say.size() - word.size());
            if (say.ends_with(' ')) say.pop_back();
        }
        if (!say.empty()) deviation.say = say + "\r\n";
        world_.upstream.deviations.push_back(deviation);
    }

    // The next command upstream that was not looked at; without `login`, those of a login are
    // passed over. They are whatever comes before MAIL or RSET.
    [[nodiscard]] std::optional<std::string> skip_login(bool login) {
        std::size_t command = command_;
        for (std::size_t i = connection_; i < world_.upstream.connections(); ++i, command = 0) {
            const auto& commands = world_.upstream[i].commands;
            for (; command < commands.size(); ++command) {
                const std::string& line = commands[command];
                const bool logging_in = command < login_length(i);
                if ((logging_in && !login) || line == "QUIT") continue;
                connection_ = i;
                command_ = command;
                return line;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::size_t login_length(std::size_t connection) const {
        const auto& commands = world_.upstream[connection].commands;
        const auto over = [](const std::string& line) {
            return line.starts_with("MAIL") || line == "RSET" || line == "QUIT";
        };
        const auto end = std::find_if(commands.begin(), commands.end(), over);
        return static_cast<std::size_t>(end - commands.begin());
    }

    void got(const std::string& expected) {
        looked_ = true;
        const bool login =
            expected.starts_with("EHLO") || expected.starts_with("AUTH") || expected == "STARTTLS";
        const auto line = skip_login(login);
        if (line != expected) fail("the upstream got: " + escape(line.value_or("nothing")));
        ++command_;
    }

    [[nodiscard]] std::string after_login(std::size_t connection) const {
        const auto& conversation = world_.upstream[connection];
        std::size_t octets = 0;
        for (std::size_t i = 0; i < login_length(connection); ++i)
            octets += conversation.commands[i].size() + 2;
        return conversation.wire->sent().substr(octets);
    }

    // The id of a session is of the moment, and stands in a Message-ID.
    static std::string named(std::string octets, const std::string& id) {
        constexpr std::string_view name = ".SESSION.";
        const std::string dotted = '.' + id + '.';
        for (std::size_t at = 0; (at = octets.find(dotted, at)) != std::string::npos;
             at += name.size())
            octets.replace(at, dotted.size(), name);
        return octets;
    }

    void check_octets() {
        if (!script_.upstream_got) return;
        line_ = script_.upstream_got_line;
        std::string all;
        for (std::size_t i = 0; i < world_.upstream.connections(); ++i)
            all += (i == 0 ? "" : "-- next --\n") + after_login(i);
        for (const auto& start : world_.log.of("session_start")) all = named(all, start["session"]);
        if (all != *script_.upstream_got)
            fail("expected:\n" + escape(*script_.upstream_got) + "\nbut the upstream got:\n" +
                 escape(all));
    }

    const Script& script_;
    World world_;
    testing::Device* device_ = nullptr;
    std::size_t line_ = 0;
    std::size_t heard_ = 0;       // octets of what the device got that the dialog has read
    std::size_t connection_ = 0;  // the next command upstream
    std::size_t command_ = 0;
    bool looked_ = false;
};

bool play(const std::string& file) {
    try {
        const Script script = read_script(file);
        Play play(script);
        try {
            play.run();
            return true;
        } catch (const Wrong& wrong) {
            std::cerr << wrong.what() << "\n\n" << play.story() << '\n';
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
    }
    return false;
}

}  // namespace

}  // namespace waxseal::dialogs

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: dialogs FILE...\n";
        return 64;
    }
    bool good = true;
    for (int i = 1; i < argc; ++i) good = waxseal::dialogs::play(argv[i]) && good;
    return good ? 0 : 1;
}
