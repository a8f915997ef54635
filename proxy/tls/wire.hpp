// Private to proxy/tls: what lies between the transport and mbedTLS: ciphertext in both directions,
// and a gate that lets mbedTLS have one record at a time.
//
// mbedTLS reads as long as there is input and it has nothing to tell (alerts, empty records,
// tickets); with the gate every record comes back to the engine, which can count. mbedTLS asks for
// exactly a header, then exactly its body; the gate only follows along.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"

namespace waxseal::tls {

class Wire {
  public:
    void receive(std::string_view octets) { in_.append(octets); }
    void end_of_input() noexcept { ended_ = true; }
    void drop_input() noexcept {
        in_.clear();
        body_left_ = 0;
        header_have_ = 0;
        partial_ = 0;
    }

    // One more record may be begun; one that is under way may be finished, and no more. A body of
    // more than `largest` octets is an invalid record before it is there.
    void allow_record(std::size_t largest) noexcept {
        largest_ = largest;
        may_begin_ = at_boundary();
        outcome_ = Outcome::served;
    }
    // Why the last read gave nothing, when it gave nothing.
    [[nodiscard]] bool starved() const noexcept { return outcome_ == Outcome::starved; }
    [[nodiscard]] bool met_end() const noexcept { return outcome_ == Outcome::ended; }
    // The first octet of the connection is there, and starts no record of TLS.
    [[nodiscard]] bool plaintext() const noexcept;

    // The last record's content, where that is an alert in clear, else -1. In TLS 1.3 a client that
    // refuses our certificate says so before it has keys for it, which mbedTLS cannot read.
    [[nodiscard]] int clear_alert() const noexcept {
        return header_[0] == 21 && header_[3] == 0 && header_[4] == 2 ? description_ : -1;
    }

    // From the start of a connection: the handshake messages in clear, as far as they go and fit,
    // with the ServerHello first. Empty unless asked for.
    void keep_hello() { hello_.reserve(hello_kept); }
    [[nodiscard]] std::string_view hello() const noexcept { return hello_; }
    void drop_hello() noexcept { std::string().swap(hello_); }

    // Octets have come from the peer.
    [[nodiscard]] bool heard() const noexcept { return records_ != 0 || partial_ != 0; }

    // The type in the last record's header, which in TLS 1.3 may not be what is inside.
    [[nodiscard]] int record_type() const noexcept { return header_[0]; }
    // The body's length in the last record's header, as far as that is there.
    [[nodiscard]] std::size_t body_size() const noexcept {
        return static_cast<std::size_t>(header_[3]) << 8U | header_[4];
    }

    // Octets received that are not in a whole record given to mbedTLS.
    [[nodiscard]] std::size_t waiting() const noexcept { return in_.size() + partial_; }

    [[nodiscard]] const ByteQueue& output() const noexcept { return out_; }
    void sent(std::size_t n) noexcept { out_.consume(n); }
    [[nodiscard]] ByteQueue take_output() noexcept { return std::move(out_); }

    // mbedTLS's callbacks; the context is the Wire.
    static int on_send(void* wire, const unsigned char* octets, std::size_t size) noexcept;
    static int on_receive(void* wire, unsigned char* octets, std::size_t size) noexcept;

  private:
    // Most have 100 octets; ours asks for no extension that could be long.
    static constexpr std::size_t hello_kept = 1024;
    enum class Outcome { served, gated, starved, ended };

    [[nodiscard]] bool at_boundary() const noexcept { return header_have_ == 0 && body_left_ == 0; }
    void follow(std::string_view octets) noexcept;
    void keep_of_hello(std::string_view octets) noexcept;

    ByteQueue in_;
    ByteQueue out_;
    std::string hello_;
    std::array<unsigned char, 5> header_{};
    std::size_t header_have_ = 0;
    std::size_t body_left_ = 0;
    std::size_t partial_ = 0;  // octets of the current record that mbedTLS already has
    std::size_t records_ = 0;
    std::size_t largest_ = 0;
    int description_ = -1;  // the last octet of the current record
    bool may_begin_ = false;
    Outcome outcome_ = Outcome::served;
    bool ended_ = false;
};

}  // namespace waxseal::tls
