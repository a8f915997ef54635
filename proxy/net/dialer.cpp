// One dial: the steps, their deadline, and the one result. The order of the attempts is Race's.
#include "net/dialer.hpp"

#include <uv.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "net/race.hpp"
#include "net/stream.hpp"

namespace waxseal::net {

namespace {

std::string seconds(Duration d) {
    if (d.count() % 1000 == 0) return std::to_string(d.count() / 1000) + " s";
    return std::to_string(d.count()) + " ms";
}

class TcpDial final : public Dial {
  public:
    TcpDial(Loop& loop, Resolver& resolver, const DialerOptions& options,
            std::function<void(DialResult)> on_result)
        : loop_(loop),
          options_(options),
          on_result_(std::move(on_result)),
          overall_(loop.alarm([this] { time_is_up(); })),
          next_attempt_(loop.alarm([this] { advance(); })) {
        overall_->arm(options.connect_timeout);
        // A little less than everything, so that the reason given is the right one.
        query_ = resolver.query(loop, options.host,
                                std::min(options.lookup_timeout, options.connect_timeout),
                                [this](const Lookup& lookup) { looked_up(lookup); });
    }

  private:
    // One connection attempt; what it reports goes to the race.
    class Attempt final : public StreamEvents {
      public:
        Attempt(TcpDial& dial, std::size_t index)
            : dial_(dial), index_(index), stream_(new Stream(dial.loop_, *this)) {}
        virtual ~Attempt() = default;

        [[nodiscard]] int start(const Address& address) { return stream_->connect(address); }
        [[nodiscard]] std::size_t index() const noexcept { return index_; }
        [[nodiscard]] Held<Stream> take() { return std::move(stream_); }

        void on_connected(int error) override { dial_.connected(*this, error); }
        void on_data(std::string_view) override {}
        void on_end(int) override {}
        void on_sent(int) override {}

      private:
        TcpDial& dial_;
        std::size_t index_;
        Held<Stream> stream_;
    };

    void looked_up(const Lookup& lookup) {
        if (!lookup)
            return finish(std::unexpected(Failure{FailureKind::name_lookup, lookup.error()}));
        std::vector<Address> addresses = *lookup;
        for (Address& address : addresses) address.port = options_.port;
        race_.emplace(addresses);
        advance();
    }

    void advance() {
        while (const auto index = race_->next(loop_.now())) {
            auto attempt = std::make_unique<Attempt>(*this, *index);
            if (const int error = attempt->start(race_->address(*index)); error != 0) {
                race_->failed(*index, uv_strerror(error));
            } else {
                attempts_.push_back(std::move(attempt));
            }
        }
        if (race_->lost()) return finish(std::unexpected(failure("")));
        if (const auto at = race_->wakeup()) {
            next_attempt_->arm(*at - loop_.now());
        } else {
            next_attempt_->disarm();
        }
    }

    void connected(Attempt& attempt, int error) {
        const std::size_t index = attempt.index();
        if (error == 0) return won(attempt.take(), race_->address(index));
        race_->failed(index, uv_strerror(error));
        std::erase_if(attempts_, [index](const auto& other) { return other->index() == index; });
        advance();
    }

    void won(Held<Stream> stream, const Address& peer) {
        attempts_.clear();
        auto channel = std::make_unique<TcpChannel>(loop_, std::move(stream), peer, options_.tls);
        if (options_.tls_start == TlsStart::implicit) channel->start_tls();
        finish(std::unique_ptr<Channel>(std::move(channel)));
    }

    void time_is_up() {
        if (!race_) {
            finish(std::unexpected(
                Failure{FailureKind::name_lookup, "no answer for " + options_.host + " within " +
                                                      seconds(options_.connect_timeout)}));
        } else {
            finish(
                std::unexpected(failure("timed out after " + seconds(options_.connect_timeout))));
        }
    }

    [[nodiscard]] Failure failure(const std::string& pending) const {
        std::string host = options_.host;
        if (host.find(':') != std::string::npos) host = '[' + host + ']';
        return {FailureKind::connect, "cannot connect to " + host + ':' +
                                          std::to_string(options_.port) + ": " +
                                          race_->report(pending)};
    }

    // The user may destroy us in his function: nothing of ours is touched after it.
    void finish(DialResult result) {
        query_.reset();
        attempts_.clear();
        overall_.reset();
        next_attempt_.reset();
        const auto on_result = std::exchange(on_result_, nullptr);
        on_result(std::move(result));
    }

    Loop& loop_;
    DialerOptions options_;
    std::function<void(DialResult)> on_result_;
    std::unique_ptr<Alarm> overall_;
    std::unique_ptr<Alarm> next_attempt_;
    std::unique_ptr<Resolver::Query> query_;
    std::optional<Race> race_;
    std::vector<std::unique_ptr<Attempt>> attempts_;
};

}  // namespace

std::unique_ptr<Dial> TcpDialer::dial(std::function<void(DialResult)> on_result) {
    return std::make_unique<TcpDial>(loop_, resolver_, options_, std::move(on_result));
}

}  // namespace waxseal::net
