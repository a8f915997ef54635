// Fuzzes whole sessions: devices, an upstream and the clock are all driven by the input, one line
// an order. An order is a letter and its text; in a text \r \n \0 \\ stand for themselves and a
// final $ for CRLF, so that a corpus can be read and written by hand.
//
//   d TEXT   the device says it            n        another device connects
//   e D      the device ends: 0 FIN, 1 RST  w N      it reads N octets at once from now on
//   u TEXT   the upstream says it, unasked  r S T X  at step S it says X, then does T (digits)
//   t N      N seconds pass                 W N      the upstream takes N octets more
//
// Invariants: those of tests/unit/support/invariants.hpp (no message that a lenient server could
// read otherwise, nothing left behind, one session_end each, no credential in clear or in the log),
// no acceptance without the upstream's, and no session that does not end.
#include <algorithm>
#include <charconv>
#include <string>

#include "fuzz/support/fuzz.hpp"
#include "unit/support/invariants.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;

namespace {

constexpr std::size_t most_orders = 200;
constexpr std::size_t most_devices = 4;

std::string unescape(std::string_view text) {
    const bool line = text.ends_with('$');
    if (line) text.remove_suffix(1);
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            result += text[i];
            continue;
        }
        const char c = text[++i];
        result += c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
    }
    return line ? result + "\r\n" : result;
}

std::size_t number(std::string_view text, std::size_t most) {
    std::size_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return std::min(value, most);
}

// Of the transactions that are logged; the text of the line may hold anything.
std::size_t accepted_in(const log::Field& field) {
    const auto* const records = std::get_if<std::vector<log::Fields>>(&field.value());
    if (records == nullptr) return 0;
    std::size_t count = 0;
    for (const log::Fields& record : *records) {
        for (const log::Field& one : record) {
            const auto* const text = std::get_if<std::string>(&one.value());
            if (one.key() == "outcome" && text != nullptr && *text == "accepted") ++count;
        }
    }
    return count;
}

class Play {
  public:
    explicit Play(std::string_view input) : input_(input), world_(options(input), 2) {
        world_.settings->server.max_message_size = 4096;
        if (input.size() % 5 == 0) world_.settings->server.line_endings = smtp::LineEndings::reject;
        // World is a listener for devices otherwise.
        if (input.size() % 4 == 3) world_.settings->server.reading = smtp::Reading::strict;
        device_ = &world_.connect();
    }

    void run(std::string_view input) {
        for (std::size_t orders = 0; !input.empty() && orders < most_orders; ++orders) {
            const std::size_t end = std::min(input.find('\n'), input.size());
            if (end >= 2) obey(input[0], input.substr(2, end - 2));
            input.remove_prefix(std::min(end + 1, input.size()));
        }
        finish();
    }

  private:
    static ScriptedUpstream::Options options(std::string_view input) {
        using Tls = ScriptedUpstream::Tls;
        ScriptedUpstream::Options chosen;
        constexpr Tls kinds[]{Tls::implicit, Tls::starttls, Tls::none};
        chosen.tls = kinds[input.size() % 3];
        chosen.reply_pieces = 1 + input.size() % 2;
        return chosen;
    }

    void obey(char order, std::string_view text) {
        switch (order) {
            case 'd':
                told_ += unescape(text);
                device_->say(unescape(text));
                break;
            case 'e':
                if (!device_->wire->ended())
                    device_->hang_up(text == "1" ? EndOfInput::failed : EndOfInput::clean);
                break;
            case 'n':
                if (world_.devices.size() < most_devices) device_ = &world_.connect();
                break;
            case 'w':
                device_->wire->set_window(number(text, 100'000));
                break;
            case 'u':
                if (world_.upstream.connections() == 0) break;
                ++said_;
                note_upstream(unescape(text));
                world_.upstream.say(world_.upstream.connections() - 1, unescape(text));
                break;
            case 'r':
                deviate(text);
                break;
            case 't':
                world_.reactor.advance(std::chrono::seconds(number(text, 3600)));
                break;
            case 'W':
                if (world_.upstream.connections() != 0)
                    world_.upstream.last().wire->set_window(number(text, 100'000));
                break;
            default:
                break;
        }
        world_.reactor.run_until_idle();
    }

    // Without TLS there is no login: an upstream that says the password does not repeat it.
    void note_upstream(std::string_view said) {
        if (options(input_).tls == ScriptedUpstream::Tls::none) told_ += said;
    }

    // "S T X": the step, what follows, what is said.
    void deviate(std::string_view text) {
        if (text.size() < 3) return;
        Deviation what;
        what.step = static_cast<Step>(static_cast<unsigned char>(text[0]) % step_count);
        what.then = static_cast<Deviation::Then>(static_cast<unsigned char>(text[2]) % 6);
        if (text.size() > 4) what.say = unescape(text.substr(4));
        note_upstream(what.say);
        ++said_;
        world_.upstream.deviations.push_back(std::move(what));
    }

    // What was written goes out: how long a farewell may linger is the network layer's business.
    void open_windows() {
        for (const auto& device : world_.devices) device->wire->set_window(SIZE_MAX);
        for (std::size_t i = 0; i < world_.upstream.connections(); ++i)
            world_.upstream[i].wire->set_window(SIZE_MAX);
        world_.reactor.run_until_idle();
    }

    // The devices go, and everything has to come to its end by itself.
    void finish() {
        for (const auto& device : world_.devices) {
            if (!device->wire->ended()) device->wire->end(EndOfInput::clean);
        }
        world_.reactor.run_until_idle();
        open_windows();
        for (int alarms = 0; world_.proxy->sessions() != 0; ++alarms) {
            fuzz::require(alarms < 1000, "sessions end");
            fuzz::require(world_.reactor.advance_to_next_alarm(), "no session waits for nothing");
            open_windows();
        }
        open_windows();
        std::size_t accepted = 0;
        for (const auto& event : world_.log.of("session_end"))
            for (const log::Field& field : event.fields) accepted += accepted_in(field);
        fuzz::require(accepted <= world_.upstream.accepted() + said_,
                      "nothing is accepted that the upstream has not accepted");
        // Who says our password without having been told it, as a device's name for one, leaks
        // nothing.
        const bool known = told_.find(password) != std::string::npos;
        for (const std::string& wrong : check_all(world_))
            fuzz::require(known && wrong == "the password is logged", wrong.c_str());
    }

    std::string_view input_;
    World world_;
    Device* device_;
    std::string told_;      // by all devices, and by an upstream that has not got it from us
    std::size_t said_ = 0;  // answers that did not come from the upstream's own mind
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, std::min<std::size_t>(size, 16 * 1024));
    Play(input).run(input);
    return 0;
}
