#include "tls/hello.hpp"

#include <cstddef>

namespace waxseal::tls {

namespace {

constexpr std::size_t header = 4;  // type and length
constexpr std::size_t version = 2;
constexpr std::size_t random = 32;

// A big-endian number of `size` octets, taken off the front; nothing when there are fewer.
std::optional<std::size_t> take_number(std::string_view& octets, std::size_t size) {
    if (octets.size() < size) return std::nullopt;
    std::size_t value = 0;
    for (const char c : octets.substr(0, size)) value = value << 8U | static_cast<unsigned char>(c);
    octets.remove_prefix(size);
    return value;
}

}  // namespace

std::optional<Hello> read_hello(std::string_view message) {
    constexpr char client_hello = 1;
    if (message.size() < header || message.front() != client_hello) return std::nullopt;
    message.remove_prefix(header);
    const auto offered = take_number(message, version);
    if (!offered || message.size() < random) return std::nullopt;
    message.remove_prefix(random);
    const auto session = take_number(message, 1);
    if (!session || message.size() < *session) return std::nullopt;
    message.remove_prefix(*session);
    const auto size = take_number(message, 2);
    if (!size || message.size() < *size) return std::nullopt;
    std::string_view suites = message.substr(0, *size);
    Hello hello{static_cast<int>(*offered), {}};
    while (const auto suite = take_number(suites, 2))
        hello.suites.push_back(static_cast<int>(*suite));
    return hello;
}

bool announces_downgrade(std::string_view message) {
    constexpr char server_hello = 2;
    constexpr std::string_view mark = "DOWNGRD";  // and one octet, 0 or 1
    if (message.size() < header + version + random || message.front() != server_hello) return false;
    return message.substr(header + version, random)
        .substr(random - mark.size() - 1)
        .starts_with(mark);
}

}  // namespace waxseal::tls
