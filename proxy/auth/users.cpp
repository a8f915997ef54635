#include "auth/users.hpp"

#include <algorithm>
#include <utility>

namespace waxseal::auth {

bool User::may_send(const smtp::Path& reverse_path) const noexcept {
    return allows(senders, reverse_path);
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
