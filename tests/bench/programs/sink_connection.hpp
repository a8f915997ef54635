// One client of bench_sink: speaks just enough of RFC 5321 (with PIPELINING, and on request
// CHUNKING of RFC 3030 and AUTH PLAIN) to take every message and keep none.
//
// Flow: turn() at each event of epoll until it says that the connection has ended; with a rate,
// renew() at each tick.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sink_body.hpp"
#include "sink_wire.hpp"

namespace waxseal::bench {

enum class Mode { clear, starttls, implicit };

struct SinkOptions {
    Mode mode = Mode::implicit;
    std::uint64_t rate = 0;  // octets a second of each connection; 0: no limit
    std::string chain;
    std::string key;
    std::string keywords;  // of EHLO, beside those that are always there
    bool hash = false;
    bool list = false;
};

// What all connections share.
struct SinkState {
    SinkOptions options;
    std::unique_ptr<SSL_CTX, Freed> tls;
    int poll = -1;
    std::vector<char> block = std::vector<char>(64 * 1024);
    std::uint64_t connections = 0;
    std::uint64_t open = 0;
    std::uint64_t most = 0;  // open at once
    std::uint64_t full = 0;  // handshakes
    std::uint64_t resumed = 0;
    std::uint64_t messages = 0;
    std::uint64_t octets = 0;  // of bodies, as far as they have come
    std::string latest = "none";
};

class SinkConnection {
  public:
    SinkConnection(SinkState& state, int socket);
    ~SinkConnection() { --state_.open; }
    SinkConnection(const SinkConnection&) = delete;
    SinkConnection& operator=(const SinkConnection&) = delete;

    // False when the connection has ended.
    [[nodiscard]] bool turn();
    // So many octets more may be read; then as turn().
    [[nodiscard]] bool renew(std::uint64_t octets);

  private:
    // What the next octet is: between two BDAT a command again, though a message is under way.
    enum class Phase { command, data, chunk };

    void receive();
    void count_handshake();
    std::size_t take(std::string_view input);
    std::size_t take_body(std::string_view input);
    std::size_t take_chunk(std::string_view input);
    void on_command(std::string_view line);
    void on_hello();
    void on_transaction(std::string_view verb, std::string_view line);
    void on_chunk(std::string_view arguments);
    void end_message();
    void flush();
    void watch();

    SinkState& state_;
    Wire wire_;
    Wire::Tls seen_ = Wire::Tls::none;
    std::uint64_t allowance_;
    std::uint32_t watched_ = 0;
    std::string line_;
    std::string output_;
    Phase phase_ = Phase::command;
    std::optional<SinkBody> body_;  // of a message that has begun
    std::uint64_t chunk_ = 0;       // octets left of this BDAT
    std::vector<std::string> recipients_;
    bool last_chunk_ = false;
    bool over_ = false;
};

}  // namespace waxseal::bench
