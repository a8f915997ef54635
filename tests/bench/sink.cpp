// A TLS submission server on 127.0.0.1 that accepts every message and keeps none: what the proxies
// under measurement deliver to.
//
//   bench_sink --tls implicit|starttls --ca-out FILE [--hash] [--rate OCTETS_PER_SECOND]
//
// Makes its CA and certificate (127.0.0.1, localhost) at the start, writes the CA to FILE, listens
// on a free port and prints `listening PORT`. With --hash, `message octets=… sha256=…` for each
// message, after un-stuffing. With --rate each connection is read no faster. SIGUSR1 prints
// `total connections=… messages=… octets=… tls=VERSION,CIPHER` (octets of bodies as far as they
// have come, TLS of the latest connection); SIGTERM ends it.
//
// TLS, sockets and certificates are waxseal's own libraries; the SMTP is not.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/tcp_channel.hpp"
#include "sink_body.hpp"
#include "tls/engine.hpp"
#include "tls/issue.hpp"

namespace waxseal::bench {
namespace {

// With --rate: how often the allowance is renewed.
constexpr Duration tick = std::chrono::milliseconds(20);
constexpr Duration most_saved = std::chrono::milliseconds(500);

struct Options {
    bool implicit = true;
    bool hash = false;
    std::uint64_t rate = 0;  // 0: no limit
    std::string ca_out;
};

class Sink {
  public:
    Sink(net::Loop& loop, const Options& options, std::shared_ptr<const tls::ServerContext> tls);
    ~Sink();
    [[nodiscard]] std::expected<std::uint16_t, Error> open();
    void print_totals() const;

  private:
    class Connection;
    void accept(std::unique_ptr<net::TcpChannel> channel);

    net::Loop& loop_;
    Options options_;
    std::shared_ptr<const tls::ServerContext> tls_;
    std::unique_ptr<net::Listener> listener_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::uint64_t accepted_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t octets_ = 0;
    TlsDetails latest_;
};

// One client: lines are commands until DATA, then everything is body until its end.
class Sink::Connection {
  public:
    Connection(Sink& sink, std::unique_ptr<net::TcpChannel> channel)
        : sink_(sink),
          channel_(std::move(channel)),
          renewed_(sink.loop_.now()),
          allowance_(sink.options_.rate == 0 ? UINT64_MAX : 4096) {
        channel_->set_tls(net::ServerTls{sink.tls_});
        if (sink.options_.implicit) channel_->start_tls();
        if (sink.options_.rate != 0) {
            alarm_ = sink.loop_.alarm([this] { renew(); });
            alarm_->arm(tick);
        }
        output_ = "220 sink.bench.example ESMTP\r\n";
        channel_->set_notify([this] { pump(); });
    }

  private:
    // By the time that has passed: a busy machine is late with its ticks.
    void renew() {
        const TimePoint now = sink_.loop_.now();
        const auto passed = std::min(now - renewed_, most_saved).count();
        const std::uint64_t rate = sink_.options_.rate;
        allowance_ = std::min(allowance_ + rate * static_cast<std::uint64_t>(passed) / 1000, rate);
        renewed_ = now;
        alarm_->arm(tick);
        channel_->want_input(true);
        pump();
    }

    void pump() {
        if (over_) return;
        while (allowance_ > 0 && !over_) {
            const std::string_view input = channel_->readable();
            if (input.empty()) break;
            const std::size_t used = take(input.substr(0, allowance_));
            if (sink_.options_.rate != 0) allowance_ -= used;
            channel_->consume(used);
            start_tls_if_due();
        }
        if (allowance_ == 0) channel_->want_input(false);
        flush();
        if (over_ || channel_->end() != EndOfInput::none) end();
    }

    std::size_t take(std::string_view input) {
        if (body_) return take_body(input);
        const std::size_t end = input.find('\n');
        line_ += input.substr(0, end);
        if (end == std::string_view::npos) return input.size();
        if (line_.ends_with('\r')) line_.pop_back();
        on_command(line_);
        line_.clear();
        return end + 1;
    }

    std::size_t take_body(std::string_view input) {
        const std::uint64_t before = body_->octets();
        const std::size_t used = body_->receive(input);
        sink_.octets_ += body_->octets() - before;
        if (!body_->ended()) return used;
        ++sink_.messages_;
        if (sink_.options_.hash) {
            std::printf("message octets=%llu sha256=%s\n",
                        static_cast<unsigned long long>(body_->octets()), body_->sha256().c_str());
        }
        body_.reset();
        output_ += "250 2.0.0 Taken\r\n";
        return used;
    }

