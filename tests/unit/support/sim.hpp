// A world without sockets and clocks: the Reactor, Channel and Dialer that the deciding half of
// waxseal runs on in tests and fuzzers. Deterministic; a seed is the only source of variety.
//
//   FakeReactor   simulated time, alarms, deferred functions, and events "from the network"
//   Wire          one byte stream: channel() is the product's end, everything else is the peer's
//   FakeDialer    makes Wires, at once, later, never, or fails
//
// Flow: give the product its channel, feed() and end() as its peer, reactor.run_until_idle() or
// advance(); then look at sent(), fate(), reactor.armed(). scripted_upstream.hpp is a whole
// provider on top of this, world.hpp a whole session. The Wire keeps the rules of base/channel.hpp
// to the letter, and the views that readable() gives are on the heap and die at the very moment the
// contract lets them die, so that AddressSanitizer sees whoever holds one too long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/channel.hpp"
#include "base/reactor.hpp"

namespace waxseal::testing {

class FakeReactor final : public Reactor {
  public:
    FakeReactor() = default;
    ~FakeReactor() override { run_until_idle(); }
    FakeReactor(const FakeReactor&) = delete;
    FakeReactor& operator=(const FakeReactor&) = delete;

    [[nodiscard]] TimePoint now() const noexcept override { return now_; }
    // A day that begins at noon: Sat, 28 Nov 2026 12:00:00 +0000.
    [[nodiscard]] std::chrono::system_clock::time_point time_of_day() const override {
        return std::chrono::system_clock::time_point(std::chrono::seconds(1'795'867'200)) +
               (now_ - TimePoint(std::chrono::hours(1)));
    }
    [[nodiscard]] std::unique_ptr<Alarm> alarm(std::function<void()> on_expiry) override;
    void defer(std::function<void()> function) override;

    // Something that happens outside: runs after all deferred functions, one at a time, in the
    // order of `choose`.
    void post(std::function<void()> event) override;
    // Which of n waiting events is next. The first by default; a random one in simulations.
    std::function<std::size_t(std::size_t n)> choose;

    // Runs what is deferred, posted or due now, until nothing is. Throws std::logic_error when that
    // does not end.
    void run_until_idle();
    // One posted event, or an alarm that is due now, and what follows from it; false when there is
    // none.
    bool run_one();
    // Lets time pass; alarms fire at their times, in their order.
    void advance(Duration duration);
    // Lets time pass until the next alarm has fired; false when none is armed.
    bool advance_to_next_alarm();

    [[nodiscard]] std::size_t armed() const noexcept;
    [[nodiscard]] std::size_t alarms() const noexcept { return appointments_.size(); }
    [[nodiscard]] std::size_t posted() const noexcept { return posted_.size(); }
    [[nodiscard]] bool idle() const noexcept { return deferred_.empty() && posted_.empty(); }

  private:
    class Appointment;
    [[nodiscard]] Appointment* next_due() const noexcept;
    void run_deferred();
    bool fire_due();

    // Not zero: nothing may take the beginning of time for "never".
    TimePoint now_{std::chrono::hours(1)};
    std::uint64_t order_ = 0;
    std::list<Appointment*> appointments_;
    std::deque<std::function<void()>> deferred_;
    std::vector<std::function<void()>> posted_;
};

// What becomes of start_tls().
enum class TlsPlan { succeeds, succeeds_unverified, fails, hangs };

// What the product's end has done with the connection, as far as the peer can tell.
enum class Fate {
    open,
    closed,   // orderly, after everything that was written
    aborted,  // RST, or destroyed without close()
};

class Wire : public std::enable_shared_from_this<Wire> {
  public:
    struct Options {
        std::string peer_address = "192.0.2.1:40000";
        TlsPlan tls = TlsPlan::succeeds;
        bool implicit_tls = false;  // the handshake begins with channel()
        // The octets that a handshake takes from the peer before it can succeed; fed in clear.
        std::string client_hello = {};
        // write() is with the kernel when it returns, if the window allows; else only after an
        // event.
        bool writes_at_once = false;
        bool offers_session = false;  // an earlier one, in its handshake
    };
    static std::shared_ptr<Wire> make(FakeReactor& reactor, Options options);

    // The product's end; once.
    [[nodiscard]] std::unique_ptr<Channel> channel();

    // Octets for the product. Each call is a segment of its own: readable() never joins two. Inside
    // TLS once that is established, in clear before; during the handshake they are the
    // client_hello, and anything else breaks it.
    void feed(std::string_view bytes);
    // The end of what the peer says, after everything fed. Failed comes at once, whether the
    // product reads or not.
    void end(EndOfInput how, Failure why = {FailureKind::lost, "connection reset by peer"});
    // How many more octets the peer takes; unlimited at first.
    void set_window(std::size_t octets);
    void widen_window(std::size_t octets);
    // What becomes of octets that the product's kernel has taken; they arrive at first. Pending:
    // they are on their way until this is said again. Failed: the device has gone, and the channel
    // does not know it: what is on its way is lost, and whatever is written from now on.
    void set_delivery(Delivery delivery);
    void lose_output() { set_delivery(Delivery::failed); }
    // Ends a handshake that TlsPlan::hangs left open.
    void finish_handshake(bool success, bool verified = true);
    // Called as an event of its own when the peer has got octets, when TLS is up, and at the end.
    void set_on_activity(std::function<void()> function) { on_activity_ = std::move(function); }

    // All octets the peer has got, and the part of them that was in clear.
    [[nodiscard]] const std::string& sent() const noexcept { return sent_; }
    [[nodiscard]] std::string_view sent_in_clear() const noexcept {
        return std::string_view(sent_).substr(0, clear_);
    }
    // Octets the product has written and the peer has not taken.
    [[nodiscard]] std::size_t in_flight() const noexcept {
        return in_flight_.size() + unacknowledged_.size();
    }
    // In how many writes it was that something was taken.
    [[nodiscard]] std::size_t writes() const noexcept { return writes_; }
    // Octets fed that the product has not consumed.
    [[nodiscard]] std::size_t unread() const noexcept;
    [[nodiscard]] Fate fate() const noexcept { return fate_; }
    [[nodiscard]] bool reading() const noexcept { return wants_input_; }
    [[nodiscard]] TlsPhase tls() const noexcept { return tls_; }
    // Whether the peer has ended its side.
    [[nodiscard]] bool ended() const noexcept { return coming_end_ != EndOfInput::none; }

  private:
    class Memory;
    explicit Wire(FakeReactor& reactor, Options options)
        : reactor_(reactor), options_(std::move(options)) {}
    void schedule_arrival();
    void arrive();
    void schedule_transmission();
    void take_window(std::size_t octets) noexcept;
    void transmit();
    void carry(std::string_view octets);
    void lose_in_flight() noexcept;
    [[nodiscard]] Delivery delivery() const noexcept;
    void settle_handshake(bool success, bool verified);
    void begin_tls(Unread unread);
    void take_hello(std::string_view octets);
    void fail(FailureKind kind, std::string reason);
    void notify();
    void tell_peer();
    void leave(Fate fate);
    [[nodiscard]] bool drained() const noexcept;

    FakeReactor& reactor_;
    Options options_;
    Memory* memory_ = nullptr;  // the product's end, while it exists
    std::size_t writes_ = 0;
    bool made_ = false;
    std::function<void()> notify_;
    std::function<void()> on_activity_;
    // Towards the product: with the network, then in its process, then what readable() shows.
    std::deque<std::string> outside_;
    std::deque<std::string> arrived_;
    std::unique_ptr<std::string> served_;
    EndOfInput coming_end_ = EndOfInput::none;
    EndOfInput verdict_ = EndOfInput::none;
    Failure failure_{FailureKind::lost, {}};
    bool starved_ = true;  // inside TLS an end shows only after readable() has found nothing more
    bool wants_input_ = true;
    bool arrival_scheduled_ = false;
    // Towards the peer.
    std::string in_flight_;       // with the product's kernel, or not even there
    std::string unacknowledged_;  // with the network
    Delivery network_ = Delivery::arrived;
    bool lost_output_ = false;
    std::string sent_;
    std::size_t clear_ = 0;
    std::size_t window_ = std::numeric_limits<std::size_t>::max();
    bool transmission_scheduled_ = false;
    bool activity_scheduled_ = false;
    bool closing_ = false;
    Fate fate_ = Fate::open;
    TlsPhase tls_ = TlsPhase::none;
    std::string hello_;  // what the handshake has taken
    bool verified_ = false;
};

// What the next dial() will meet; the default is what all later ones meet.
struct DialPlan {
    std::optional<Failure> failure = {};
    bool hangs = false;
    Duration after{};
};

class FakeDialer final : public Dialer {
  public:
    // `connect` makes the Wire of each connection that succeeds.
    FakeDialer(FakeReactor& reactor, std::function<std::shared_ptr<Wire>()> connect)
        : reactor_(reactor), connect_(std::move(connect)) {}
    [[nodiscard]] std::unique_ptr<Dial> dial(std::function<void(DialResult)> on_result) override;

    std::function<void()> on_dial = {};  // before each
    std::deque<DialPlan> plans;
    DialPlan otherwise;
    [[nodiscard]] std::size_t dials() const noexcept { return dials_; }
    [[nodiscard]] std::size_t under_way() const noexcept { return *under_way_; }

  private:
    class Attempt;
    FakeReactor& reactor_;
    std::function<std::shared_ptr<Wire>()> connect_;
    std::size_t dials_ = 0;
    std::shared_ptr<std::size_t> under_way_ = std::make_shared<std::size_t>(0);
};

}  // namespace waxseal::testing
