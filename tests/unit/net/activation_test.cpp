// Inherited sockets: what the environment says, and what the descriptors really are.
#include "net/activation.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support.hpp"

namespace waxseal::net::testing {

namespace {

using Sockets = std::vector<InheritedSocket>;

// What comes of the variables for the process 4711.
std::expected<Sockets, Error> told(std::optional<std::string> pid, std::optional<std::string> fds,
                                   std::optional<std::string> names = std::nullopt) {
    return inherited_sockets({std::move(pid), std::move(fds), std::move(names)}, 4711);
}

// Makes a socket that is closed at the end.
class Descriptor {
  public:
    Descriptor(int family, int type) : fd_(::socket(family, type, 0)) { REQUIRE(fd_ >= 0); }
    ~Descriptor() { ::close(fd_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int fd() const { return fd_; }
    void bind_to(const Address& address) const {
        sockaddr_storage storage;
        const auto length = address.to(storage);
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&storage), length) == 0);
    }
    void bind_to(const std::string& path) const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }

  private:
    int fd_;
};

std::string error_of(Loop& loop, int fd) {
    const auto opened = Listener::open(loop, {.inherited = InheritedSocket{fd, "smtp"}},
                                       [](auto, const SocketAddress&) {});
    if (opened) return "no error";
    const std::string begin =
        "cannot listen on the inherited socket smtp (descriptor " + std::to_string(fd) + "): ";
    const std::string& text = opened.error().text;
    return text.starts_with(begin) ? text.substr(begin.size()) : text;
}

}  // namespace

TEST_CASE("nothing is inherited without both variables, or when another process was meant") {
    CHECK(told(std::nullopt, std::nullopt)->empty());
    CHECK(told("4711", std::nullopt)->empty());
    CHECK(told(std::nullopt, "2")->empty());
    CHECK(told("4712", "2")->empty());
    CHECK(told("4712", "nonsense", "nonsense")->empty());
    CHECK(told("4711", "0")->empty());
    CHECK(told("4711", "0", "")->empty());
}

TEST_CASE("descriptors from 3, names between colons") {
    CHECK((*told("4711", "1") == Sockets{{3, "unknown"}}));
    CHECK((*told("4711", "2") == Sockets{{3, "unknown"}, {4, "unknown"}}));
    CHECK((*told("4711", "3", "smtp:submission:smtp") ==
           Sockets{{3, "smtp"}, {4, "submission"}, {5, "smtp"}}));
    CHECK((*told("4711", "2", ":b") == Sockets{{3, ""}, {4, "b"}}));
}

TEST_CASE("nonsense is an error that names the variable") {
    for (const char* pid : {"", " 4711", "4711x", "-1", "0", "99999999999999999999"})
        CHECK(told(pid, "1").error().text ==
              "LISTEN_PID is not a number that makes sense: " + std::string(pid));
    for (const char* fds : {"", "x", "1 ", "-1", "4097", "99999999999999999999"})
        CHECK(told("4711", fds).error().text ==
              "LISTEN_FDS is not a number that makes sense: " + std::string(fds));
    CHECK(told("4711", "2", "smtp").error().text == "LISTEN_FDNAMES has 1 names for 2 sockets");
    CHECK(told("4711", "1", "a:b").error().text == "LISTEN_FDNAMES has 2 names for 1 sockets");
}

TEST_CASE("the variables are gone afterwards, whomever they were for") {
    for (const std::string& pid : {std::to_string(getpid() + 1), std::string("x")}) {
        setenv("LISTEN_PID", pid.c_str(), 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "smtp", 1);
        setenv("LISTEN_PIDFDID", "1", 1);
        CHECK(take_inherited_sockets().has_value() == (pid != "x"));
        for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"})
            CHECK(std::getenv(name) == nullptr);
    }
}

