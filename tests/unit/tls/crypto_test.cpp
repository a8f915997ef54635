// The primitives, by the vectors of the RFCs that define them.
#include "tls/crypto.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

using namespace waxseal::tls;

namespace {

std::string hex(std::string_view octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        text += digits[octet >> 4U];
        text += digits[octet & 15U];
    }
    return text;
}

}  // namespace

TEST_CASE("HMAC-MD5: the vectors of RFC 2195 and RFC 2202") {
    CHECK(hex(hmac_md5("tanstaaftanstaaf", "<1896.697170952@postoffice.reston.mci.net>")) ==
          "b913a602c7eda7a495b4e6e7334d3890");
    CHECK(hex(hmac_md5(std::string(16, '\x0b'), "Hi There")) == "9294727a3638bb1c13f48ef8158bfc9d");
    CHECK(hex(hmac_md5("Jefe", "what do ya want for nothing?")) ==
          "750c783e6ab0b503eaa86e310a5db738");
    CHECK(hex(hmac_md5(std::string(16, '\xaa'), std::string(50, '\xdd'))) ==
          "56be34521d144c88dbb8c733f0e8b3f6");
    CHECK(hex(hmac_md5(std::string(80, '\xaa'),
                       "Test Using Larger Than Block-Size Key - Hash Key First")) ==
          "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    CHECK(hex(hmac_md5(std::string(10'000, 'k'), "data")) ==
          "cb60c0001ca6dd72904445641eacd76b");  // more than PSA takes as a key
    CHECK(hex(hmac_md5("", "")) == "74e6f7298a9c2d168935f58c001bad88");
}

TEST_CASE("SHA-256: the vectors of RFC 6234 8.5") {
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hex(sha256(std::string(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("HMAC-SHA-256: the vectors of RFC 4231") {
    struct Row {
        std::string key, data;
        std::string_view mac;
    };
    std::string counting;
    for (char c = 1; c <= 25; ++c) counting += c;
    const Row rows[] = {
        {std::string(20, '\x0b'), "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {std::string(20, '\xaa'), std::string(50, '\xdd'),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {counting, std::string(50, '\xcd'),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {std::string(131, '\xaa'),
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key needs to be hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
        {"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    for (const Row& row : rows) CHECK(hex(hmac_sha256(row.key, row.data)) == row.mac);
}

TEST_CASE("PBKDF2-HMAC-SHA-256: the vectors of RFC 7914 11, and keys longer than a block") {
    CHECK(hex(pbkdf2_hmac_sha256("passwd", "salt", 1)) ==
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    CHECK(hex(pbkdf2_hmac_sha256("Password", "NaCl", 80'000)) ==
          "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
    CHECK(hex(pbkdf2_hmac_sha256(std::string(100, 'k'), std::string(100, 's'), 3)) ==
          "80c335afe292abfd2a4aa03783188142f8eea075b7a7a9c206bc2075e56eeeb3");
    CHECK(hex(pbkdf2_hmac_sha256("", "", 1)) ==
          "f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad");
}

TEST_CASE("random octets: as many as asked for, and never the same") {
    for (const std::size_t count : {0U, 1U, 32U, 5000U}) CHECK(random_bytes(count).size() == count);
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) seen.insert(random_bytes(16));
    CHECK(seen.size() == 100);
}

TEST_CASE("equal in constant time: equal is equal, a single bit anywhere is not") {
    CHECK(equal_constant_time("", ""));
    CHECK(equal_constant_time("abc", "abc"));
    CHECK_FALSE(equal_constant_time("abc", "abcd"));
    CHECK_FALSE(equal_constant_time("abc", ""));
    const std::string octets(33, 'x');
    for (std::size_t i = 0; i < octets.size(); ++i) {
        std::string other = octets;
        other[i] = static_cast<char>(other[i] ^ 0x40);
        CHECK_FALSE(equal_constant_time(octets, other));
    }
}
