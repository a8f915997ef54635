// Fuzzes the reply parser with what an upstream sends, and what is made of it for a downstream.
//
// Invariants: chunking changes neither the replies nor the error; a reply is within its bounds;
// once cleaned and written it is lines of printable ASCII of at most 512 octets, each with the
// code, that are read as one reply with the same code; its enhanced code fits.
#include "smtp/reply.hpp"

#include <variant>

#include "base/limits.hpp"
#include "fuzz/support/fuzz.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using fuzz::require;

namespace {

struct Parsed {
    std::vector<Reply> replies;
    std::string error;
    std::size_t buffered = 0;
    friend bool operator==(const Parsed&, const Parsed&) = default;
};

Parsed parse(const std::vector<std::string_view>& chunks) {
    ReplyParser parser;
    Parsed result;
    for (const std::string_view chunk : chunks) {
        parser.receive(chunk);
        auto next = parser.next();
        for (; std::holds_alternative<Reply>(next); next = parser.next())
            result.replies.push_back(std::move(std::get<Reply>(next)));
        if (const auto* error = std::get_if<ReplyParser::ParseError>(&next)) {
            result.error = error->reason;
            return result;
        }
    }
    result.buffered = parser.buffered();
    return result;
}

void check_value(const Reply& reply) {
    require(reply.code >= 200 && reply.code <= 559, "a code is in range");
    require(!reply.lines.empty() && reply.lines.size() <= limits::reply_lines, "lines bounded");
    std::size_t total = 0;
    for (const std::string& line : reply.lines) {
        require(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "one line");
        total += line.size();
    }
    require(total <= limits::reply_total, "a reply is bounded");
}

void check_written(const Reply& reply) {
    const Reply cleaned = clean(reply);
    require(cleaned.intermediate()
                ? !cleaned.enhanced
                : cleaned.enhanced && cleaned.enhanced->klass == cleaned.code / 100,
            "the enhanced code fits the code");
    const std::string wire = write(cleaned);
    const std::string code = std::to_string(reply.code);
    std::string_view rest = wire;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        require(end != std::string_view::npos, "a line ends in CRLF");
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        require(fuzz::printable_ascii(line), "a line is printable");
        require(line.starts_with(code + (rest.empty() ? ' ' : '-')), "a line has its code");
        require(reply.code == 334 || end + 2 <= limits::written_reply_line, "a line fits");
    }
    if (reply.code == 334) return;  // a challenge is not bounded to what a reply line may be
    const Parsed again = parse({wire});
    require(again.replies.size() == 1 && again.error.empty() && again.buffered == 0, "one reply");
    require(again.replies[0].code == reply.code, "the same code");
    require(again.replies[0].enhanced == cleaned.enhanced, "the same enhanced code");
}

// Written without having been cleaned: still one reply, whatever the text.
void check_raw(const Reply& reply) {
    const std::string wire = write(reply);
    require(wire.find('\0') == std::string::npos, "no NUL");
    const Parsed again = parse({wire});
    require(again.replies.size() == 1 && again.error.empty() && again.buffered == 0, "one reply");
    require(again.replies[0].enhanced == reply.enhanced, "the same enhanced code");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    const Parsed whole = parse({input});
    for (const std::size_t longest : {1U, 5U, 60U})
        require(whole == parse(fuzz::chunks(input, longest)), "chunking does not change replies");
    for (const Reply& reply : whole.replies) {
        check_value(reply);
        check_written(reply);
    }
    // Texts of any octets at all, as a mistake of ours could make them.
    check_written({250, {}, {std::string(input)}});
    check_raw({550, EnhancedCode{5, 1, 1}, {"x", std::string(input)}});
    return 0;
}
