// The content of one message as the sink sees it: finds the end of data, undoes dot-stuffing
// (RFC 5321 4.5.2), counts, and hashes on request. Written apart from waxseal's own decoder, so
// that the two do not share a mistake. Only CRLF "." CRLF ends it.
//
// Flow: receive() until ended(), or, where BDAT says how long it is, keep() all of it; then
// octets(), and sha256() when it was asked for.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace waxseal::bench {

class SinkBody {
  public:
    explicit SinkBody(bool hashed);

    // How many octets of the input belong to the body, its end included.
    [[nodiscard]] std::size_t receive(std::string_view input);
    // As it is: no end to find and no dot to take away.
    void keep(std::string_view content);
    [[nodiscard]] bool ended() const noexcept { return state_ == State::ended; }
    [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }
    // In hexadecimal.
    [[nodiscard]] std::string sha256();

  private:
    // Where in a line we are: `dot` has seen "." at its beginning, `dot_cr` ".\r".
    enum class State { line_start, text, cr, dot, dot_cr, ended };

    [[nodiscard]] std::size_t take_text(std::string_view input);
    [[nodiscard]] bool take_octet(char octet);

    struct Freed {
        void operator()(EVP_MD_CTX* hash) const noexcept { EVP_MD_CTX_free(hash); }
    };
    std::unique_ptr<EVP_MD_CTX, Freed> hash_;  // null: not asked for
    State state_ = State::line_start;
    std::uint64_t octets_ = 0;
};

}  // namespace waxseal::bench
