// See sink_body.hpp.
#include "sink_body.hpp"

#include <algorithm>
#include <array>

namespace waxseal::bench {

SinkBody::SinkBody(bool hashed) {
    if (!hashed) return;
    hash_.reset(EVP_MD_CTX_new());
    (void)EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr);
}

std::size_t SinkBody::receive(std::string_view input) {
    std::size_t used = 0;
    while (used < input.size() && !ended()) {
        if (state_ == State::text)
            used += take_text(input.substr(used));
        else if (take_octet(input[used]))
            ++used;
    }
    return used;
}

// Up to the next CR, which is included.
std::size_t SinkBody::take_text(std::string_view input) {
    const std::size_t end = input.find('\r');
    const std::size_t size = end == std::string_view::npos ? input.size() : end + 1;
    keep(input.substr(0, size));
    if (end != std::string_view::npos) state_ = State::cr;
    return size;
}

// False: the octet is to be looked at again in the new state.
bool SinkBody::take_octet(char octet) {
    switch (state_) {
        case State::line_start:
            state_ = octet == '.' ? State::dot : State::text;
            return octet == '.';
        case State::cr:
            if (octet != '\n') {
                state_ = State::text;
                return false;
            }
            keep("\n");
            state_ = State::line_start;
            return true;
        case State::dot:
            state_ = octet == '\r' ? State::dot_cr : State::text;
            return octet == '\r';
        case State::dot_cr:
            if (octet == '\n') {
                state_ = State::ended;
                return true;
            }
            keep("\r");
            state_ = State::cr;
            return false;
        case State::text:
        case State::ended:
            break;
    }
    return true;
}

void SinkBody::keep(std::string_view content) {
    octets_ += content.size();
    if (hash_) (void)EVP_DigestUpdate(hash_.get(), content.data(), content.size());
}

std::string SinkBody::sha256() {
    std::array<std::uint8_t, 32> digest{};
    if (EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr) != 1) return {};
    std::string text;
    for (const std::uint8_t octet : digest) {
        text += "0123456789abcdef"[octet >> 4];
        text += "0123456789abcdef"[octet & 15];
    }
    return text;
}

}  // namespace waxseal::bench
