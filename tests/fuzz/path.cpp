// Fuzzes paths and ESMTP parameters with what follows "FROM:" or "TO:".
//
// Invariants: a path that was accepted is printable, within the limits, without a route, and is
// read as the same again; so are parameters, once written; what is written for an upstream is one
// line of printable octets, whatever the downstream sent; refusals repeat nothing. All that holds
// for what is read tolerantly, which reads nothing otherwise that the grammar has, and names what
// it did for the rest.
#include "smtp/path.hpp"

#include <string>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"
#include "smtp/parameters.hpp"
#include "smtp/tolerance.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using fuzz::require;

namespace {

bool printable_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto point = text::decode_utf8(text);
        if (!point || !text::printable(point->value)) return false;
        text.remove_prefix(point->length);
    }
    return true;
}

Capabilities everything() {
    Capabilities all;
    for (const Extension extension : {Extension::size, Extension::eight_bit_mime,
                                      Extension::smtputf8, Extension::dsn, Extension::auth})
        all.add(extension);
    return all;
}

void check_refusal(const Reply& reply) {
    require(reply.code == 501 || reply.code == 555, "501 or 555");
    require(reply.enhanced == EnhancedCode{5, 5, 4}, "5.5.4");
    require(reply.lines.size() == 1 && reply.lines[0].size() < 60, "a text of our own");
}

// The same parser and writer for MAIL and RCPT.
template <typename Parse>
void check_parameters(std::string_view text, Parse parse) {
    const auto parsed = parse(text);
    if (!parsed) return check_refusal(parsed.error());
    require(write(*parsed, Capabilities{}).empty(), "nothing offered, nothing written");
    const std::string written = write(*parsed, everything());
    require(fuzz::printable_ascii(written), "parameters are printable");
    require(written.empty() || written.starts_with(' '), "parameters begin with a space");
    const auto again = parse(written);
    require(again && *again == *parsed, "written parameters are read as the same");
}

void check_path(const Path& path, PathKind kind) {
    const std::string text = path.text();
    require(printable_utf8(text), "a path is printable");
    require(text.find('%') == std::string::npos, "no percent hack");
    require(!text.starts_with("<@"), "no source route");
    require(text.size() <= limits::path, "a path is within the limit");
    require(path.domain().size() <= limits::domain, "a domain is within the limit");
    require(path.needs_utf8() == !fuzz::printable_ascii(text), "needs UTF-8 when it has some");
    require(!path.null() || kind == PathKind::reverse, "a recipient is never null");
    const auto again = parse_path(text, kind);
    require(again && again->path == path && again->rest.empty(), "a written path is the same path");
}

// What is left of parameters is judged by the strict parser, and nothing is left out of it twice.
template <typename Parse>
void check_kept(std::string_view text, PathKind kind, Parse parse) {
    Repairs repairs, again;
    const std::string kept = keep_parameters(text, kind, repairs);
    require(kept.size() <= text.size() + 1, "nothing is added to parameters");
    require(kept.find('\t') == std::string::npos, "words are kept apart by spaces");
    require(keep_parameters(kept, kind, again) == kept && again.empty(), "once is enough");
    check_parameters(kept, parse);
    const auto strictly = parse(text);
    if (strictly && repairs.empty())
        require(parse(kept) == strictly, "what is good is read as it was");
}

void check_tolerant(std::string_view input, PathKind kind) {
    Repairs repairs;
    const auto parsed = read_path(input, kind, "relay.test", repairs);
    const auto strictly = parse_path(input, kind);
    if (!parsed) {
        require(!strictly && repairs.empty(), "what is refused was repaired by nobody");
        require(parsed.error().reason.size() < 80, "a reason of our own");
        return;
    }
    check_path(parsed->path, kind);
    require(strictly.has_value() == repairs.empty(), "each repair is named");
    if (strictly)
        require(strictly->path == parsed->path && strictly->rest == parsed->rest,
                "what the grammar has is read as it is");
    require(input.find(parsed->rest) != std::string_view::npos, "the rest is the input's");
    check_kept(parsed->rest, kind, parse_mail_parameters);
    check_kept(parsed->rest, kind, parse_rcpt_parameters);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    for (const PathKind kind : {PathKind::reverse, PathKind::forward}) {
        check_tolerant(input, kind);
        check_kept(input, kind, parse_mail_parameters);
        check_kept(input, kind, parse_rcpt_parameters);
        const auto parsed = parse_path(input, kind);
        if (!parsed) {
            require(parsed.error().reason.size() < 80, "a reason of our own");
            continue;
        }
        check_path(parsed->path, kind);
        require(input.ends_with(parsed->rest), "the rest is the input's");
        require(parsed->rest.empty() || parsed->rest.starts_with(' '), "a space follows");
        check_parameters(parsed->rest, parse_mail_parameters);
        check_parameters(parsed->rest, parse_rcpt_parameters);
    }
    check_parameters(input, parse_mail_parameters);
    check_parameters(input, parse_rcpt_parameters);
    return 0;
}
