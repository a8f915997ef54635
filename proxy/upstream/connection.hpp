// One connection to an upstream: a channel and a client machine, moved as one. It performs STARTTLS
// when the machine asks for it, hands the machine the proof of verification, and watches the
// deadline of what is waited for. One that was kept after a transaction (upstream/pool.hpp) may
// have died meanwhile without a word: until its first reply it has less time.
//
// Flow: set_notify(); whenever notified, next() until NeedInput. After acts on client(), flush()
// (next() does it too).
//   close() when done: says QUIT if that is legal, else ends the channel at once with nothing more
//   sent (an unfinished message must not be completed by anything we say). Single-threaded; destroy
//   outside its own call stack.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/channel.hpp"
#include "base/deadline.hpp"
#include "base/reactor.hpp"
#include "smtp/client.hpp"
#include "upstream/provider.hpp"
#include "upstream/slots.hpp"

namespace waxseal::upstream {

// How long each phase took on the way to Ready; zero for what did not happen.
struct Timings {
    Duration queue{};    // waiting for a slot
    Duration connect{};  // name lookup and connect
    Duration tls{};      // handshake
    Duration login{};    // greeting, EHLO, AUTH
};

class Connection {
  public:
    // `credentials` are those of this one login; with none there is no login. `client` is told by
    // XCLIENT.
    Connection(Reactor& reactor, std::shared_ptr<Provider> provider,
               std::unique_ptr<Channel> channel, std::unique_ptr<Slots::Request> slot,
               std::optional<smtp::Credentials> credentials,
               std::optional<smtp::Xclient> client = std::nullopt);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void set_notify(std::function<void()> notify);
    [[nodiscard]] smtp::ClientEvent next();
    void flush();
    void close();

    // It goes to another borrower, as it is.
    void lend();
    // It has been given back, and somebody may be waiting for its last replies.
    void recover() noexcept { use_ = Use::recovering; }
    // It was lent before: what goes wrong with it may be its age.
    [[nodiscard]] bool reused() const noexcept { return use_ != Use::fresh; }
    // It has offered an earlier TLS session and got no answer but the end (base/channel.hpp):
    // without one it may well work.
    [[nodiscard]] bool offered_in_vain() const noexcept {
        return !heard_ && channel_->offered_session();
    }
    // What is told to it may follow what was told: logged in, nothing wrong with it, no transaction
    // open, neither old nor used up.
    [[nodiscard]] bool reusable() const;

    [[nodiscard]] smtp::Client& client() noexcept { return client_; }
    [[nodiscard]] const smtp::Client& client() const noexcept { return client_; }
    // Octets accepted for the upstream and not yet with the kernel: what back-pressure looks at.
    [[nodiscard]] std::size_t pending() const noexcept { return client_.pending(); }
    [[nodiscard]] TlsDetails tls_details() const { return channel_->tls_details(); }
    // The username of the login; empty when there was none.
    [[nodiscard]] const std::string& account() const noexcept { return account_; }
    [[nodiscard]] std::string peer_address() const { return channel_->peer_address(); }
    [[nodiscard]] const std::shared_ptr<Provider>& provider() const noexcept { return provider_; }
    [[nodiscard]] Slots::Request& slot() noexcept { return *slot_; }
    // For the connection that replaces this one, which must then not be used any more.
    [[nodiscard]] std::unique_ptr<Slots::Request> take_slot() noexcept { return std::move(slot_); }
    [[nodiscard]] Timings& timings() noexcept { return timings_; }

  private:
    enum class Use : std::uint8_t {
        fresh,
        lent,        // again, and nothing has come from the upstream since
        proved,      // lent again, and the upstream has answered
        recovering,  // given back; what it was asked last is not answered yet
    };
    void wake();
    void note_tls();
    [[nodiscard]] bool take_input();
    [[nodiscard]] std::optional<smtp::ClientEvent> note_end();
    void rearm();
    void expired();
    [[nodiscard]] Timer timer() const noexcept;
    [[nodiscard]] Duration duration(Timer timer) const noexcept;

    Reactor& reactor_;
    std::shared_ptr<Provider> provider_;
    std::unique_ptr<Slots::Request> slot_;
    std::unique_ptr<Channel> channel_;
    std::string account_;
    smtp::Client client_;
    std::function<void()> notify_;
    Deadline deadline_;
    std::optional<Failure> failure_;
    Timings timings_;
    TimePoint started_;
    std::optional<TimePoint> secured_;
    std::uint64_t progress_ = 0;
    TimePoint opened_;
    Use use_ = Use::fresh;
    bool heard_ = false;  // the upstream has said something, after its handshake
};

}  // namespace waxseal::upstream
