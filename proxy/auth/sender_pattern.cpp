#include "auth/sender_pattern.hpp"

#include "base/text.hpp"

namespace waxseal::auth {

std::expected<SenderPattern, Error> SenderPattern::parse(std::string_view text) {
    if (text == "<>") return SenderPattern(Kind::null, {});
    if (text.starts_with("*@")) text.remove_prefix(1);
    const bool domain = text.starts_with('@');
    const std::string path = (domain ? "<x" : "<") + std::string(text) + ">";
    const auto parsed = smtp::parse_path(path, smtp::PathKind::reverse);
    if (!parsed || !parsed->rest.empty() || parsed->path.domain().empty())
        return std::unexpected(
            Error{"not a sender: write \"user@example.com\", \"*@example.com\" or \"<>\""});
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

}  // namespace waxseal::auth
