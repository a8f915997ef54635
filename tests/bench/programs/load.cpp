// A load generator: sends messages in cleartext SMTP to a proxy, and counts what comes back.
//
//   bench_load --port P [--messages N] [--size S | --body FILE] [--repeat R] [--connections C]
//              [--per-connection M] [--auth yes]
//
// N messages of S octets (or the content of FILE, CRLF lines), R times over in one message, C
// connections at once, M messages on each before QUIT, with --auth after an AUTH PLAIN. One thread,
// one epoll, the body made and dot-stuffed once before the clock starts, one command at a time as
// simple devices do it: the generator is not to be what is measured. Prints one line, `messages=…
// failed=… octets=… seconds=… cpu=…`: failed counts messages that got no 250, octets those of all
// bodies before stuffing; the first reply that was not wanted is on stderr. Exit 0 when none
// failed. Shares no code with waxseal, and so can testify.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Options {
    std::uint64_t port = 0;
    std::uint64_t messages = 1;
    std::uint64_t size = 4096;
    std::uint64_t repeat = 1;
    std::uint64_t connections = 1;
    std::uint64_t per_connection = 1;
    std::string body;
    bool auth = false;
};

[[noreturn]] void die(const std::string& why) {
    (void)std::fprintf(stderr, "bench_load: %s\n", why.c_str());
    std::exit(64);
}

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        die("not a number: " + std::string(text));
    return value;
}

Options parse(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; i += 2) {
        const std::string_view name = arguments[i];
        if (i + 1 == count) die(std::string(name) + " needs a value");
        const std::string_view value = arguments[i + 1];
        if (name == "--body")
            options.body = value;
        else if (name == "--auth")
            options.auth = value == "yes";
        else if (name == "--port")
            options.port = number(value);
        else if (name == "--messages")
            options.messages = number(value);
        else if (name == "--size")
            options.size = number(value);
        else if (name == "--repeat")
            options.repeat = number(value);
        else if (name == "--connections")
            options.connections = number(value);
        else if (name == "--per-connection")
            options.per_connection = number(value);
        else
            die("unknown option " + std::string(name));
    }
    if (options.port == 0) die("--port is missing");
    return options;
}

// Lines of 78 letters: what MIME makes of an attachment.
std::string make_body(std::uint64_t size) {
    std::string body;
    body.reserve(size);
    std::uint32_t random = 2463534242;
    while (body.size() < size) {
        const std::uint64_t left = size - body.size();
        const std::uint64_t line = left < 80 + 2 ? left : 80;
        for (std::uint64_t i = 2; i < line; ++i) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            body += static_cast<char>('A' + random % 26);
        }
        body += "\r\n";
    }
    return body;
}

