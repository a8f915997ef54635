// AES-GCM as mbedTLS gives it, by the specification's own cases and against a slow one written down
// here from the specification; on every set of instructions that the processor has.
#include <mbedtls/aes.h>
#include <psa/crypto.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "gcm_levels.hpp"
#include "gcm_vectors.hpp"
#include "tls/mbedtls.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

using Gcm = Owned<mbedtls_gcm_context, mbedtls_gcm_init, mbedtls_gcm_free>;
using Block = std::array<unsigned char, 16>;
constexpr std::size_t tag_size = 16;

const unsigned char* in(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* out(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string unhex(std::string_view hex) {
    std::string octets;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        octets += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return octets;
}

void set_key(Gcm& gcm, std::string_view key) {
    REQUIRE(mbedtls_gcm_setkey(gcm.get(), MBEDTLS_CIPHER_ID_AES, in(key),
                               static_cast<unsigned>(key.size() * 8)) == 0);
}

struct Case {
    std::string key, iv, beside, plain;
};

// NIST SP 800-38D 6.3, a bit at a time.
Block multiply(const Block& x, const Block& y) {
    Block z{};
    Block v = y;
    for (unsigned bit = 0; bit < 128; ++bit) {
        const bool add = ((static_cast<unsigned>(x[bit / 8]) >> (7 - bit % 8)) & 1U) != 0;
        for (std::size_t i = 0; add && i < 16; ++i) z[i] ^= v[i];
        const bool carry = (v[15] & 1U) != 0;
        for (std::size_t i = 15; i > 0; --i)
            v[i] = static_cast<unsigned char>(v[i] >> 1U | v[i - 1] << 7U);
        v[0] = static_cast<unsigned char>(v[0] >> 1U ^ (carry ? 0xe1U : 0U));
    }
    return z;
}

std::string padded(std::string octets) {
    octets.resize((octets.size() + 15) / 16 * 16);
    return octets;
}

std::string length64(std::size_t octets) {
    std::string text;
    for (int shift = 56; shift >= 0; shift -= 8)
        text += static_cast<char>(octets * 8 >> static_cast<unsigned>(shift));
    return text;
}

Block ghash(const Block& h, const std::string& octets) {
    Block y{};
    for (std::size_t at = 0; at < octets.size(); at += 16) {
        for (std::size_t i = 0; i < 16; ++i) y[i] ^= static_cast<unsigned char>(octets[at + i]);
        y = multiply(y, h);
    }
    return y;
}

// Ciphertext and tag: SP 800-38D 7.1.
std::string slow(const Case& given) {
    Owned<mbedtls_aes_context, mbedtls_aes_init, mbedtls_aes_free> aes;
    const auto bits = static_cast<unsigned>(given.key.size() * 8);
    REQUIRE(mbedtls_aes_setkey_enc(aes.get(), in(given.key), bits) == 0);
    const auto encrypt = [&](const Block& block) {
        Block result{};
        mbedtls_aes_crypt_ecb(aes.get(), MBEDTLS_AES_ENCRYPT, block.data(), result.data());
        return result;
    };
    const Block h = encrypt({});
    Block first{};
    if (given.iv.size() == 12) {
        std::ranges::copy(given.iv, first.begin());
        first[15] = 1;
    } else {
        first = ghash(h, padded(given.iv) + length64(0) + length64(given.iv.size()));
    }
    std::string sealed = given.plain;
    Block counter = first;
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        if (at % 16 == 0) {
            for (std::size_t i = 15; i >= 12 && ++counter[i] == 0;) --i;
        }
        sealed[at] = static_cast<char>(sealed[at] ^ encrypt(counter)[at % 16]);
    }
    const Block sum = ghash(h, padded(given.beside) + padded(sealed) +
                                   length64(given.beside.size()) + length64(sealed.size()));
    const Block mask = encrypt(first);
    for (std::size_t i = 0; i < tag_size; ++i) sealed += static_cast<char>(sum[i] ^ mask[i]);
    return sealed;
}

// The same by mbedTLS, in place, at any alignment.
std::string whole(const Case& given, std::size_t shift = 0) {
    Gcm gcm;
    set_key(gcm, given.key);
    const std::size_t size = given.plain.size();
    std::string buffer = std::string(shift, '#') + given.plain + std::string(tag_size, '\0');
    unsigned char* at = out(buffer) + shift;
    REQUIRE(mbedtls_gcm_crypt_and_tag(gcm.get(), MBEDTLS_GCM_ENCRYPT, size, in(given.iv),
                                      given.iv.size(), in(given.beside), given.beside.size(), at,
                                      at, tag_size, at + size) == 0);
    return buffer.substr(shift);
}

// In pieces: additional data cut at `cut` and content too, both as far as they reach.
std::string pieces(const Case& given, std::size_t cut) {
    Gcm gcm;
    set_key(gcm, given.key);
    REQUIRE(mbedtls_gcm_starts(gcm.get(), MBEDTLS_GCM_ENCRYPT, in(given.iv), given.iv.size()) == 0);
    const std::string_view beside = given.beside;
    for (const auto part : {beside.substr(0, std::min(cut, beside.size())),
                            beside.substr(std::min(cut, beside.size()))})
        REQUIRE(mbedtls_gcm_update_ad(gcm.get(), in(part), part.size()) == 0);
    const std::string_view plain = given.plain;
    std::string sealed(plain.size() + tag_size, '\0');
    std::size_t at = 0;
    std::size_t written = 0;
    for (const auto part : {plain.substr(0, std::min(cut, plain.size())),
                            plain.substr(std::min(cut, plain.size()))}) {
        REQUIRE(mbedtls_gcm_update(gcm.get(), in(part), part.size(), out(sealed) + at,
                                   plain.size() - at, &written) == 0);
        at += written;
    }
    REQUIRE(mbedtls_gcm_finish(gcm.get(), out(sealed) + at, 0, &written, out(sealed) + plain.size(),
                               tag_size) == 0);
    return sealed;
}

// What decrypts, and what was in the buffer for it.
std::pair<int, std::string> opened(const Case& given, std::string_view sealed) {
    Gcm gcm;
    set_key(gcm, given.key);
    const std::size_t size = sealed.size() - tag_size;
    std::string plain(size, '?');
    const int code = mbedtls_gcm_auth_decrypt(gcm.get(), size, in(given.iv), given.iv.size(),
                                              in(given.beside), given.beside.size(),
                                              in(sealed) + size, tag_size, in(sealed), out(plain));
    return {code, plain};
}

std::string random_text(std::mt19937& random, std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

}  // namespace

TEST_CASE("AES-GCM: the cases of its specification, whole and in two pieces") {
    with_each_gcm([] {
        for (const GcmVector& vector : gcm_vectors) {
            const Case given{unhex(vector.key), unhex(vector.iv), unhex(vector.beside),
                             unhex(vector.plain)};
            const std::string sealed = unhex(vector.sealed) + unhex(vector.tag);
            CHECK((slow(given) == sealed));
            CHECK((whole(given) == sealed));
            CHECK((opened(given, sealed) == std::pair(0, given.plain)));
            for (std::size_t cut = 0; cut <= given.plain.size(); ++cut)
                CHECK((pieces(given, cut) == sealed));
        }
    });
}

TEST_CASE("AES-GCM: every size up to some blocks, then any, against a slow one") {
    std::mt19937 random(4);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases each time
    for (std::size_t n = 0; n < 420; ++n) {
        const std::size_t key = std::array{16U, 32U, 24U}[n % 3];
        const Case given{random_text(random, key),
                         random_text(random, n % 7 == 0 ? 1 + random() % 40 : 12),
                         random_text(random, random() % (n % 5 == 0 ? 300 : 20)),
                         random_text(random, n < 400 ? n : random() % 20'000)};
        const std::string sealed = slow(given);
        CAPTURE(n);
        with_each_gcm([&] {
            CHECK((whole(given, random() % 17) == sealed));
            CHECK((pieces(given, random() % (given.plain.size() + 1)) == sealed));
            CHECK((opened(given, sealed) == std::pair(0, given.plain)));
        });
    }
}

TEST_CASE("AES-GCM: one bit wrong anywhere, and nothing is given out") {
    std::mt19937 random(5);  // NOLINT(cert-msc32-c,cert-msc51-cpp)
    const Case given{random_text(random, 16), random_text(random, 12), "beside",
                     random_text(random, 100)};
    const std::string sealed = slow(given);
    with_each_gcm([&] {
        for (std::size_t at = 0; at < sealed.size(); ++at) {
            std::string wrong = sealed;
            wrong[at] = static_cast<char>(wrong[at] ^ 1 << at % 8);
            CHECK((opened(given, wrong) ==
                   std::pair(MBEDTLS_ERR_GCM_AUTH_FAILED, std::string(given.plain.size(), '\0'))));
        }
        Case other = given;
        other.beside = "besidf";
        CHECK(opened(other, sealed).first == MBEDTLS_ERR_GCM_AUTH_FAILED);
    });
}

TEST_CASE("AES-GCM: what cannot be is refused, and short tags are the front of long ones") {
    with_each_gcm([] {
        Gcm gcm;
        const std::string key(16, 'k');
        CHECK(mbedtls_gcm_setkey(gcm.get(), MBEDTLS_CIPHER_ID_AES, in(key), 64) ==
              MBEDTLS_ERR_GCM_BAD_INPUT);
        set_key(gcm, key);
        const std::string iv(12, 'i');
        const auto seal = [&](std::size_t iv_size, std::size_t size) {
            std::string tag(20, '\0');
            const int code =
                mbedtls_gcm_crypt_and_tag(gcm.get(), MBEDTLS_GCM_ENCRYPT, 0, in(iv), iv_size,
                                          nullptr, 0, nullptr, nullptr, size, out(tag));
            return std::pair(code, tag.substr(0, size));
        };
        CHECK(seal(0, 16).first == MBEDTLS_ERR_GCM_BAD_INPUT);
        for (const std::size_t size : {0U, 3U, 17U})
            CHECK(seal(12, size).first == MBEDTLS_ERR_GCM_BAD_INPUT);
        const std::string tag = slow({key, iv, "", ""});
        for (std::size_t size = 4; size <= 16; ++size)
            CHECK((seal(12, size) == std::pair(0, tag.substr(0, size))));
    });
}
