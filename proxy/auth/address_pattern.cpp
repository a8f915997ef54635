#include "auth/address_pattern.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace waxseal::auth {

namespace {

// Whether this domain's own server might send it on to another (bang paths, the percent hack, a
// quoted address: Postfix, swap_bangpath and resolve_dequoted_address).
bool routes_onwards(const smtp::Path& path) noexcept {
    const std::string_view address = path.address();
    const std::string_view local =
        address.substr(0, address.size() - std::min(address.size(), path.domain().size() + 1));
    return local.find_first_of("@!%") != std::string_view::npos;
}

}  // namespace

std::expected<AddressPattern, Error> AddressPattern::parse(std::string_view text) {
    if (text == "<>") return AddressPattern(Kind::null, {});
    if (text.starts_with("*@")) text.remove_prefix(1);
    const bool domain = text.starts_with('@');
    const std::string path = (domain ? "<x" : "<") + std::string(text) + ">";
    const auto parsed = smtp::parse_path(path, smtp::PathKind::reverse);
    if (!parsed || !parsed->rest.empty() || parsed->path.domain().empty())
        return std::unexpected(
            Error{"not an address: write \"user@example.com\", \"*@example.com\" or \"<>\""});
    if (domain) return AddressPattern(Kind::domain, std::string(text.substr(1)));
    return AddressPattern(Kind::address, parsed->path.address());
}

bool AddressPattern::fits(const smtp::Path& path) const noexcept {
    switch (kind_) {
        case Kind::null:
            return path.null();
        case Kind::domain:
            return text::iequals(path.domain(), text_) && !routes_onwards(path);
        case Kind::address:
            break;
    }
    return text::iequals(path.address(), text_);
}

bool allows(std::span<const AddressPattern> patterns, const smtp::Path& path) noexcept {
    return patterns.empty() ||
           std::ranges::any_of(patterns, [&](const AddressPattern& one) { return one.fits(path); });
}

}  // namespace waxseal::auth
