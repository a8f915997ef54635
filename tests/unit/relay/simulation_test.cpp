// A thousand random afternoons: several devices, a few slots, an upstream in all its moods, every
// event in random order and every octet string in random pieces. The same promises as ever. A seed
// that fails is named, and repeats exactly.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "unit/support/invariants.hpp"
#include "unit/support/sender.hpp"
#include "unit/support/world.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::chrono_literals;
using Then = Deviation::Then;

namespace {

class Afternoon {
  public:
    explicit Afternoon(std::uint64_t seed)
        : random_(seed), world(options(), 1 + below(3)), mood_(below(3) == 0 ? 0 : below(12)) {
        world.reactor.choose = [this](std::size_t n) { return below(n); };
        world.upstream.on_step = [this](Step step, std::size_t) { return deviate(step); };
        world.settings->server.max_message_size = one_in(4) ? 300 : 50'000'000;
        if (one_in(4)) world.settings->server.line_endings = smtp::LineEndings::reject;
        calm_ = mood_ == 0;
        const std::size_t devices = 1 + below(4);
        for (std::size_t i = 0; i < devices; ++i) add_device(i);
    }

    // Empty when everything is as promised.
    Wrongs run() {
        bool over = false;
        for (int turns = 0; !over; ++turns) {
            if (turns == 200'000) return {"does not end"};
            if (one_in(50)) disturb();
            if (world.reactor.run_one()) continue;
            if (breathe()) continue;
            over = all_done();
            if (!over && !world.reactor.advance_to_next_alarm()) return {"hangs\n" + transcript()};
        }
        return judge();
    }
    [[nodiscard]] std::string transcript() const {
        std::string text;
        for (const auto& sender : senders_) text += sender->transcript() + "--\n";
        return text;
    }

  private:
    std::mt19937_64 random_;

  public:
    World world;

  private:
    std::size_t below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }
    bool one_in(std::size_t n) { return below(n) == 0; }

    ScriptedUpstream::Options options() {
        using Tls = ScriptedUpstream::Tls;
        constexpr Tls kinds[]{Tls::implicit, Tls::starttls, Tls::none};
        ScriptedUpstream::Options chosen;
        chosen.tls = kinds[below(3)];
        chosen.writes_at_once = one_in(2);
        if (one_in(3)) chosen.window = below(2000);
        chosen.reply_pieces = 1 + below(4);
        return chosen;
    }

