#include "relay/routes.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace waxseal::relay {

std::optional<SenderPattern> SenderPattern::parse(std::string_view text) {
    if (text == "<>") return SenderPattern(Kind::null, {});
    if (text.starts_with("*@")) text.remove_prefix(1);
    const bool domain = text.starts_with('@');
    const std::string path = (domain ? "<x" : "<") + std::string(text) + ">";
    const auto parsed = smtp::parse_path(path, smtp::PathKind::reverse);
    if (!parsed || !parsed->rest.empty() || parsed->path.domain().empty()) return std::nullopt;
    if (domain) return SenderPattern(Kind::domain, std::string(text.substr(1)));
    return SenderPattern(Kind::address, parsed->path.address());
}

bool SenderPattern::fits(const smtp::Path& reverse_path) const noexcept {
    switch (kind_) {
        case Kind::null:
            return reverse_path.null();
        case Kind::domain:
            return text::iequals(reverse_path.domain(), text_);
        case Kind::address:
            break;
    }
    return text::iequals(reverse_path.address(), text_);
}

namespace {

bool names(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::ranges::find(list, name) != list.end();
}

bool fits(const Route& route, const RouteTable::Query& query) {
    if (!names(route.listeners, query.listener) || !names(route.users, query.user)) return false;
    const auto& senders = route.senders;
    return senders.empty() ||
           std::any_of(senders.begin(), senders.end(), [&](const SenderPattern& one) {
               return query.reverse_path != nullptr && one.fits(*query.reverse_path);
           });
}

}  // namespace

const upstream::Connector::Providers& RouteTable::choose(
    const Query& query, const upstream::Connector::Providers& of_user,
    const upstream::Connector::Providers& of_listener) const {
    const auto found = std::find_if(routes_.begin(), routes_.end(),
                                    [&](const Route& route) { return fits(route, query); });
    if (found != routes_.end()) return found->providers;
    return of_user.empty() ? of_listener : of_user;
}

}  // namespace waxseal::relay
