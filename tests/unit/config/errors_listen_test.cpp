// Errors in listeners: addresses, networks, names, and no open relay by accident.
// Each row: what is written, and every line that is said about it.
#include "support.hpp"

using namespace waxseal::config;

TEST_CASE("listeners") {
    check_all(
        {
            {R"([[listen]]
address = "example.com:25"
)",
             {R"(f:4:11: [[listen]] address: "example.com" is a name; write the IP address to listen on, or ":25" for every address)"}},
            {R"([[listen]]
address = "127.0.0.1"
)",
             {R"(f:4:11: [[listen]] address: "127.0.0.1" has no port; write "127.0.0.1:2525")"}},
            {R"([[listen]]
address = "::1"
)",
             {R"(f:4:11: [[listen]] address: "::1" is IPv6 without brackets; write "[::1]:2525")"}},
            {R"([[listen]]
address = "::1:25"
)",
             {R"(f:4:11: [[listen]] address: "::1:25" is IPv6 without brackets; write "[::1]:2525")"}},
            {R"([[listen]]
address = "127.0.0.1:99999"
)",
             {R"(f:4:11: [[listen]] address: "99999" is not a port; write a number from 0 to 65535)"}},
            {R"([[listen]]
address = ""
)",
             {R"(f:4:11: [[listen]] address: "" is not an address to listen on; write one as "127.0.0.1:2525", "[::1]:2525" or ":2525")"}},
            {R"([[listen]]
address = "[::1]25"
)",
             {R"(f:4:11: [[listen]] address: "[::1]25" is not an address to listen on; write one as "127.0.0.1:2525", "[::1]:2525" or ":2525")"}},
            {R"([[listen]]
address = "[127.0.0.1]:25"
)",
             {R"(f:4:11: [[listen]] address: "[127.0.0.1]:25" is not an address to listen on; write one as "127.0.0.1:2525", "[::1]:2525" or ":2525")"}},
            {R"([[listen]]
address = "0.0.0.0:25"
)",
             {R"(f:4:11: [[listen]] address: 0.0.0.0:25 can be reached from other hosts, and whoever connects sends mail in your name: an open relay; name the networks of your devices with allow = ["192.168.1.0/24"], let them log in with auth = "local", or listen on 127.0.0.1)"}},
            {R"([[listen]]
address = ":25"
)",
             {R"(f:4:11: [[listen]] address: [::]:25 can be reached from other hosts, and whoever connects sends mail in your name: an open relay; name the networks of your devices with allow = ["192.168.1.0/24"], let them log in with auth = "local", or listen on 127.0.0.1)"}},
            {R"([[listen]]
address = "192.168.1.1:25"
)",
             {R"(f:4:11: [[listen]] address: 192.168.1.1:25 can be reached from other hosts, and whoever connects sends mail in your name: an open relay; name the networks of your devices with allow = ["192.168.1.0/24"], let them log in with auth = "local", or listen on 127.0.0.1)"}},
            {R"([[listen]]
address = "0.0.0.0:25"
allow = []
)",
             {R"(f:5:9: [[listen]] allow: is empty, so nobody could connect; write allow = ["127.0.0.0/8", "::1/128"])"}},
            {R"([[listen]]
allow = ["10.0.0.1/8", "300.0.0.0/8", "10.0.0.0/33", "fe80::/129", "x", "10.0.0.0/", "2001:db8::1/32"]
)",
             {R"(f:4:10: [[listen]] allow: "10.0.0.1/8" has bits set behind its prefix; write "10.0.0.0/8" for the network, or the address alone for one host)",
              R"(f:4:24: [[listen]] allow: "300.0.0.0/8" is not a network; write one as "192.168.1.0/24", "2001:db8::/32" or "192.0.2.7")",
              R"(f:4:39: [[listen]] allow: "10.0.0.0/33": the prefix of an IPv4 network is at most 32)",
              R"(f:4:54: [[listen]] allow: "fe80::/129": the prefix of an IPv6 network is at most 128)",
              R"(f:4:68: [[listen]] allow: "x" is not a network; write one as "192.168.1.0/24", "2001:db8::/32" or "192.0.2.7")",
              R"(f:4:73: [[listen]] allow: "10.0.0.0/" is not a network; write one as "192.168.1.0/24", "2001:db8::/32" or "192.0.2.7")",
              R"(f:4:86: [[listen]] allow: "2001:db8::1/32" has bits set behind its prefix; write "2001:db8::/32" for the network, or the address alone for one host)"}},
            {R"([[listen]]
address = ":25"
allow = ["0.0.0.0/0", "::/0"]
)",
             {R"(f:5:10: warning: [[listen]] allow: this lets in practically everyone: if a firewall does not stop them, strangers will send spam in your name; name the networks of your devices instead)", R"(f:5:23: warning: [[listen]] allow: this lets in practically everyone: if a firewall does not stop them, strangers will send spam in your name; name the networks of your devices instead)"}},
            {R"([[listen]]
address = ":25"
allow = ["10.0.0.0/8", "8.0.0.0/7"]
)",
             {R"(f:5:24: warning: [[listen]] allow: this lets in practically everyone: if a firewall does not stop them, strangers will send spam in your name; name the networks of your devices instead)"}},
            {R"([[listen]]
[[listen]]
address = "127.0.0.1:2525"
)",
             {R"(f:5:11: [[listen]] address: 127.0.0.1:2525 is listened on already in line 3; write another port, or remove one of the two)"}},
            {R"([[listen]]
address = "bad"
[[listen]]
address = "worse"
)",
             {R"(f:4:11: [[listen]] address: "bad" is not an address to listen on; write one as "127.0.0.1:2525", "[::1]:2525" or ":2525")",
              R"(f:6:11: [[listen]] address: "worse" is not an address to listen on; write one as "127.0.0.1:2525", "[::1]:2525" or ":2525")"}},
            {R"([[listen]]
upstream = ["defualt"]
)",
             {R"(f:4:13: [[listen]] upstream: there is no [[upstream]] named "defualt"; did you mean default?)"}},
            {R"([[listen]]
upstream = ["nobody"]
)",
             {R"(f:4:13: [[listen]] upstream: there is no [[upstream]] named "nobody"; write the name of one)"}},
            {R"([[listen]]
upstream = []
)",
             {R"(f:4:12: [[listen]] upstream: names no upstream; remove it to use all of them, in the order of the file)"}},
            {R"([[listen]]
upstream = ["default", "default"]
)",
             {R"(f:4:24: [[listen]] upstream: "default" is there twice; remove one)"}},
        });
}
