// The blocking lookup itself: getaddrinfo and what its errors mean.
#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "net/resolver.hpp"

namespace waxseal::net {

namespace {

std::string explain(const std::string& host, int error) {
    switch (error) {
        case EAI_NONAME:
        case EAI_NODATA:
            return "no such host: " + host;
        case EAI_AGAIN:
            return "the name server does not answer for " + host;
        case EAI_SYSTEM:
            return "cannot look up " + host + ": " + std::strerror(errno);
        default:
            return "cannot look up " + host + ": " + gai_strerror(error);
    }
}

}  // namespace

Lookup system_lookup(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    // No questions for IPv6 addresses where there is no IPv6: some name servers never answer them.
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
        return std::unexpected(explain(host, error));
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
    std::vector<Address> addresses;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        if (const auto address = Address::from(entry->ai_addr)) addresses.push_back(*address);
    }
    if (addresses.empty()) return std::unexpected("no such host: " + host);
    return addresses;
}

}  // namespace waxseal::net
