// OpenSSL's s_server as a peer: started on a free loopback port, talked to over a socket through
// our client engine.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "pair.hpp"

namespace waxseal::tls::test {

// A directory that goes away with everything in it.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string path(std::string_view name) const {
        return path_ + "/" + std::string(name);
    }
    std::string write(std::string_view name, std::string_view content) const;

  private:
    std::string path_;
};

// Runs `openssl` to its end; fails the test when it fails.
void openssl(const std::vector<std::string>& arguments);

// `openssl s_server`, ended with the object.
class OpensslServer {
  public:
    explicit OpensslServer(std::vector<std::string> arguments);
    ~OpensslServer();
    OpensslServer(const OpensslServer&) = delete;
    OpensslServer& operator=(const OpensslServer&) = delete;

    [[nodiscard]] int port() const { return port_; }
    // To its standard input: a line for the client, or a command such as "K\n" at the start of a
    // line.
    void type(std::string_view text) const;
    // What it has printed until `text` appears, or until a time limit.
    std::string printed(std::string_view text,
                        std::chrono::milliseconds wait = std::chrono::seconds(10));

  private:
    int pid_ = -1;
    int to_ = -1;
    int from_ = -1;
    int port_ = 0;
    std::string output_;
};

// A client engine on a TCP connection to a port on loopback.
class Connection {
  public:
    Connection(int port, std::shared_ptr<const ClientContext> context, std::string_view name);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Pumps until `done` says so; fails the test after ten seconds.
    template <typename Done>
    void until(Done done) {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!done()) {
            REQUIRE(std::chrono::steady_clock::now() < limit);
            pump();
        }
    }
    void until_established_or_ended() {
        // Our last flight has to go out too.
        until([this] { return told.established + told.ends() > 0 && engine->output().empty(); });
    }
    void until_ended() {
        until([this] { return told.ends() > 0; });
    }

    std::unique_ptr<Engine> engine;
    Told told;

  private:
    void pump();
    int socket_ = -1;
    bool over_ = false;
};

}  // namespace waxseal::tls::test
