// Tolerant reading: each function finds what was meant, writes it as the grammar has it, and lets
// the strict parser judge that. What could have been meant in two ways is given to the strict
// parser as it came, so that the refusal is its.
#include "smtp/tolerance.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "smtp/command.hpp"
#include "smtp/parameters.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::string_view white = " \t";

bool quoted_by(std::string_view text, char quote) noexcept {
    return text.size() > 1 && text.starts_with(quote) && text.ends_with(quote);
}

struct Known {
    std::string_view keyword;
    PathKind of;
};
// Those that parameters.cpp has, and those whose sender counts on them.
constexpr std::array known{
    Known{"SIZE", PathKind::reverse},       Known{"BODY", PathKind::reverse},
    Known{"SMTPUTF8", PathKind::reverse},   Known{"RET", PathKind::reverse},
    Known{"ENVID", PathKind::reverse},      Known{"AUTH", PathKind::reverse},
    Known{"NOTIFY", PathKind::forward},     Known{"ORCPT", PathKind::forward},
    Known{"REQUIRETLS", PathKind::reverse}, Known{"HOLDFOR", PathKind::reverse},
    Known{"HOLDUNTIL", PathKind::reverse},  Known{"BY", PathKind::reverse},
    Known{"MTRK", PathKind::reverse},       Known{"RRVS", PathKind::forward},
};

std::string_view keyword_of(std::string_view word) noexcept {
    return word.substr(0, word.find('='));
}

bool is_known(std::string_view keyword, PathKind kind) noexcept {
    return std::ranges::any_of(known, [&](const Known& one) {
        return one.of == kind && text::iequals(one.keyword, keyword);
    });
}

// What stands where a path should be, found but not judged.
struct Found {
    std::string_view address;  // the addr-spec
    std::string_view rest;     // what follows the path
    Repairs repairs;
};

// 'a@b' and "a@b", as often as they are around it. "a b"@c is no such thing: it does not end so.
std::string_view unquote(std::string_view text, Repairs& repairs) noexcept {
    text = text::trim(text);
    while (quoted_by(text, '\'') || quoted_by(text, '"')) {
        text = text::trim(text.substr(1, text.size() - 2));
        repairs.add(Repair::path_extracted);
    }
    return text;
}

// What stands before the bracket: nothing, a name, or the address a second time. Any other address
// there might be the one that was meant.
bool only_a_name(std::string_view before, std::string_view address) noexcept {
    Repairs none;
    before = unquote(before, none);
    return before.find('@') == std::string_view::npos || text::iequals(before, address);
}

// "<a@b>" with whatever around it.
std::optional<Found> in_brackets(std::string_view text) {
    const std::size_t close = text.find('>');
    const std::size_t open = text.rfind('<', close);
    if (open == std::string_view::npos || open > close) return std::nullopt;
    Found found;
    found.address = unquote(text.substr(open + 1, close - open - 1), found.repairs);
    std::string_view before = text::trim(text.substr(0, open));
    found.rest = text.substr(close + 1);
    while (before.ends_with('<') && found.rest.starts_with('>')) {  // <Name <a@b>>, <<a@b>>
        before = text::trim(before.substr(0, before.size() - 1));
        found.rest.remove_prefix(1);
    }
    if (before.starts_with('<') && found.rest.starts_with('>')) {
        before = text::trim(before.substr(1));
        found.rest.remove_prefix(1);
    }
    if (before.find('<') != std::string_view::npos || !only_a_name(before, found.address))
        return std::nullopt;
    if (text.find('<', close) != std::string_view::npos) return std::nullopt;  // two paths
    // Only what says that there is no sender means it: "Name <>" has forgotten one.
    if (found.address.empty() && (!before.empty() || !found.repairs.empty())) return std::nullopt;
    if (!before.empty() || open != text.find('<')) found.repairs.add(Repair::path_extracted);
    return found;
}

// "a@b", "<a@b" or "a@b>": it ends with the first space.
std::optional<Found> bare(std::string_view text, PathKind kind) {
    const std::size_t end = std::min(text.find_first_of(white), text.size());
    Found found{text.substr(0, end), text.substr(end), {}};
    if (found.address.starts_with('<')) found.address.remove_prefix(1);
    if (found.address.ends_with('>')) found.address.remove_suffix(1);
    found.address = unquote(found.address, found.repairs);
    found.repairs.add(Repair::no_brackets);
    // "Name a@b" is no address with a parameter.
    const std::string_view next = text::trim(found.rest);
    if (found.address.find('@') == std::string_view::npos && !next.empty() &&
        !is_known(keyword_of(next), kind))
        return std::nullopt;
    if (found.address.empty() || found.address.find_first_of("<>") != std::string_view::npos)
        return std::nullopt;
    return found;
}

// Atoms and dots, in whatever order: legal as a quoted string, and nothing in it that would mean
// something else to somebody. (A space would: "Name a@b" has an address in it.)
bool quotable(std::string_view local) noexcept {
    constexpr std::string_view allowed = "!#$&'*+-/=?^_`{|}~.";
    return !local.empty() && std::ranges::all_of(local, [&](char c) {
        return text::alnum(c) || allowed.find(c) != std::string_view::npos;
    });
}

