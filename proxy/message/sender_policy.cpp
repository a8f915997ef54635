#include "message/sender_policy.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "message/addresses.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

// Of an addr-spec: the local part with its "@", and the domain.
std::size_t domain_of(std::string_view address) { return address.rfind('@') + 1; }

// A bare address that is in several pieces is none to reply to.
bool in_one_piece(std::string_view body, const Element& element, std::string_view address) {
    const std::string_view text = body.substr(element.begin, element.end - element.begin);
    return element.kind == Element::Kind::mailbox || text.find(address) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> SenderPolicy::rewritten(std::string_view body) const {
    AddressReader reader(body);
    std::string_view name;
    std::size_t count = 0;
    bool senders = true;
    bool own = own_domains_.has_value();
    while (const auto element = reader.next()) {
        const std::string address = address_of(body, *element);
        if (count++ == 0 && element->kind == Element::Kind::mailbox)
            name = trimmed(body.substr(element->begin, element->angle - element->begin));
        senders = senders && is_sender(address);
        own = own && is_own(address);
    }
    if (count > 0 && (own || (senders && count == 1))) return std::nullopt;
    if (name.empty()) return " " + sender_;
    return " " + std::string(name) + " <" + sender_ + ">";
}

bool SenderPolicy::is_sender(std::string_view address) const {
    const std::size_t domain = domain_of(address);
    return domain == domain_of(sender_) && address.substr(0, domain) == sender_.substr(0, domain) &&
           text::iequals(address.substr(domain), std::string_view(sender_).substr(domain));
}

bool SenderPolicy::is_own(std::string_view address) const {
    const std::string_view domain = address.substr(domain_of(address));
    return domain.size() < address.size() &&
           std::any_of(
               own_domains_->begin(), own_domains_->end(),
               [domain](const auto& own) { return text::iequals(own, domain); });
}

bool lists_mailboxes(std::string_view body) {
    AddressReader reader(body);
    bool any = false;
    while (const auto element = reader.next()) {
        const bool address =
            element->kind == Element::Kind::mailbox || element->kind == Element::Kind::bare;
        const std::string spec = address_of(body, *element);
        if (!address || spec.empty() || !in_one_piece(body, *element, spec)) return false;
        any = true;
    }
    return any && reader.understood();
}

}  // namespace waxseal::message
