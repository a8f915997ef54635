// OpenSSL's s_server and s_client as peers, talked to over a loopback socket through our engine.
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
    [[nodiscard]] std::string read(std::string_view name) const;

  private:
    std::string path_;
};

// Runs `openssl` to its end; fails the test when it fails.
void openssl(const std::vector<std::string>& arguments);

// A running `openssl`, ended with the object.
class OpensslProcess {
  public:
    ~OpensslProcess();
    OpensslProcess(const OpensslProcess&) = delete;
    OpensslProcess& operator=(const OpensslProcess&) = delete;

    // To its standard input: a line for the peer, or a command such as "K\n" at the start of a
    // line.
    void type(std::string_view text) const;
    // What it has printed until `text` appears, or until a time limit.
    std::string printed(std::string_view text,
                        std::chrono::milliseconds wait = std::chrono::seconds(10));
    // Whether something new has been printed within a moment.
    bool listen(std::chrono::milliseconds wait);
    [[nodiscard]] const std::string& output() const { return output_; }

  protected:
    explicit OpensslProcess(const std::vector<std::string>& arguments);

  private:
    int pid_ = -1;
    int to_ = -1;
    int from_ = -1;
    std::string output_;
};

// `openssl s_server` on a free port of loopback.
class OpensslServer : public OpensslProcess {
  public:
    explicit OpensslServer(std::vector<std::string> arguments);
    [[nodiscard]] int port() const { return port_; }

  private:
    int port_ = 0;
};

// `openssl s_client`, connected to a port on loopback.
class OpensslClient : public OpensslProcess {
  public:
    OpensslClient(int port, std::vector<std::string> arguments);
};

// An engine on a TCP connection over loopback.
class Connection {
  public:
    // A client's, to a port.
    Connection(int port, std::shared_ptr<const ClientContext> context, std::string_view name,
               std::string_view upstream = {});
    // Of any role, on a socket that is taken over.
    Connection(int socket, std::unique_ptr<Engine> made);
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
    void until_received(std::size_t size) {
        until([this, size] { return told.data.size() >= size || told.ends() > 0; });
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

// A listening socket on a free port of loopback.
class Listener {
  public:
    Listener();
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] int accept() const;

  private:
    int socket_ = -1;
    int port_ = 0;
};

// A server engine with an `openssl s_client` at the other end; once made, the handshake is over,
// one way or the other.
struct Served {
    Served(const std::shared_ptr<const ServerContext>& context, std::vector<std::string> arguments);

    // The client sends a line and gets one.
    void converse();
    // What the client has printed until it ends, while the engine goes on.
    const std::string& until_client_ends();

    Listener listener;
    OpensslClient client;
    Connection connection;
};

}  // namespace waxseal::tls::test
