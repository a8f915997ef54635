// See sink_body.hpp.
#include "sink_body.hpp"

#include <algorithm>
#include <array>

namespace waxseal::bench {

SinkBody::SinkBody(bool hashed) : hashed_(hashed) {
    if (hashed_) (void)psa_hash_setup(&hash_, PSA_ALG_SHA_256);
}

SinkBody::~SinkBody() { (void)psa_hash_abort(&hash_); }

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
    if (hashed_)
        (void)psa_hash_update(&hash_, reinterpret_cast<const std::uint8_t*>(content.data()),
                              content.size());
}

std::string SinkBody::sha256() {
    std::array<std::uint8_t, 32> digest{};
    std::size_t size = 0;
    if (psa_hash_finish(&hash_, digest.data(), digest.size(), &size) != PSA_SUCCESS) return {};
    std::string text;
    for (const std::uint8_t octet : digest) {
        text += "0123456789abcdef"[octet >> 4];
        text += "0123456789abcdef"[octet & 15];
    }
    return text;
}

}  // namespace waxseal::bench
