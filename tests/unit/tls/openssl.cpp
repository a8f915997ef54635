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

void openssl(const std::vector<std::string>& arguments) {
    const int pid = start(arguments, -1, -1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) == 0), "openssl failed");
}

OpensslServer::OpensslServer(std::vector<std::string> arguments) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
    arguments.insert(arguments.begin(), {"s_server", "-accept", "127.0.0.1:0"});
    pid_ = start(arguments, in[0], out[1]);
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
    constexpr std::string_view mark = "ACCEPT 127.0.0.1:";
    const std::string text = printed(mark);
    const std::size_t at = text.find(mark);
    REQUIRE_MESSAGE(at != std::string::npos, text);
    const std::string line = printed("\n");
    port_ = std::atoi(output_.c_str() + at + mark.size());
    REQUIRE(port_ > 0);
}

OpensslServer::~OpensslServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(to_);
    ::close(from_);
}

void OpensslServer::type(std::string_view text) const {
    REQUIRE(::write(to_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

std::string OpensslServer::printed(std::string_view text, std::chrono::milliseconds wait) {
    const auto limit = std::chrono::steady_clock::now() + wait;
    while (output_.find(text) == std::string::npos && std::chrono::steady_clock::now() < limit) {
        pollfd about{from_, POLLIN, 0};
        if (::poll(&about, 1, 10) <= 0) continue;
        std::array<char, 4096> block{};
        const ssize_t n = ::read(from_, block.data(), block.size());
        if (n <= 0) break;
        output_.append(block.data(), static_cast<std::size_t>(n));
    }
    return output_;
}

Connection::Connection(int port, std::shared_ptr<const ClientContext> context,
                       std::string_view name) {
    auto made = Engine::client(std::move(context), name);
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

}  // namespace waxseal::tls::test