std::expected<ParsedPath, PathError> judge(const std::string& address, PathKind kind) {
    return parse_path("<" + address + ">", kind);
}

// The address as the grammar has it; as it is where nothing helps.
std::string canonical(const Found& found, PathKind kind, std::string_view own_domain,
                      Repairs& repairs) {
    std::string address(found.address);
    if (address.empty() || judge(address, kind)) return address;
    if (kind == PathKind::reverse && address.find('@') == std::string::npos) {
        repairs.add(Repair::unqualified_sender);
        address.append("@").append(own_domain);
    }
    if (address.ends_with('.')) address.pop_back();  // the root, of a domain that is written whole
    const std::size_t at = address.rfind('@');
    if (at == std::string::npos || judge(address, kind)) return address;
    const std::string local = address.substr(0, at);
    if (!quotable(local)) return address;
    std::string quoted = '"' + local + '"' + address.substr(at);
    if (!judge(quoted, kind)) return address;
    repairs.add(Repair::local_part_quoted);
    return quoted;
}

bool number(std::string_view value) noexcept {
    return !value.empty() && std::ranges::all_of(value, text::digit);
}

bool sensible(std::string_view keyword, std::string_view value) {
    if (text::iequals(keyword, "SIZE")) return number(value);
    if (text::iequals(keyword, "AUTH")) return !value.empty() && valid_xtext(value);
    if (!text::iequals(keyword, "BODY")) return true;
    constexpr std::array<std::string_view, 3> bodies{"7BIT", "8BITMIME", "BINARYMIME"};
    return std::ranges::any_of(bodies,
                               [&](std::string_view one) { return text::iequals(value, one); });
}

bool kept(std::string_view word, PathKind kind) {
    const std::string_view keyword = keyword_of(word);
    // What is no parameter at all is not ours to pass over: a second address, say.
    if (keyword.empty() ||
        !std::ranges::all_of(keyword, [](char c) { return text::alnum(c) || c == '-'; }))
        return true;
    return is_known(keyword, kind) &&
           sensible(keyword, word.substr(std::min(keyword.size() + 1, word.size())));
}

// What stands behind a path: nothing, white space, or a parameter that came too close. Anything
// else might be the rest of the address.
bool may_follow(std::string_view rest, PathKind kind) noexcept {
    return rest.empty() || white.find(rest.front()) != std::string_view::npos ||
           is_known(keyword_of(rest), kind);
}

}  // namespace

void tidy_command(std::string& line, Repairs& repairs) {
    // Not in a quoted string, where it would make another address.
    std::replace(line.begin(),
                 line.begin() + static_cast<std::ptrdiff_t>(std::min(line.find('"'), line.size())),
                 '\t', ' ');
    const std::size_t start = std::min(line.find_first_not_of(' '), line.size());
    if (start == 0) return;
    repairs.add(Repair::leading_space);
    line.erase(0, start);
}

std::string_view tidy_response(std::string_view line) noexcept { return text::trim(line); }

std::optional<std::string_view> read_keyword(std::string_view argument, std::string_view keyword,
                                             Repairs& repairs) noexcept {
    if (const auto strict = after_keyword(argument, keyword)) return strict;
    const std::string_view name = keyword.substr(0, keyword.size() - 1);  // without the colon
    if (!text::istarts_with(argument, name)) return std::nullopt;
    const std::string_view rest = text::trim(argument.substr(name.size()));
    if (!rest.starts_with(':')) return std::nullopt;
    repairs.add(Repair::space_around_colon);
    return rest.substr(1);
}

std::expected<ParsedPath, PathError> read_path(std::string_view text, PathKind kind,
                                               std::string_view own_domain, Repairs& repairs) {
    Repairs done;
    if (!text.empty() && white.find(text.front()) != std::string_view::npos)
        done.add(Repair::space_around_colon);
    text.remove_prefix(std::min(text.find_first_not_of(white), text.size()));
    auto strict = parse_path(text, kind);
    if (strict) {
        repairs.add(done);
        return strict;
    }
    const std::string_view meant = text::trim(text);
    const auto found =
        meant.find('<') != std::string_view::npos && meant.find('>') != std::string_view::npos
            ? in_brackets(meant)
            : bare(meant, kind);
    if (!found || !may_follow(found->rest, kind)) return strict;
    Repairs made = found->repairs;
    auto parsed = judge(canonical(*found, kind, own_domain, made), kind);
    if (!parsed) return std::unexpected(parsed.error());
    if (made.empty()) made.add(Repair::path_extracted);  // white space, or the root's dot
    done.add(made);
    repairs.add(done);
    parsed->rest = found->rest;
    return parsed;
}

std::string keep_parameters(std::string_view text, PathKind kind, Repairs& repairs) {
    std::string result;
    while (!(text = text::trim(text)).empty()) {
        const std::string_view word = text.substr(0, text.find_first_of(white));
        text.remove_prefix(word.size());
        if (kept(word, kind)) {
            result.append(" ").append(word);
        } else {
            repairs.add(Repair::parameter_dropped);
        }
    }
    return result;
}

std::string_view mechanism_meant(std::string_view name) noexcept {
    return text::iequals(name, "MS-XLOGIN") ? "LOGIN" : name;
}

}  // namespace waxseal::smtp
