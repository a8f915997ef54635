#include "relay/fingerprint.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <random>

// Header only: the library's functions are static ones of this file.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace waxseal::relay {

namespace {

using Secret = std::array<std::uint32_t, XXH3_SECRET_DEFAULT_SIZE / sizeof(std::uint32_t)>;
static_assert(sizeof(Secret) >= XXH3_SECRET_SIZE_MIN);

// Lives as long as the process: every state points to it.
const Secret& secret() {
    static const Secret made = [] {
        Secret random{};
        std::random_device source;
        for (std::uint32_t& word : random) word = source();
        return random;
    }();
    return made;
}

// In the place of a part's length: what follows is the body. No part is that long.
constexpr std::uint64_t body_mark = ~std::uint64_t{0};

}  // namespace

struct Fingerprinter::State {
    XXH3_state_t hash;
    bool in_body = false;

    void number(std::uint64_t value) { XXH3_128bits_update(&hash, &value, sizeof value); }
    void text(std::string_view octets) {
        if (!octets.empty()) XXH3_128bits_update(&hash, octets.data(), octets.size());
    }
};

Fingerprinter::Fingerprinter() : state_(std::make_unique<State>()) {
    XXH3_128bits_reset_withSecret(&state_->hash, secret().data(), sizeof(Secret));
}

Fingerprinter::~Fingerprinter() = default;
Fingerprinter::Fingerprinter(Fingerprinter&&) noexcept = default;
Fingerprinter& Fingerprinter::operator=(Fingerprinter&&) noexcept = default;

void Fingerprinter::add_part(std::string_view text) {
    assert(!state_->in_body);
    state_->number(text.size());
    state_->text(text);
}

void Fingerprinter::add(std::string_view octets) {
    if (octets.empty()) return;
    if (!state_->in_body) state_->number(body_mark);
    state_->in_body = true;
    state_->text(octets);
}

Fingerprint Fingerprinter::finish() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_->hash);
    return {hash.high64, hash.low64};
}

}  // namespace waxseal::relay
