// Reads what a peer has sent in clear: records, handshake messages, and what both hellos carry.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace waxseal::tls::test {

// A big-endian number.
inline std::size_t number(std::string_view octets, std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (const char c : octets.substr(at, size))
        value = value << 8U | static_cast<unsigned char>(c);
    return value;
}

inline std::string plain_record(int type, std::string_view content) {
    std::string octets(1, static_cast<char>(type));
    octets += "\x03\x03";
    octets += static_cast<char>(content.size() >> 8U);
    octets += static_cast<char>(content.size());
    return octets + std::string(content);
}

// Records with their headers; what is left behind the last whole one is dropped.
inline std::vector<std::string> records(std::string_view octets) {
    std::vector<std::string> found;
    while (octets.size() >= 5 && octets.size() >= 5 + number(octets, 3, 2)) {
        found.emplace_back(octets.substr(0, 5 + number(octets, 3, 2)));
        octets.remove_prefix(found.back().size());
    }
    return found;
}

// The handshake messages that come before the first ChangeCipherSpec.
inline std::vector<std::string> messages(std::string_view octets) {
    std::string content;
    for (const std::string& record : records(octets)) {
        if (record.front() != '\x16') break;
        content += record.substr(5);
    }
    std::vector<std::string> found;
    for (std::size_t at = 0; at + 4 <= content.size(); at += found.back().size())
        found.push_back(content.substr(at, 4 + number(content, at + 1, 3)));
    return found;
}

// Their types, in order.
inline std::string message_types(std::string_view octets) {
    std::string types;
    for (const std::string& message : messages(octets)) types += message.front();
    return types;
}

// The description of the fatal alert in clear that ends `octets`; -1: none.
inline int last_alert(std::string_view octets) {
    const auto all = records(octets);
    if (all.empty() || all.back().size() != 7 || !all.back().starts_with("\x15")) return -1;
    return all.back()[5] == 2 ? static_cast<unsigned char>(all.back()[6]) : -1;
}

// A ClientHello or ServerHello, without its record header.
struct HelloParts {
    explicit HelloParts(std::string_view message) {
        random = message.substr(6, 32);
        std::size_t at = 38;
        session = message.substr(at + 1, number(message, at, 1));
        at += 1 + session.size();
        const bool client = message.front() == 1;
        at += client ? 2 + number(message, at, 2) : 2;  // cipher suites
        at += client ? 1 + number(message, at, 1) : 1;  // compression
        extensions_at = at + 2;
        for (at = extensions_at; at < message.size();) {
            const std::size_t size = number(message, at + 2, 2);
            extensions[number(message, at, 2)] = message.substr(at + 4, size);
            at += 4 + size;
        }
    }
    std::string random;
    std::string session;
    std::size_t extensions_at = 0;
    std::map<std::size_t, std::string> extensions;
};

inline HelloParts hello_of(std::string_view octets) {
    const auto all = messages(octets);
    REQUIRE_FALSE(all.empty());
    return HelloParts(all.front());
}

}  // namespace waxseal::tls::test
