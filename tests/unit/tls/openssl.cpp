#include "openssl.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace waxseal::tls::test {

namespace {

// The child's standard input and output (with errors); -1 leaves /dev/null.
int start(const std::vector<std::string>& arguments, int input, int output) {
    std::vector<char*> argv;
    std::string program = "openssl";
    argv.push_back(program.data());
    std::vector<std::string> copies = arguments;
    for (std::string& argument : copies) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(input >= 0 ? input : null, 0);
        ::dup2(output >= 0 ? output : null, 1);
        ::dup2(output >= 0 ? output : null, 2);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    return pid;
}

}  // namespace

Folder::Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "waxseal-tls-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string Folder::write(std::string_view name, std::string_view content) const {
    const std::string file = path(name);
    std::ofstream(file, std::ios::binary) << content;
    return file;
}

std::string Folder::read(std::string_view name) const {
    std::ifstream file(path(name), std::ios::binary);
    REQUIRE(file.is_open());
    return {std::istreambuf_iterator<char>(file), {}};
}

void openssl(const std::vector<std::string>& arguments) {
    const int pid = start(arguments, -1, -1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) == 0), "openssl failed");
}

OpensslProcess::OpensslProcess(const std::vector<std::string>& arguments) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
    pid_ = start(arguments, in[0], out[1]);
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
}

OpensslProcess::~OpensslProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(to_);
    ::close(from_);
}

void OpensslProcess::type(std::string_view text) const {
    REQUIRE(::write(to_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

bool OpensslProcess::listen(std::chrono::milliseconds wait) {
    pollfd about{from_, POLLIN, 0};
    if (::poll(&about, 1, static_cast<int>(wait.count())) <= 0) return true;
    std::array<char, 4096> block{};
    const ssize_t n = ::read(from_, block.data(), block.size());
    if (n <= 0) return false;
    output_.append(block.data(), static_cast<std::size_t>(n));
    return true;
}

std::string OpensslProcess::printed(std::string_view text, std::chrono::milliseconds wait) {
    const auto limit = std::chrono::steady_clock::now() + wait;
    while (output_.find(text) == std::string::npos && std::chrono::steady_clock::now() < limit) {
        if (!listen(std::chrono::milliseconds(10))) break;
    }
    return output_;
}

namespace {

std::vector<std::string> with(std::vector<std::string> first, std::vector<std::string> rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

}  // namespace

OpensslServer::OpensslServer(std::vector<std::string> arguments)
    : OpensslProcess(with({"s_server", "-accept", "127.0.0.1:0"}, std::move(arguments))) {
    constexpr std::string_view mark = "ACCEPT 127.0.0.1:";
    const std::string text = printed(mark);
    const std::size_t at = text.find(mark);
    REQUIRE_MESSAGE(at != std::string::npos, text);
    const std::string line = printed("\n");
    port_ = std::atoi(output().c_str() + at + mark.size());
    REQUIRE(port_ > 0);
}

OpensslClient::OpensslClient(int port, std::vector<std::string> arguments)
    : OpensslProcess(with({"s_client", "-connect", "127.0.0.1:" + std::to_string(port)},
                          std::move(arguments))) {}

Connection::Connection(int port, std::shared_ptr<const ClientContext> context,
                       std::string_view name, std::string_view upstream) {
    auto made = Engine::client(std::move(context), name, upstream);
    REQUIRE(made.has_value());
    engine = std::move(*made);
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

Connection::Connection(int socket, std::unique_ptr<Engine> made)
    : engine(std::move(made)), socket_(socket) {}

Connection::~Connection() { ::close(socket_); }

void Connection::pump() {
    drain(*engine, told);
    const std::string octets = take_output(*engine);
    if (!octets.empty()) ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL);
    pollfd about{socket_, POLLIN, 0};
    if (over_ || ::poll(&about, 1, 20) <= 0) return;
    std::array<char, 4096> block{};
    const ssize_t n = ::recv(socket_, block.data(), block.size(), 0);
    if (n > 0) {
        engine->receive({block.data(), static_cast<std::size_t>(n)});
    } else {
        over_ = true;
        engine->end_of_input();
    }
    drain(*engine, told);
}

Listener::Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(socket_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* bound = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(socket_, bound, size) == 0);
    REQUIRE(::listen(socket_, 1) == 0);
    REQUIRE(::getsockname(socket_, bound, &size) == 0);
    port_ = ntohs(address.sin_port);
}

Listener::~Listener() { ::close(socket_); }

int Listener::accept() const {
    pollfd about{socket_, POLLIN, 0};
    REQUIRE(::poll(&about, 1, 10'000) == 1);
    const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(accepted >= 0);
    return accepted;
}

namespace {

std::unique_ptr<Engine> new_server(const std::shared_ptr<const ServerContext>& context) {
    auto made = Engine::server(context);
    REQUIRE(made.has_value());
    return std::move(*made);
}

}  // namespace

Served::Served(const std::shared_ptr<const ServerContext>& context,
               std::vector<std::string> arguments)
    : client(listener.port(), std::move(arguments)),
      connection(listener.accept(), new_server(context)) {
    connection.until_established_or_ended();
}

void Served::converse() {
    REQUIRE(connection.told.broken == "");
    REQUIRE(connection.told.established == 1);
    client.type("EHLO device\n");
    connection.until(
        [this] { return connection.told.data == "EHLO device\n" || connection.told.ends() > 0; });
    CHECK(connection.told.data == "EHLO device\n");
    write_all(*connection.engine, "250 served\r\n");
    connection.until([this] { return connection.engine->output().empty(); });
    CHECK(client.printed("250 served").find("250 served") != std::string::npos);
}

const std::string& Served::until_client_ends() {
    connection.until([this] { return !client.listen(std::chrono::milliseconds(1)); });
    return client.output();
}

}  // namespace waxseal::tls::test
