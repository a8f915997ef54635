// Unix sockets: their file, its mode and its end; what is in the way; and connections like any
// other.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "net/listener.hpp"
#include "tls_support.hpp"

namespace waxseal::net::testing {

namespace fs = std::filesystem;

namespace {

// A directory of this test's own.
class Directory {
  public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "waxseal-test-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    [[nodiscard]] std::string file(const std::string& name = "s") const {
        return (path_ / name).string();
    }

  private:
    fs::path path_;
};

// A socket file that nobody listens on any more.
void leave_behind(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd, 1) == 0);
    ::close(fd);
}

std::expected<std::unique_ptr<Listener>, Error> open_at(Loop& loop, const std::string& path,
                                                        unsigned mode = 0660) {
    return Listener::open(loop, {.address = UnixPath{path}, .unix_mode = mode},
                          [](auto, const SocketAddress&) {});
}

std::string error_at(Loop& loop, const std::string& path) {
    const auto opened = open_at(loop, path);
    return opened ? "no error" : opened.error().text;
}

unsigned mode_of(const std::string& path) {
    struct stat found{};
    REQUIRE(lstat(path.c_str(), &found) == 0);
    return found.st_mode & 07777U;
}

struct UnixServer {
    UnixServer(Loop& loop, const std::string& path) {
        auto opened =
            Listener::open(loop, {.address = UnixPath{path}},
                           [this](std::unique_ptr<TcpChannel> channel, const SocketAddress& from) {
                               last = std::move(channel);
                               peer = from;
                           });
        REQUIRE(opened.has_value());
        listener = std::move(*opened);
    }
    std::unique_ptr<Listener> listener;
    std::unique_ptr<TcpChannel> last;
    SocketAddress peer;
};

}  // namespace

TEST_CASE("a unix connection carries octets both ways, and ends like any other") {
    Loop loop;
    const Directory directory;
    UnixServer server(loop, directory.file());
    CHECK(server.listener->address().text() == "unix:" + directory.file());
    CHECK(server.listener->text() == "unix:" + directory.file());
    RawSocket raw(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
    CHECK(server.last->peer_address() == "unix:" + directory.file());
    CHECK(server.peer.local());
    CHECK(to_string(server.peer.ip()) == "::1");

    Pump pump(*server.last);
    const std::string much = pattern(300'000);
    raw.send("EHLO x\r\n");
    pump.send(much);
    std::string got;
    REQUIRE(run_until(loop, [&] {
        got += raw.receive();
        return got.size() == much.size() && pump.received() == "EHLO x\r\n";
    }));
    CHECK(got == much);
    raw.half_close();
    REQUIRE(run_until(loop, [&] { return server.last->end() == EndOfInput::clean; }));
    server.last->write("221 bye\r\n");
    server.last->close();
    server.last.reset();
    std::string rest;
    REQUIRE(run_until(loop, [&] {
        rest += raw.receive();
        return raw.ended();
    }));
    CHECK(rest == "221 bye\r\n");
}

TEST_CASE("a unix connection is cut by abort(), and the peer's cut is seen") {
    Loop loop;
    const Directory directory;
    UnixServer server(loop, directory.file());
    RawSocket first(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
    server.last->set_notify([] {});
    server.last->abort();
    REQUIRE(run_until(loop, [&] {
        first.receive();
        return first.ended() || first.error() == ECONNRESET;
    }));
    server.last.reset();
    RawSocket second(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
    server.last->set_notify([] {});
    second.close();
    REQUIRE(run_until(loop, [&] { return server.last->end() != EndOfInput::none; }));
}

TEST_CASE("the file has its mode whatever the umask, and goes with the listener") {
    Loop loop;
    const Directory directory;
    const mode_t before = umask(0077);
    for (const unsigned mode : {0600U, 0660U, 0666U}) {
        const auto listener = open_at(loop, directory.file(), mode);
        CHECK(listener.has_value());
        CHECK(mode_of(directory.file()) == mode);
    }
    umask(before);
    CHECK_FALSE(fs::exists(directory.file()));
}

TEST_CASE("what a dead program left behind is replaced") {
    Loop loop;
    const Directory directory;
    leave_behind(directory.file());
    UnixServer server(loop, directory.file());
    const RawSocket raw(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
}

TEST_CASE("what a living program listens on is not touched") {
    Loop loop;
    const Directory directory;
    UnixServer server(loop, directory.file());
    CHECK(error_at(loop, directory.file()) ==
          "cannot listen on unix:" + directory.file() +
              ": address already in use; another program, or another waxseal, listens there");
    const RawSocket raw(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
}

TEST_CASE("a living program whose queue is full is living") {
    Loop loop;
    const Directory directory;
    auto listener = Listener::open(loop, {.address = UnixPath{directory.file()}, .backlog = 0},
                                   [](auto, const SocketAddress&) {});
    REQUIRE(listener.has_value());
    (*listener)->pause();
    const RawSocket raw(directory.file());
    CHECK(error_at(loop, directory.file()).find("address already in use") != std::string::npos);
    CHECK(fs::exists(directory.file()));
}

TEST_CASE("what is not a socket is never removed") {
    Loop loop;
    const Directory directory;
    std::ofstream(directory.file()) << "precious";
    CHECK(error_at(loop, directory.file()) ==
          "cannot listen on unix:" + directory.file() +
              ": file already exists; a file that is not a socket is in the way");
    CHECK(fs::file_size(directory.file()) == 8);
    const std::string link = directory.file("link");
    fs::create_symlink(directory.file("nowhere"), link);
    CHECK(error_at(loop, link).find("not a socket") != std::string::npos);
    CHECK(fs::is_symlink(link));
    CHECK(error_at(loop, directory.file("none/s")) ==
          "cannot listen on unix:" + directory.file("none/s") +
              ": no such file or directory; its directory does not exist");
}

TEST_CASE("a path that is too long is explained, one that just fits is taken") {
    Loop loop;
    const Directory directory;
    const std::size_t room = longest_unix_path() - directory.file("").size();
    const std::string fits = directory.file(std::string(room, 'x'));
    CHECK(open_at(loop, fits).has_value());
    const std::string over = fits + "x";
    CHECK(error_at(loop, over) == "cannot listen on unix:" + over +
                                      ": the path has 108 octets, and the system allows a "
                                      "socket's path only 107");
    CHECK(error_at(loop, "") == "cannot listen on a unix socket without a path");
    CHECK(error_at(loop, std::string("/tmp/\0x", 7)) ==
          "cannot listen on a unix socket without a path");
}

TEST_CASE("a file that somebody else has put there meanwhile stays") {
    Loop loop;
    const Directory directory;
    auto ours = open_at(loop, directory.file());
    REQUIRE(ours.has_value());
    fs::remove(directory.file());
    const auto theirs = open_at(loop, directory.file());
    REQUIRE(theirs.has_value());
    ours->reset();
    CHECK(fs::exists(directory.file()));
    const RawSocket raw(directory.file());
}

TEST_CASE("TLS on a unix connection") {
    Loop loop;
    const Directory directory;
    UnixServer server(loop, directory.file());
    const RawSocket raw(directory.file());
    REQUIRE(run_until(loop, [&] { return server.last != nullptr; }));
    server.last->set_tls(as_server());
    server.last->set_notify([] {});
    server.last->start_tls();
    raw.send("EHLO x\r\n");
    REQUIRE(run_until(loop, [&] { return server.last->end() == EndOfInput::failed; }));
    CHECK(server.last->failure().kind == FailureKind::tls);
}

}  // namespace waxseal::net::testing
