#include "auth/users.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace waxseal::auth {

std::expected<SenderPattern, Error> SenderPattern::parse(std::string_view text) {
    if (text == "*") return SenderPattern({}, {});
    if (text == "<>") return SenderPattern({}, "<>");
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos || at + 1 == text.size())
        return std::unexpected(
            Error{"not a sender: write \"user@example.com\", \"@example.com\", \"<>\" or \"*\""});
    std::string_view local_part = text.substr(0, at);
    const std::string_view domain = text.substr(at + 1);
    if (local_part == "*") local_part = {};
    // A star elsewhere would never match what its author thought of.
    if (local_part.find('*') != std::string_view::npos ||
        domain.find('*') != std::string_view::npos)
        return std::unexpected(
            Error{"a star stands only for a whole local part (\"*@example.com\") or alone"});
    return SenderPattern(std::string(local_part), std::string(domain));
}

bool SenderPattern::matches(std::string_view address) const noexcept {
    if (domain_.empty()) return true;
    if (address.empty() || domain_ == "<>") return address.empty() && domain_ == "<>";
    const std::size_t at = address.rfind('@');  // a quoted local part may hold one as well
    if (at == std::string_view::npos) return false;
    return text::iequals(address.substr(at + 1), domain_) &&
           (local_part_.empty() || address.substr(0, at) == local_part_);
}

bool User::may_send(std::string_view address) const noexcept {
    if (senders.empty()) return true;
    return std::any_of(senders.begin(), senders.end(), [address](const SenderPattern& pattern) {
        return pattern.matches(address);
    });
}

bool User::allowed_from(const IpAddress& client) const noexcept {
    if (allow.empty()) return true;
    return std::any_of(allow.begin(), allow.end(),
                       [&client](const Network& network) { return network.contains(client); });
}

Users::Users(std::vector<User> users) {
    for (User& user : users) {
        auto shared = std::make_shared<const User>(std::move(user));
        if (by_name_.try_emplace(shared->name, shared).second) all_.push_back(std::move(shared));
    }
}

std::shared_ptr<const User> Users::find(std::string_view name) const {
    const auto entry = by_name_.find(name);
    return entry == by_name_.end() ? nullptr : entry->second;
}

}  // namespace waxseal::auth
