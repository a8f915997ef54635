// Paths: a recursive-descent parser over one string_view, one function a rule of RFC 5321 4.1.2.
//
// Each rule takes what it recognises off the front of `text`, or fails with a reason. Where we are
// narrower than the grammar, on purpose: no '%' in a local part (the percent hack asks the upstream
// to route onwards), no general address literals, and UTF-8 only of printable characters, so that
// no C1 control or line separator (which some servers take for a line end) is in an address. Where
// we are wider: '_' in host names, which devices have.
#include "smtp/path.hpp"

#include "base/limits.hpp"
#include "base/text.hpp"
#include "smtp/address_literal.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::size_t label_limit = 63;  // RFC 1035 2.3.4

bool atext(char c) noexcept {
    constexpr std::string_view specials = "!#$&'*+-/=?^_`{|}~";  // RFC 5322 3.2.3 without '%'
    return text::alnum(c) || specials.find(c) != std::string_view::npos;
}

bool host_character(char c) noexcept { return text::alnum(c) || c == '-' || c == '_'; }

bool quotable(char c) noexcept { return c >= ' ' && c <= '~' && c != '%'; }

}  // namespace

struct PathParser {
    std::string_view text;
    const char* reason = "";

    bool fail(const char* why) noexcept {
        reason = why;
        return false;
    }

    bool take(char expected) noexcept {
        if (!text.starts_with(expected)) return false;
        text.remove_prefix(1);
        return true;
    }

    bool take_if(bool (*allowed)(char) noexcept) noexcept {
        if (text.empty() || !allowed(text.front())) return false;
        text.remove_prefix(1);
        return true;
    }

    // One printable character above ASCII (RFC 6531 3.3: atext, qtextSMTP and sub-domain have it).
    bool take_utf8() noexcept {
        const auto point = text::decode_utf8(text);
        if (!point || point->value < 0x80 || !text::printable(point->value)) return false;
        text.remove_prefix(point->length);
        return true;
    }

    // What was taken since `start`, an earlier value of `text`.
    [[nodiscard]] std::string_view since(std::string_view start) const noexcept {
        return start.substr(0, start.size() - text.size());
    }

    bool label() noexcept {
        const std::string_view start = text;
        while (take_if(host_character) || take_utf8()) {
        }
        const std::string_view taken = since(start);
        if (taken.empty()) return fail("a part of the domain is missing or not allowed");
        if (taken.size() > label_limit) return fail("a part of the domain is too long");
        if (taken.starts_with('-') || taken.ends_with('-'))
            return fail("a part of the domain begins or ends with a hyphen");
        return true;
    }

    bool host_name() noexcept {
        do {
            if (!label()) return false;
        } while (take('.'));
        return true;
    }

    bool address_literal() noexcept {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || !valid_address_literal(text.substr(1, end - 1)))
            return fail("the address literal is not valid");
        text.remove_prefix(end + 1);
        return true;
    }

    bool domain() noexcept {
        const std::string_view start = text;
        if (!(text.starts_with('[') ? address_literal() : host_name())) return false;
        return since(start).size() <= limits::domain || fail("the domain is too long");
    }

    bool dot_string() noexcept {
        do {
            const std::string_view start = text;
            while (take_if(atext) || take_utf8()) {
            }
            if (since(start).empty()) return fail("the local part is not valid");
        } while (take('.'));
        return true;
    }

    bool quoted_string() noexcept {
        text.remove_prefix(1);
        while (!take('"')) {
            // After a backslash a quote or a backslash is an ordinary character.
            const bool taken = take('\\') ? take_if(quotable) : take_if(quotable) || take_utf8();
            if (!taken) return fail("the quoted local part is not valid");
        }
        return true;
    }

    bool local_part() noexcept {
        const std::string_view start = text;
        if (!(text.starts_with('"') ? quoted_string() : dot_string())) return false;
        return since(start).size() <= limits::local_part || fail("the local part is too long");
    }

    // "@a,@b:" before the mailbox (RFC 5321 C): recognised, and then forgotten.
    bool source_route() noexcept {
        do {
            if (!take('@')) return fail("the source route is not valid");
            if (!domain()) return false;
        } while (take(','));
        return take(':') || fail("the source route is not valid");
    }

    bool mailbox(bool bare_postmaster) noexcept {
        const std::string_view start = text;
        if (!local_part()) return false;
        if (bare_postmaster && text.starts_with('>') && text::iequals(since(start), "postmaster"))
            return true;
        if (take('@')) return domain();
        const bool over = text.empty() || text.starts_with('>');
        return fail(over ? "the address has no domain" : "the local part is not valid");
    }

    // "<path>"; `address` becomes what is to stay of it.
    bool path(PathKind kind, std::string_view& address) noexcept {
        if (!take('<')) return fail("the address is not in angle brackets");
        if (kind == PathKind::reverse && take('>')) return true;
        const bool routed = text.starts_with('@');
        if (routed && !source_route()) return false;
        const std::string_view start = text;
        if (!mailbox(kind == PathKind::forward && !routed)) return false;
        address = since(start);
        if (!take('>')) return fail("the address does not end in an angle bracket");
        return address.size() + 2 <= limits::path || fail("the address is too long");
    }

    std::expected<ParsedPath, PathError> parse(PathKind kind) {
        std::string_view address;
        if (!path(kind, address)) return std::unexpected(PathError{reason});
        if (!text.empty() && !text.starts_with(' '))
            return std::unexpected(PathError{"the address is not followed by a space"});
        return ParsedPath{Path(std::string(address)), text};
    }
};

bool Path::needs_utf8() const noexcept { return !text::ascii(address_); }

std::string_view Path::domain() const noexcept {
    const std::size_t at = address_.rfind('@');
    if (at == std::string::npos) return {};
    return std::string_view(address_).substr(at + 1);
}

std::expected<ParsedPath, PathError> parse_path(std::string_view text, PathKind kind) {
    return PathParser{text}.parse(kind);
}

}  // namespace waxseal::smtp
