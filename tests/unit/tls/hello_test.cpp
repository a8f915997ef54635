// What the first flight of our client says: the policy of context.cpp as a server sees it.
#include <map>

#include "pair.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

namespace {

std::size_t number(std::string_view octets, std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (const char c : octets.substr(at, size))
        value = value << 8U | static_cast<unsigned char>(c);
    return value;
}

// The extensions of a ClientHello in one record, by type.
std::map<std::size_t, std::string> extensions(std::string_view hello) {
    std::size_t at = 5 + 4 + 2 + 32;  // record and message headers, version, random
    at += 1 + number(hello, at, 1);   // session
    at += 2 + number(hello, at, 2);   // cipher suites
    at += 1 + number(hello, at, 1);   // compression
    at += 2;
    std::map<std::size_t, std::string> found;
    while (at < hello.size()) {
        const std::size_t size = number(hello, at + 2, 2);
        found[number(hello, at, 2)] = hello.substr(at + 4, size);
        at += 4 + size;
    }
    return found;
}

}  // namespace

TEST_CASE("the ClientHello: PKCS#1 before PSS, X25519 first, neither tickets nor early data") {
    auto client = Engine::client(usual().client, "mail.example.org");
    REQUIRE(client.has_value());
    auto offered = extensions(take_output(**client));
    using std::string_view_literals::operator""sv;
    // signature_algorithms, supported_groups, supported_versions, server_name
    CHECK(offered[13] == "\0\x12\4\3\5\3\6\3\4\1\5\1\6\1\x08\4\x08\5\x08\6"sv);
    CHECK(offered[10] == "\0\x08\0\x1D\0\x17\0\x18\0\x19"sv);
    CHECK(offered[43] == "\4\3\4\3\3"sv);
    CHECK(offered[0] == "\0\x13\0\0\x10mail.example.org"sv);
    // max_fragment_length, session_ticket, pre_shared_key, early_data, psk_key_exchange_modes
    for (const std::size_t unwanted : {1U, 35U, 41U, 42U, 45U}) {
        CAPTURE(unwanted);
        CHECK_FALSE(offered.contains(unwanted));
    }
}
