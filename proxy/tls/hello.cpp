#include "tls/hello.hpp"

#include <cstddef>

namespace waxseal::tls {

namespace {

constexpr std::size_t header = 4;  // type and length
constexpr std::size_t version = 2;
constexpr std::size_t random = 32;

constexpr char client_hello = 1;
constexpr char server_hello = 2;

// A big-endian number of `size` octets, taken off the front; nothing when there are fewer.
std::optional<std::size_t> take_number(std::string_view& octets, std::size_t size) {
    if (octets.size() < size) return std::nullopt;
    std::size_t value = 0;
    for (const char c : octets.substr(0, size)) value = value << 8U | static_cast<unsigned char>(c);
    octets.remove_prefix(size);
    return value;
}

// What stands behind its own length in `size` octets, taken off the front; less where there is
// less.
std::string_view take_part(std::string_view& octets, std::size_t size) {
    const std::size_t length = take_number(octets, size).value_or(0);
    const std::string_view part = octets.substr(0, length);
    octets.remove_prefix(part.size());
    return part;
}

}  // namespace

std::optional<Hello> read_hello(std::string_view message) {
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
    constexpr std::string_view mark = "DOWNGRD";  // and one octet, 0 or 1
    if (message.size() < header + version + random || message.front() != server_hello) return false;
    return message.substr(header + version, random)
        .substr(random - mark.size() - 1)
        .starts_with(mark);
}

bool extends_master_secret(std::string_view message) {
    constexpr std::size_t extended_master_secret = 23;
    constexpr std::size_t suite_and_compression = 3;
    if (message.size() < header + version + random || message.front() != server_hello) return false;
    message.remove_prefix(1);
    std::string_view body = take_part(message, 3);
    if (body.size() < version + random) return false;
    body.remove_prefix(version + random);
    (void)take_part(body, 1);  // the session's identifier
    if (body.size() < suite_and_compression) return false;
    body.remove_prefix(suite_and_compression);
    std::string_view extensions = take_part(body, 2);
    while (const auto type = take_number(extensions, 2)) {
        (void)take_part(extensions, 2);
        if (type == extended_master_secret) return true;
    }
    return false;
}

}  // namespace waxseal::tls