    std::string text(std::size_t device, std::size_t number) {
        std::string body =
            "device " + std::to_string(device) + " message " + std::to_string(number) + "\r\n";
        const std::size_t lines = one_in(100) ? below(60'000) : below(30);
        const char* const kinds[]{
            ".", "..", "", "QUIT", ".\t", "MAIL FROM:<x@y>", "a line of text"};
        for (std::size_t i = 0; i < lines; ++i) body.append(kinds[below(7)]) += "\r\n";
        return body;
    }

    void add_device(std::size_t i) {
        SenderOptions wish;
        for (std::size_t n = 0, count = 1 + below(3); n < count; ++n)
            wish.messages.push_back(text(i, n));
        meant_.insert(meant_.end(), wish.messages.begin(), wish.messages.end());
        wish.recipients.resize(1 + below(3), "b@example.com");
        wish.attempts = 1 + below(3);
        wish.esmtp = !one_in(4);
        wish.pipelines = one_in(2);
        if (one_in(3)) wish.body_pause = Duration(below(calm_ ? 2000 : 400'000));
        if (one_in(4)) {
            wish.give_up = 1 + below(10);
            wish.give_up_how = one_in(2) ? EndOfInput::clean : EndOfInput::failed;
        }
        const std::size_t most = one_in(2) ? 8 : 20'000;
        wish.segment = [this, most] { return 1 + below(most); };
        Device& device = world.connect(one_in(2));
        if (one_in(4)) device.wire->set_window(below(100));
        senders_.push_back(std::make_unique<Sender>(world.reactor, device.wire, std::move(wish)));
    }

    std::optional<Deviation> deviate(Step step) {
        if (calm_ || below(100) >= mood_) return std::nullopt;
        const char* const words[]{"",
                                  "421 4.3.2 closing\r\n",
                                  "451 4.3.0 later\r\n",
                                  "550 5.0.0 never\r\n",
                                  "250 2.0.0 Ok\r\n",
                                  "354 go\r\n",
                                  "250-half",
                                  "\n",
                                  "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"};
        Deviation what{.step = step,
                       .say = words[below(9)],
                       .then = static_cast<Then>(below(6)),
                       .besides = one_in(3)};
        return what;
    }

    void disturb() {
        if (calm_) return;
        switch (below(40)) {
            case 0:
                return world.proxy->drain([] {});
            case 1:
                stopped_ = true;
                return world.proxy->stop_all();
            case 2:
                if (world.upstream.connections() != 0)
                    world.upstream.say(below(world.upstream.connections()), "250 2.0.0 hm\r\n");
                return;
            case 3:
                world.dialer().plans.push_back({.failure = Failure{FailureKind::connect, "x"}});
                return;
            case 4:
                world.dialer().plans.push_back({.after = Duration(below(5000))});
                return;
            case 5:
                return world.reactor.advance(Duration(below(20'000)));
            default:
                return;
        }
    }

    // Opens the windows a little; false when all are open already.
    bool breathe() {
        bool useful = false;
        for (const auto& device : world.devices) useful = open(*device->wire) || useful;
        for (std::size_t i = 0; i < world.upstream.connections(); ++i)
            useful = open(*world.upstream[i].wire) || useful;
        return useful;
    }
    bool open(Wire& wire) {
        if (wire.in_flight() == 0 || wire.fate() != Fate::open) return false;
        if (!stubborn_.empty() && stubborn_.contains(&wire)) return false;
        if (!calm_ && one_in(500)) stubborn_.insert(&wire);
        wire.widen_window(1 + below(20'000));
        return true;
    }

    [[nodiscard]] bool all_done() const {
        return world.proxy->sessions() == 0 &&
               std::all_of(senders_.begin(), senders_.end(),
                           [](const auto& sender) { return sender->done() || sender->gave_up(); });
    }

    Wrongs judge() {
        Wrongs wrongs;
        std::vector<std::string> read;
        bool stayed = !stopped_ && stubborn_.empty();
        for (const auto& sender : senders_) {
            // A device that was cut off for not reading, or told to go at once, may miss something.
            if (stubborn_.empty() && !stopped_)
                wrongs.insert(wrongs.end(), sender->wrongs().begin(), sender->wrongs().end());
            stayed = stayed && !sender->gave_up();
            for (std::string& message : sender->accepted()) read.push_back(std::move(message));
            if (calm_ && !sender->gave_up() && world.settings->server.max_message_size > 300 &&
                !sender->all_accepted())
                wrongs.emplace_back("a message that nothing stood against was not accepted");
        }
        check_acceptance(world.upstream, std::move(read), stayed, wrongs);
        for (std::string& wrong : check_all(world, &meant_)) wrongs.push_back(std::move(wrong));
        if (!wrongs.empty()) wrongs.push_back(transcript());
        return wrongs;
    }

    std::size_t mood_;  // how many of a hundred steps go wrong
    bool calm_ = true;
    bool stopped_ = false;
    std::vector<std::string> meant_;
    std::vector<std::unique_ptr<Sender>> senders_;
    std::set<const Wire*> stubborn_;  // takes nothing any more
};

}  // namespace

TEST_CASE("a thousand random afternoons") {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        Afternoon afternoon(seed);
        const Wrongs wrongs = afternoon.run();
        CHECK_MESSAGE(wrongs.empty(), "seed " << seed << ":\n" << listed(wrongs));
    }
}
