// A submission server on 127.0.0.1 that accepts every message and keeps none: what the proxies
// under measurement deliver to.
//
//   bench_sink --tls implicit|starttls|none [--chain FILE --key FILE] [--keyword WORD]...
//              [--rate OCTETS_PER_SECOND] [--hash] [--list]
//
// Listens on a free port and prints `listening PORT`; in clear also `auth PORT`, where an HTTP
// server tells nginx that whoever logs in is welcome and is to be sent here. --keyword adds to the
// EHLO reply (CHUNKING, AUTH PLAIN). --hash and --list print for each message `message octets=…
// sha256=… to=…`, after un-stuffing. With --rate each connection is read no faster. SIGUSR1 prints
// `total connections=… open=… most=… full=… resumed=… messages=… octets=… tls=VERSION,CIPHER`
// (most: open at once; full, resumed: handshakes; octets: of bodies as far as they have come; TLS
// of the latest connection); SIGTERM ends it. One thread, one epoll. Shares no code with waxseal.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sink_connection.hpp"

namespace waxseal::bench {
namespace {

using Clock = std::chrono::steady_clock;
// With --rate: how often the allowance is renewed, and for how long a time at most.
constexpr int tick_ms = 20;
constexpr std::int64_t most_saved_ms = 500;

// A listening socket on a free port of loopback.
struct Door {
    int socket = -1;
    std::uint16_t port = 0;
};

Door open_door() {
    Door door{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    if (bind(door.socket, name, size) != 0 || listen(door.socket, 4096) != 0 ||
        getsockname(door.socket, name, &size) != 0) {
        std::perror("bench_sink");
        std::exit(71);
    }
    door.port = ntohs(address.sin_port);
    return door;
}

class Sink {
  public:
    explicit Sink(SinkState& state);
    int run();

  private:
    void watch(int descriptor, void* tag) const;
    void accept_all();
    void answer_nginx() const;
    void renew_all();
    [[nodiscard]] bool on_signal() const;
    void print_totals() const;

    SinkState& state_;
    std::unordered_map<SinkConnection*, std::unique_ptr<SinkConnection>> connections_;
    Door smtp_ = open_door();
    Door auth_;
    int signals_ = -1;
    Clock::time_point renewed_ = Clock::now();
};

Sink::Sink(SinkState& state) : state_(state) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
    state_.poll = epoll_create1(EPOLL_CLOEXEC);
    watch(signals_, &signals_);
    watch(smtp_.socket, &smtp_);
    if (state_.options.mode != Mode::clear) return;
    auth_ = open_door();
    watch(auth_.socket, &auth_);
}

void Sink::watch(int descriptor, void* tag) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = tag;
    (void)epoll_ctl(state_.poll, EPOLL_CTL_ADD, descriptor, &event);
}

int Sink::run() {
    std::printf("listening %u\n", smtp_.port);
    if (auth_.port != 0) std::printf("auth %u\n", auth_.port);
    std::array<epoll_event, 64> events;
    while (true) {
        const int wait = state_.options.rate == 0 ? -1 : tick_ms;
        const int n = epoll_wait(state_.poll, events.data(), static_cast<int>(events.size()), wait);
        for (int i = 0; i < n; ++i) {
            void* const tag = events[static_cast<std::size_t>(i)].data.ptr;
            if (tag == &signals_) {
                if (!on_signal()) return 0;
            } else if (tag == &smtp_) {
                accept_all();
            } else if (tag == &auth_) {
                answer_nginx();
            } else if (auto* const one = static_cast<SinkConnection*>(tag); !one->turn()) {
                connections_.erase(one);
            }
        }
        if (state_.options.rate != 0) renew_all();
    }
}

void Sink::accept_all() {
    while (true) {
        const int socket = accept4(smtp_.socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (socket < 0) return;
        auto connection = std::make_unique<SinkConnection>(state_, socket);
        SinkConnection* const key = connection.get();
        if (key->turn()) connections_.emplace(key, std::move(connection));
    }
}

// ngx_mail_auth_http_module: who logs in is welcome. The request comes in one piece and is not read
// with care; it blocks, since nothing else is to be done for nginx until then.
void Sink::answer_nginx() const {
    const int socket = accept4(auth_.socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    std::array<char, 4096> request;
    (void)recv(socket, request.data(), request.size(), 0);
    const std::string reply =
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: " +
        std::to_string(smtp_.port) + "\r\n\r\n";
    (void)send(socket, reply.data(), reply.size(), MSG_NOSIGNAL);
    ::close(socket);
}

// By the time that has passed: a busy machine is late with its ticks.
void Sink::renew_all() {
    const auto passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - renewed_).count();
    if (passed < tick_ms) return;
    renewed_ = Clock::now();
    const auto part = static_cast<std::uint64_t>(std::min(passed, most_saved_ms));
    const std::uint64_t octets = state_.options.rate * part / 1000;
    std::erase_if(connections_, [octets](const auto& one) { return !one.second->renew(octets); });
}

// False at SIGTERM.
bool Sink::on_signal() const {
    signalfd_siginfo signal{};
    if (read(signals_, &signal, sizeof signal) != sizeof signal) return true;
    if (signal.ssi_signo == SIGTERM) return false;
    print_totals();
    return true;
}

void Sink::print_totals() const {
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "total connections=%llu open=%llu most=%llu full=%llu resumed=%llu messages=%llu "
        "octets=%llu tls=%s\n",
        number(state_.connections), number(state_.open), number(state_.most), number(state_.full),
        number(state_.resumed), number(state_.messages), number(state_.octets),
        state_.latest.c_str());
}

std::optional<Mode> mode_of(std::string_view name) {
    if (name == "implicit") return Mode::implicit;
    if (name == "starttls") return Mode::starttls;
    if (name == "none") return Mode::clear;
    return std::nullopt;
}

bool set(SinkOptions& options, std::string_view name, std::string_view value) {
    if (name == "--chain") {
        options.chain = value;
    } else if (name == "--key") {
        options.key = value;
    } else if (name == "--keyword") {
        options.keywords += "250-" + std::string(value) + "\r\n";
    } else if (name == "--tls") {
        const auto mode = mode_of(value);
        if (mode) options.mode = *mode;
        return mode.has_value();
    } else {
        return name == "--rate" &&
               std::from_chars(value.data(), value.data() + value.size(), options.rate).ec ==
                   std::errc{};
    }
    return true;
}

std::optional<SinkOptions> parse(int count, char** arguments) {
    SinkOptions options;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = arguments[i];
        if (name == "--hash") {
            options.hash = true;
        } else if (name == "--list") {
            options.list = true;
        } else {
            ++i;
            if (i == count || !set(options, name, arguments[i])) return std::nullopt;
        }
    }
    return options;
}

int run(const SinkOptions& options) {
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
    rlimit files{};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    SinkState state;
    state.options = options;
    if (options.mode != Mode::clear) state.tls = server_context(options.chain, options.key);
    if (options.mode != Mode::clear && !state.tls) {
        (void)std::fprintf(stderr, "bench_sink: no certificate in %s with the key in %s\n",
                           options.chain.c_str(), options.key.c_str());
        return 78;
    }
    return Sink(state).run();
}

}  // namespace
}  // namespace waxseal::bench

int main(int count, char** arguments) {
    const auto options = waxseal::bench::parse(count, arguments);
    if (options) return waxseal::bench::run(*options);
    (void)std::fprintf(stderr,
                       "usage: bench_sink --tls implicit|starttls|none [--chain FILE --key FILE] "
                       "[--keyword WORD]... [--rate OCTETS_PER_SECOND] [--hash] [--list]\n");
    return 64;
}