std::string read_body(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    std::string body((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file || !body.ends_with("\r\n")) die(name + ": unreadable, or no CRLF at its end");
    return body;
}

// A body that is repeated begins a line each time, so stuffing one copy is enough.
std::string stuff(std::string_view body) {
    std::string stuffed;
    stuffed.reserve(body.size() + body.size() / 64);
    while (!body.empty()) {
        const std::size_t line = std::min(body.find('\n'), body.size() - 1) + 1;
        if (body.front() == '.') stuffed += '.';
        stuffed += body.substr(0, line);
        body.remove_prefix(line);
    }
    return stuffed;
}

// What all connections share.
struct Job {
    Options options;
    sockaddr_in address{};
    std::string payload;
    std::uint64_t octets = 0;  // of one message, unstuffed
    bool eight_bit = false;
    std::uint64_t unclaimed = 0;  // messages that no connection has begun
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    int poll = -1;
};

// One connection: the reply that is waited for, and the body as far as it has gone.
class Client {
  public:
    enum class Step { greeting, hello, login, mail, rcpt, data, body, message, quit };

    explicit Client(Job& job) : job_(job) {}
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void connect() {
        socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        (void)setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // Loopback: it succeeds or fails at once, so it may block.
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&job_.address),
                      sizeof job_.address) != 0) {
            return lose();
        }
        watch(EPOLL_CTL_ADD, EPOLLIN);
    }

    // False when the connection has ended.
    [[nodiscard]] bool turn(std::uint32_t events) {
        if ((events & EPOLLOUT) != 0) send_body();
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
        return !over_;
    }
    [[nodiscard]] bool over() const noexcept { return over_; }

  private:
    void watch(int operation, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = this;
        (void)epoll_ctl(job_.poll, operation, socket_, &event);
    }

    void receive() {
        std::array<char, 4096> block;
        const ssize_t n = recv(socket_, block.data(), block.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return lose();
        input_.append(block.data(), static_cast<std::size_t>(n));
        for (std::size_t end = input_.find('\n'); end != std::string::npos && !over_;
             end = input_.find('\n')) {
            const std::string line = input_.substr(0, end);
            input_.erase(0, end + 1);
            if (line.find("8BITMIME") != std::string::npos) offered_eight_bit_ = true;
            if (line.size() < 4 || line[3] != '-') on_reply(line);
        }
    }

    void on_reply(const std::string& line) {
        static constexpr std::array<std::string_view, 9> wanted = {
            "220", "250", "235", "250", "250", "354", "", "250", "221"};
        const std::string_view code = wanted[static_cast<std::size_t>(step_)];
        if (code.empty() || !line.starts_with(code)) {
            if (job_.failed == 0 && step_ != Step::quit)
                (void)std::fprintf(stderr, "bench_load: %s\n", line.c_str());
            return lose();
        }
        switch (step_) {
            case Step::greeting:
                return say(Step::hello, "EHLO load.bench.example\r\n");
            case Step::mail:
                return say(Step::rcpt, "RCPT TO:<sink@bench.example>\r\n");
            case Step::rcpt:
                return say(Step::data, "DATA\r\n");
            case Step::data:
                step_ = Step::body;
                return send_body();
            case Step::hello:  // \0bench\0bench
                if (job_.options.auth) return say(Step::login, "AUTH PLAIN AGJlbmNoAGJlbmNo\r\n");
                return next_message();
            case Step::message:
                ++job_.done;
                begun_ = false;
                [[fallthrough]];
            case Step::login:
                return next_message();
            case Step::body:
            case Step::quit:
                over_ = true;
        }
    }

    void next_message() {
        if (sent_messages_ == job_.options.per_connection || job_.unclaimed == 0)
            return say(Step::quit, "QUIT\r\n");
        --job_.unclaimed;
        ++sent_messages_;
        begun_ = true;
        offset_ = 0;
        const bool declare = job_.eight_bit && offered_eight_bit_;
        say(Step::mail, declare ? "MAIL FROM:<load@bench.example> BODY=8BITMIME\r\n"
                                : "MAIL FROM:<load@bench.example>\r\n");
    }

    void say(Step step, std::string_view command) {
        step_ = step;
        if (send(socket_, command.data(), command.size(), MSG_NOSIGNAL) < 0) lose();
    }

    // As much of the body as the kernel takes; the rest when it is writable again.
    void send_body() {
        if (step_ != Step::body) return;
        static constexpr std::size_t piece = 1 << 20;
        const std::uint64_t total = job_.payload.size() * job_.options.repeat;
        std::string_view tail = ".\r\n";
        while (offset_ < total + tail.size()) {
            std::string_view part;
            if (offset_ < total)
                part = std::string_view(job_.payload).substr(offset_ % job_.payload.size(), piece);
            const bool last = offset_ + part.size() >= total;
            const std::string_view rest =
                !last ? std::string_view{} : tail.substr(offset_ > total ? offset_ - total : 0);
            const ssize_t n = send_both(part, rest);
            if (n < 0 && errno == EAGAIN) return watch(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            if (n < 0) return lose();
            offset_ += static_cast<std::uint64_t>(n);
        }
        step_ = Step::message;
        watch(EPOLL_CTL_MOD, EPOLLIN);
    }

    [[nodiscard]] ssize_t send_both(std::string_view part, std::string_view rest) const {
        // sendmsg() takes void*, and does not write to it.
        std::array<iovec, 2> pieces{{{const_cast<char*>(part.data()), part.size()},
                                     {const_cast<char*>(rest.data()), rest.size()}}};
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        return sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    // Refused, or the connection broke. One that has begun no message takes one down with it, so
    // that a proxy that greets nobody is not tried for ever.
    void lose() {
        over_ = true;
        if (step_ == Step::quit) return;
        if (!begun_ && job_.unclaimed == 0) return;
        if (!begun_) --job_.unclaimed;
        ++job_.failed;
    }

    Job& job_;
    int socket_ = -1;
    Step step_ = Step::greeting;
    std::string input_;
    std::uint64_t offset_ = 0;
    std::uint64_t sent_messages_ = 0;
    bool begun_ = false;
    bool offered_eight_bit_ = false;
    bool over_ = false;
};

void run(Job& job) {
    std::vector<std::unique_ptr<Client>> clients(job.options.connections);
    const auto start = [&job](std::unique_ptr<Client>& place) {
        place.reset();
        while (!place && job.unclaimed > 0) {
            place = std::make_unique<Client>(job);
            place->connect();
            if (place->over()) place.reset();
        }
    };
    for (auto& place : clients) start(place);
    std::array<epoll_event, 64> events;
    while (
        std::any_of(clients.begin(), clients.end(), [](const auto& c) { return c != nullptr; })) {
        const int n = epoll_wait(job.poll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < n; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (static_cast<Client*>(event.data.ptr)->turn(event.events)) continue;
            start(*std::find_if(clients.begin(), clients.end(),
                                [&](const auto& c) { return c.get() == event.data.ptr; }));
        }
    }
}

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

int main(int count, char** arguments) {
    Job job;
    job.options = parse(count, arguments);
    const std::string body =
        job.options.body.empty() ? make_body(job.options.size) : read_body(job.options.body);
    job.octets = body.size() * job.options.repeat;
    job.payload = stuff(body);
    job.eight_bit = std::any_of(body.begin(), body.end(), [](char c) { return c < 0; });
    job.address.sin_family = AF_INET;
    job.address.sin_port = htons(static_cast<std::uint16_t>(job.options.port));
    job.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    job.unclaimed = job.options.messages;
    job.poll = epoll_create1(EPOLL_CLOEXEC);

    rusage before{};
    (void)getrusage(RUSAGE_SELF, &before);
    const auto start = std::chrono::steady_clock::now();
    run(job);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    rusage after{};
    (void)getrusage(RUSAGE_SELF, &after);
    const double cpu = seconds_of(after.ru_utime) + seconds_of(after.ru_stime) -
                       seconds_of(before.ru_utime) - seconds_of(before.ru_stime);
    std::printf("messages=%llu failed=%llu octets=%llu seconds=%.6f cpu=%.6f\n",
                static_cast<unsigned long long>(job.done),
                static_cast<unsigned long long>(job.failed),
                static_cast<unsigned long long>(job.done * job.octets), wall.count(), cpu);
    return job.failed == 0 && job.done == job.options.messages ? 0 : 1;
}
