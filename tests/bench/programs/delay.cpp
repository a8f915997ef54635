// A long way: a TCP relay on 127.0.0.1 that delivers everything later, in order, however much it
// is.
//
//   bench_delay --to PORT --one-way MILLISECONDS
//
// Prints `listening PORT`; SIGTERM ends it. A connection takes its round trip, too: what its client
// sends at once leaves when the handshake of TCP would be over, and the server is connected to when
// the third segment of that handshake would arrive. One thread, one epoll, one timer.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr auto try_again = std::chrono::milliseconds(1);

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void no_delay(int socket) {
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// One direction: what has been read and when it arrives; an empty piece is the end.
class Flow {
  public:
    void push(Time due, std::string octets) { pieces_.push_back({due, std::move(octets)}); }
    [[nodiscard]] Time due() const { return pieces_.empty() ? Time::max() : pieces_.front().due; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }

    // False when nobody is there any more.
    [[nodiscard]] bool deliver(int socket, Time now) {
        while (due() <= now) {
            Piece& piece = pieces_.front();
            if (piece.octets.empty()) {
                (void)shutdown(socket, SHUT_WR);
                ended_ = true;
            } else {
                const ssize_t n = send(socket, piece.octets.data(), piece.octets.size(),
                                       MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN) return false;
                piece.octets.erase(0, n < 0 ? 0 : static_cast<std::size_t>(n));
                if (!piece.octets.empty()) {
                    piece.due = now + try_again;
                    return true;
                }
            }
            pieces_.pop_front();
        }
        return true;
    }

  private:
    struct Piece {
        Time due;
        std::string octets;
    };
    std::deque<Piece> pieces_;
    bool ended_ = false;
};

// A client, and the server it was taken to.
class Pair {
  public:
    struct End {
        Pair* pair;
        int socket;
    };

    Pair(int poll, int client, std::uint16_t to, Clock::duration way)
        : poll_(poll), to_(to), way_(way), begin_(Clock::now()), client_{this, client} {
        no_delay(client);
        watch(client_);
    }
    ~Pair() {
        ::close(client_.socket);
        if (server_.socket >= 0) ::close(server_.socket);
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;

    void receive(End& from) {
        std::array<char, 65536> block;
        const ssize_t n = recv(from.socket, block.data(), block.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        std::string octets(block.data(), n < 0 ? 0 : static_cast<std::size_t>(n));
        if (octets.empty()) (void)epoll_ctl(poll_, EPOLL_CTL_DEL, from.socket, nullptr);
        if (&from == &client_)
            up_.push(std::max(Clock::now(), begin_ + 2 * way_) + way_, std::move(octets));
        else
            down_.push(Clock::now() + way_, std::move(octets));
    }

    [[nodiscard]] Time due() const {
        return std::min(
            {server_.socket < 0 ? begin_ + 3 * way_ : Time::max(), up_.due(), down_.due()});
    }

    // False when it is over.
    [[nodiscard]] bool turn(Time now) {
        if (server_.socket < 0 && now >= begin_ + 3 * way_ && !connect()) return false;
        const bool there = up_.deliver(server_.socket, now) && down_.deliver(client_.socket, now);
        return there && !(up_.ended() && down_.ended());
    }

  private:
    [[nodiscard]] bool connect() {
        server_.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback(to_);
        no_delay(server_.socket);
        if (::connect(server_.socket, reinterpret_cast<const sockaddr*>(&address),
                      sizeof address) != 0) {
            return false;
        }
        watch(server_);
        return true;
    }

    void watch(End& end) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &end;
        (void)epoll_ctl(poll_, EPOLL_CTL_ADD, end.socket, &event);
    }

    int poll_;
    std::uint16_t to_;
    Clock::duration way_;
    Time begin_;
    End client_;
    End server_{this, -1};
    Flow up_;
    Flow down_;
};

void arm(int timer, Time due) {
    itimerspec when{};
    if (due != Time::max()) {
        // Nought would disarm it.
        const auto left =
            std::max<std::int64_t>(1, std::chrono::nanoseconds(due.time_since_epoch()).count());
        when.it_value = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    }
    (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
}

void add(int poll, int descriptor, void* tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = tag;
    (void)epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
}

[[noreturn]] void run(int listener, std::uint16_t to, Clock::duration way) {
    std::vector<std::unique_ptr<Pair>> pairs;
    const int poll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    add(poll, timer, &timer);
    add(poll, listener, &listener);
    std::array<epoll_event, 64> events;
    while (true) {
        const int n = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < n; ++i) {
            void* const tag = events[static_cast<std::size_t>(i)].data.ptr;
            if (tag == &timer) continue;
            if (tag == &listener) {
                const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                if (client >= 0) pairs.push_back(std::make_unique<Pair>(poll, client, to, way));
            } else {
                auto* const end = static_cast<Pair::End*>(tag);
                end->pair->receive(*end);
            }
        }
        Time next = Time::max();
        std::erase_if(pairs, [&next, now = Clock::now()](const auto& pair) {
            const bool over = !pair->turn(now);
            if (!over) next = std::min(next, pair->due());
            return over;
        });
        arm(timer, next);
    }
}

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

int main(int count, char** arguments) {
    std::uint64_t to = 0;
    std::uint64_t milliseconds = 0;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string_view name = arguments[i];
        if (name == "--to") to = number(arguments[i + 1]);
        if (name == "--one-way") milliseconds = number(arguments[i + 1]);
    }
    if (to == 0 || to > 65535 || milliseconds == 0) {
        (void)std::fprintf(stderr, "usage: bench_delay --to PORT --one-way MILLISECONDS\n");
        return 64;
    }
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, name, size) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, name, &size) != 0) {
        std::perror("bench_delay");
        return 71;
    }
    std::printf("listening %u\n", ntohs(address.sin_port));
    run(listener, static_cast<std::uint16_t>(to), std::chrono::milliseconds(milliseconds));
}