TEST_CASE("no child inherits what we have") {
    // Descriptor 3 may be the test program's own, so it is put back.
    const int kept = fcntl(3, F_DUPFD_CLOEXEC, 100);
    const Descriptor socket(AF_INET, SOCK_STREAM);
    const int spare = fcntl(socket.fd(), F_DUPFD_CLOEXEC, 100);
    REQUIRE(dup2(spare, 3) == 3);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", "1", 1);
    const auto taken = take_inherited_sockets();
    CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE(taken.has_value());
    CHECK((*taken == Sockets{{3, "unknown"}}));
    ::close(spare);
    if (kept >= 0) {
        dup2(kept, 3);
        ::close(kept);
    } else {
        ::close(3);
    }
}

TEST_CASE("an inherited TCP socket is listened on, and stays as it was when the listener closes") {
    Loop loop;
    const Descriptor socket(AF_INET, SOCK_STREAM);
    socket.bind_to(loopback());
    REQUIRE(listen(socket.fd(), 8) == 0);
    for (int again = 0; again < 2; ++again) {
        std::unique_ptr<TcpChannel> channel;
        SocketAddress peer;
        auto listener =
            Listener::open(loop, {.inherited = InheritedSocket{socket.fd(), "smtp.socket"}},
                           [&](auto accepted, const SocketAddress& from) {
                               channel = std::move(accepted);
                               peer = from;
                           });
        REQUIRE(listener.has_value());
        const SocketAddress& address = (*listener)->address();
        CHECK(address.tcp().port != 0);
        CHECK((*listener)->text() == "smtp.socket (" + address.text() + ")");
        const RawSocket raw(address.tcp());
        REQUIRE(run_until(loop, [&] { return channel != nullptr; }));
        CHECK(peer.tcp().ip_text() == "127.0.0.1");
        listener->reset();
        int listening = 0;
        socklen_t length = sizeof listening;
        CHECK(getsockopt(socket.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0);
        CHECK(listening == 1);
    }
}

TEST_CASE("an inherited unix socket: its file is not ours to remove") {
    Loop loop;
    std::string directory = (std::filesystem::temp_directory_path() / "waxseal-test-XXXXXX");
    REQUIRE(mkdtemp(directory.data()) != nullptr);
    const std::string path = directory + "/s";
    {
        const Descriptor socket(AF_UNIX, SOCK_STREAM);
        socket.bind_to(path);
        REQUIRE(listen(socket.fd(), 8) == 0);
        SocketAddress peer;
        auto listener = Listener::open(loop, {.inherited = InheritedSocket{socket.fd(), "unknown"}},
                                       [&](auto, const SocketAddress& from) { peer = from; });
        REQUIRE(listener.has_value());
        CHECK((*listener)->text() == "unknown (unix:" + path + ")");
        const RawSocket raw(path);
        REQUIRE(run_until(loop, [&] { return peer.local(); }));
        CHECK(peer.text() == "unix:" + path);
    }
    CHECK(std::filesystem::exists(path));
    std::filesystem::remove_all(directory);
}

TEST_CASE("what cannot be listened on is refused, with the reason") {
    Loop loop;
    warm_up(loop);
    const std::size_t before = open_files();
    {
        const Descriptor idle(AF_INET, SOCK_STREAM);
        CHECK(error_of(loop, idle.fd()) == "it does not listen (a socket unit needs Accept=no)");
        const Descriptor udp(AF_INET, SOCK_DGRAM);
        CHECK(error_of(loop, udp.fd()) == "it is not a stream socket");
        const Descriptor datagrams(AF_UNIX, SOCK_DGRAM);
        CHECK(error_of(loop, datagrams.fd()) == "it is not a stream socket");
        const Descriptor netlink(AF_NETLINK, SOCK_RAW);
        CHECK(error_of(loop, netlink.fd()) == "it is neither TCP nor a unix socket");
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        CHECK(error_of(loop, ends[0]) == "it is not a socket");
        ::close(ends[0]);
        ::close(ends[1]);
        CHECK(error_of(loop, ends[0]) == "it is not open");
        CHECK(error_of(loop, -1) == "it is not open");
    }
    CHECK(open_files() == before);
}

}  // namespace waxseal::net::testing
