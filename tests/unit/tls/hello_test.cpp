// What the first flight of our client says: the policy of context.cpp as a server sees it.
#include "tls/hello.hpp"
#include "flight.hpp"
#include "pair.hpp"

using namespace waxseal::tls;
using namespace waxseal::tls::test;

TEST_CASE("the ClientHello: PKCS#1 before PSS, X25519 first, no session, no early data") {
    auto client = Engine::client(usual().client, "mail.example.org");
    REQUIRE(client.has_value());
    auto offered = hello_of(take_output(**client)).extensions;
    using std::string_view_literals::operator""sv;
    // signature_algorithms, supported_groups, supported_versions, server_name
    CHECK(offered[13] == "\0\x12\4\3\5\3\6\3\4\1\5\1\6\1\x08\4\x08\5\x08\6"sv);
    CHECK(offered[10] == "\0\x08\0\x1D\0\x17\0\x18\0\x19"sv);
    CHECK(offered[43] == "\4\3\4\3\3"sv);
    CHECK(offered[0] == "\0\x13\0\0\x10mail.example.org"sv);
    // session_ticket: asked for; psk_key_exchange_modes: with a fresh key exchange only
    CHECK(offered[35] == "");
    CHECK(offered[45] == "\1\1"sv);
    // max_fragment_length, pre_shared_key, early_data
    for (const std::size_t unwanted : {1U, 41U, 42U}) {
        CAPTURE(unwanted);
        CHECK_FALSE(offered.contains(unwanted));
    }
}

TEST_CASE("the extended master secret of a ServerHello, at every cut") {
    const auto hello = [](std::string_view extensions) {
        std::string body = "\x03\x03" + std::string(32, 'r') +
                           "\x02"
                           "id" +
                           "\xC0\x2B" + std::string(1, '\0');
        body += static_cast<char>(extensions.size() >> 8U);
        body += static_cast<char>(extensions.size());
        body += extensions;
        return std::string("\x02\0\0", 3) + static_cast<char>(body.size()) + body;
    };
    const std::string_view secret("\0\x17\0\0", 4);
    const std::string_view other("\0\x0B\0\2\1\0", 6);
    CHECK(extends_master_secret(hello(secret)));
    CHECK(extends_master_secret(hello(std::string(other) + std::string(secret))));
    CHECK(extends_master_secret(hello(secret) + "and the next message"));
    CHECK_FALSE(extends_master_secret(hello(other)));
    CHECK_FALSE(extends_master_secret(hello("")));
    // Beyond the end of the message it is none.
    CHECK_FALSE(extends_master_secret(hello(other) + std::string(secret)));
    const std::string whole = hello(std::string(other) + std::string(secret));
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(extends_master_secret(std::string_view(whole).substr(0, size)) ==
              (size >= whole.size() - 2));
    std::string client = whole;
    client[0] = 1;
    CHECK_FALSE(extends_master_secret(client));
}
