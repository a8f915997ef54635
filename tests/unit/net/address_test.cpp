// Addresses: text, sockaddr and octets agree.
#include "net/address.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace waxseal::net {

TEST_CASE("an address survives text and sockaddr, and IPv4 is IPv4 however it comes") {
    struct Row {
        const char* ip;
        const char* text;
        int family;
    };
    for (const Row& row :
         {Row{"192.0.2.1", "192.0.2.1:25", AF_INET},
          Row{"::ffff:192.0.2.1", "192.0.2.1:25", AF_INET},
          Row{"2001:db8::1", "[2001:db8::1]:25", AF_INET6}, Row{"::", "[::]:25", AF_INET6},
          Row{"0.0.0.0", "0.0.0.0:25", AF_INET}, Row{"fe80::1%7", "[fe80::1%7]:25", AF_INET6}}) {
        CAPTURE(row.ip);
        const auto address = Address::parse(row.ip, 25);
        REQUIRE(address.has_value());
        CHECK(address->text() == row.text);
        sockaddr_storage storage;
        CHECK(address->to(storage) ==
              (row.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
        CHECK(storage.ss_family == row.family);
        CHECK(Address::from(reinterpret_cast<const sockaddr*>(&storage)) == address);
    }
}

TEST_CASE("what is not an address is refused") {
    for (const std::string_view text :
         {std::string_view("example.com"), std::string_view(""), std::string_view("1.2.3"),
          std::string_view("1.2.3.4%1"), std::string_view("[::1]"), std::string_view("::1%"),
          std::string_view("::1%no-such-interface"), std::string_view("127.0.0.1\0x", 11)}) {
        CAPTURE(text);
        CHECK_FALSE(Address::parse(text, 25).has_value());
    }
    sockaddr unix_address{};
    unix_address.sa_family = AF_UNIX;
    CHECK_FALSE(Address::from(&unix_address).has_value());
}

}  // namespace waxseal::net
