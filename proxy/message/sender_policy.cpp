#include "message/sender_policy.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "message/addresses.hpp"
#include "message/folding.hpp"
#include "message/header_block.hpp"
#include "message/mailbox.hpp"

namespace waxseal::message {

namespace {

// Of an addr-spec: the local part with its "@", and the domain.
std::size_t domain_of(std::string_view address) { return address.rfind('@') + 1; }

// In one piece: without comments and white space inside, and without a source route.
bool plain_address(std::string_view body, const Element& element) {
    const std::string address = address_of(body, element);
    if (!is_addr_spec(address)) return false;
    if (element.kind == Element::Kind::mailbox)
        return trimmed(body.substr(element.angle + 1, element.angle_end - element.angle - 2)) ==
               address;
    const std::string_view text = body.substr(element.begin, element.end - element.begin);
    return element.kind == Element::Kind::bare && text.find(address) != std::string_view::npos;
}

}  // namespace

bool SenderPolicy::may_stay(std::string_view body) const {
    const std::string text = unfolded(body);
    if (trimmed(text) == sender_) return true;
    const auto address = only_mailbox(text);
    return address && (is_sender(*address) || is_own(*address));
}

bool SenderPolicy::is_sender(std::string_view address) const {
    const std::size_t domain = domain_of(address);
    return domain == domain_of(sender_) && address.substr(0, domain) == sender_.substr(0, domain) &&
           text::iequals(address.substr(domain), std::string_view(sender_).substr(domain));
}

// Characters that only look like others are for no domain of ours.
bool SenderPolicy::is_own(std::string_view address) const {
    if (!own_domains_ || !text::ascii(address)) return false;
    const std::string_view domain = address.substr(domain_of(address));
    return std::any_of(own_domains_->begin(), own_domains_->end(),
                       [domain](const auto& own) { return text::iequals(own, domain); });
}

std::string_view first_name(std::string_view body) {
    const auto element = AddressReader(body).next();
    using Kind = Element::Kind;
    if (!element || (element->kind != Kind::mailbox && element->kind != Kind::open)) return {};
    return trimmed(body.substr(element->begin, element->angle - element->begin));
}

std::string reply_to(std::string_view from, std::string_view repaired) {
    AddressReader reader(repaired);
    std::size_t elements = 0;
    bool plain = true;
    std::string address;
    while (const auto element = reader.next()) {
        plain = plain && plain_address(repaired, *element);
        address = address_of(repaired, *element);
        ++elements;
    }
    if (elements == 0 || !reader.understood()) return {};
    if (plain) return std::string(trimmed(from));
    return elements == 1 ? as_addr_spec(address) : std::string();
}

}  // namespace waxseal::message