    void on_command(std::string_view line) {
        const bool secured = channel_->tls() == TlsPhase::established;
        if (line.starts_with("EHLO")) {
            if (secured) sink_.latest_ = channel_->tls_details();
            output_ += "250-sink.bench.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n";
            output_ += secured ? "250 SIZE\r\n" : "250 STARTTLS\r\n";
        } else if (line == "STARTTLS" && !secured) {
            output_ += "220 2.0.0 Go ahead\r\n";
            tls_due_ = true;
        } else if (line.starts_with("QUIT")) {
            output_ += "221 2.0.0 Bye\r\n";
            over_ = true;
        } else if (!secured) {
            output_ += "530 5.7.0 STARTTLS first\r\n";
        } else if (line == "DATA") {
            output_ += "354 Go ahead\r\n";
            body_.emplace(sink_.options_.hash);
        } else {
            output_ += "250 2.0.0 Ok\r\n";
        }
    }

    void start_tls_if_due() {
        if (!tls_due_) return;
        tls_due_ = false;
        flush();
        channel_->start_tls();
    }

    void flush() {
        while (!output_.empty()) {
            const std::size_t taken = channel_->write(output_);
            if (taken == 0) break;
            output_.erase(0, taken);
        }
    }

    void end() {
        over_ = true;
        channel_->close();
        const auto self = sink_.connections_.find(this);
        if (self == sink_.connections_.end()) return;
        retire(sink_.loop_, std::move(self->second));
        sink_.connections_.erase(self);
    }

    Sink& sink_;
    std::unique_ptr<net::TcpChannel> channel_;
    std::unique_ptr<Alarm> alarm_;
    TimePoint renewed_;
    std::uint64_t allowance_;  // octets that may be read now
    std::string line_;
    std::string output_;
    std::optional<SinkBody> body_;
    bool tls_due_ = false;
    bool over_ = false;
};

Sink::Sink(net::Loop& loop, const Options& options, std::shared_ptr<const tls::ServerContext> tls)
    : loop_(loop), options_(options), tls_(std::move(tls)) {}

Sink::~Sink() = default;

std::expected<std::uint16_t, Error> Sink::open() {
    auto listener =
        net::Listener::open(loop_, {.address = *net::Address::parse("127.0.0.1", 0)},
                            [this](std::unique_ptr<net::TcpChannel> channel,
                                   const net::SocketAddress&) { accept(std::move(channel)); });
    if (!listener) return std::unexpected(listener.error());
    listener_ = *std::move(listener);
    return listener_->address().tcp().port;
}

void Sink::accept(std::unique_ptr<net::TcpChannel> channel) {
    ++accepted_;
    auto connection = std::make_unique<Connection>(*this, std::move(channel));
    Connection* const key = connection.get();
    connections_.emplace(key, std::move(connection));
}

void Sink::print_totals() const {
    std::printf("total connections=%llu messages=%llu octets=%llu tls=%s,%s\n",
                static_cast<unsigned long long>(accepted_),
                static_cast<unsigned long long>(messages_),
                static_cast<unsigned long long>(octets_), latest_.version.c_str(),
                latest_.cipher_suite.c_str());
}

std::expected<std::shared_ptr<const tls::ServerContext>, Error> make_identity(
    const std::string& ca_out) {
    auto ca = tls::issue_ca("bench CA", std::chrono::hours(24));
    if (!ca) return std::unexpected(ca.error());
    auto leaf = tls::issue_leaf(*ca, {.dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}});
    if (!leaf) return std::unexpected(leaf.error());
    std::ofstream(ca_out) << ca->certificate_pem;
    return tls::server_context({leaf->certificate_pem, std::move(leaf->key_pem)});
}

std::optional<Options> parse(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = arguments[i];
        if (name == "--hash") {
            options.hash = true;
            continue;
        }
        if (++i == count) return std::nullopt;
        const std::string_view value = arguments[i];
        if (name == "--tls" && (value == "implicit" || value == "starttls"))
            options.implicit = value == "implicit";
        else if (name == "--ca-out")
            options.ca_out = value;
        else if (name != "--rate" ||
                 std::from_chars(value.data(), value.data() + value.size(), options.rate).ec !=
                     std::errc{})
            return std::nullopt;
    }
    if (options.ca_out.empty()) return std::nullopt;
    return options;
}

int run(const Options& options) {
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
    auto identity = make_identity(options.ca_out);
    if (!identity) {
        (void)std::fprintf(stderr, "bench_sink: %s\n", identity.error().text.c_str());
        return 71;
    }
    net::Loop loop;
    Sink sink(loop, options, *std::move(identity));
    loop.on_signal(SIGTERM, [&loop] { loop.stop(); });
    loop.on_signal(SIGUSR1, [&sink] { sink.print_totals(); });
    const auto port = sink.open();
    if (!port) {
        (void)std::fprintf(stderr, "bench_sink: %s\n", port.error().text.c_str());
        return 71;
    }
    std::printf("listening %u\n", *port);
    loop.run();
    return 0;
}

}  // namespace
}  // namespace waxseal::bench

int main(int count, char** arguments) {
    const auto options = waxseal::bench::parse(count, arguments);
    if (options) return waxseal::bench::run(*options);
    (void)std::fprintf(stderr,
                       "usage: bench_sink --tls implicit|starttls --ca-out FILE [--hash] "
                       "[--rate OCTETS_PER_SECOND]\n");
    return 64;
}
