// The content of one message as the sink sees it: finds the end of data, undoes dot-stuffing
// (RFC 5321 4.5.2), counts, and hashes on request. Written apart from waxseal's own decoder, so
// that the two do not share a mistake. Only CRLF "." CRLF ends it.
//
// Flow: receive() until ended(); then octets(), and sha256() when it was asked for.
#pragma once

#include <psa/crypto.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace waxseal::bench {

class SinkBody {
  public:
    explicit SinkBody(bool hashed);
    ~SinkBody();
    SinkBody(const SinkBody&) = delete;
    SinkBody& operator=(const SinkBody&) = delete;

    // How many octets of the input belong to the body, its end included.
    [[nodiscard]] std::size_t receive(std::string_view input);
    [[nodiscard]] bool ended() const noexcept { return state_ == State::ended; }
    [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }
    // In hexadecimal.
    [[nodiscard]] std::string sha256();

  private:
    // Where in a line we are: `dot` has seen "." at its beginning, `dot_cr` ".\r".
    enum class State { line_start, text, cr, dot, dot_cr, ended };

    [[nodiscard]] std::size_t take_text(std::string_view input);
    [[nodiscard]] bool take_octet(char octet);
    void keep(std::string_view content);

    bool hashed_;
    psa_hash_operation_t hash_ = PSA_HASH_OPERATION_INIT;
    State state_ = State::line_start;
    std::uint64_t octets_ = 0;
};

}  // namespace waxseal::bench
