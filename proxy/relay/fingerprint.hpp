// What two offers of the same message have in common: who, envelope and body, in 128 bits.
//
// XXH3 with a secret of this process, ten times as fast as SHA-256: every message pays for it, and
// few are ever asked about. It is not cryptographic, and need not be: nobody knows the secret, and
// who is part of what is hashed, so that the only message a device could hope to pass off as
// another is its own. Equal within a process only.
// Flow: add_part() for each thing of its own, always the same number of them in the same order;
// then add() the body as it comes, however it is cut; finish().
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string_view>

namespace waxseal::relay {

struct Fingerprint {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

class Fingerprinter {
  public:
    Fingerprinter();
    ~Fingerprinter();
    Fingerprinter(Fingerprinter&&) noexcept;
    Fingerprinter& operator=(Fingerprinter&&) noexcept;

    // Each with its end: "ab" and "c" are not "a" and "bc". Before the body.
    void add_part(std::string_view text);
    void add(std::string_view octets);
    // What was added so far.
    [[nodiscard]] Fingerprint finish() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace waxseal::relay
