// Fuzzes the header editor with messages, as the data decoder hands them on, under several wishes
// of what is to be done to them.
//
// Invariants: chunking changes nothing; no line end but CRLF, and no NUL, that did not come in;
// what follows the first empty line goes on octet for octet, or folded and nothing else; a repaired
// header has no line above 998 octets, and is ASCII without SMTPUTF8; under a sender rule there is
// one From, and its address is one that may be there; a second time changes nothing; a message that
// is left as it is is the same; and what goes upstream is one message under every leniency.
//
// What is judged by is written here once more, and simpler: with the product's own parsers a
// mistake in them would be none.
#include "message/header_editor.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"
#include "smtp/data.hpp"
#include "unit/support/lenient.hpp"

using namespace waxseal;
using fuzz::require;
using message::Edits;

namespace {

constexpr std::string_view sender = "me@own.example";
constexpr std::string_view empty_line = "\r\n\r\n";

struct Edited {
    std::string message;
    Repairs repairs;
    std::string_view untouched;

    bool operator==(const Edited&) const = default;
};

Edited edit(const std::vector<std::string_view>& chunks, const Edits& edits) {
    message::HeaderEditor editor(edits);
    Edited result;
    for (const std::string_view chunk : chunks) result.message += editor.edit(chunk);
    result.message += editor.finish();
    result.repairs = editor.repairs();
    result.untouched = editor.untouched();
    return result;
}

// A NUL is refused, and nothing is decoded behind it.
std::string decoded(std::string_view input) {
    std::string wire(input);
    std::erase(wire, '\0');
    smtp::DataDecoder decoder(smtp::LineEndings::repair);
    std::string text;
    static_cast<void>(decoder.decode(wire, text));
    return text;
}

bool clean_line_ends(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\0') return false;
        if (text[i] == '\r' && !text.substr(i).starts_with("\r\n")) return false;
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return false;
    }
    return true;
}

std::vector<std::string> lines(std::string_view text) {
    std::vector<std::string> all;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\r\n"), text.size());
        all.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return all;
}

struct Halves {
    std::string_view head;  // with its last line end
    std::string_view body;
    bool separated = false;
};

Halves halves(std::string_view text) {
    if (text.starts_with("\r\n")) return {{}, text.substr(2), true};
    const std::size_t end = text.find(empty_line);
    if (end == std::string_view::npos) return {text, {}, false};
    return {text.substr(0, end + 2), text.substr(end + empty_line.size()), true};
}

// The length of the name that a line begins with; 0: it is no field.
std::size_t name_length(std::string_view line) {
    std::size_t name = 0;
    while (name < line.size() && line[name] > ' ' && line[name] <= '~' && line[name] != ':') ++name;
    const std::size_t colon = line.find_first_not_of(" \t", name);
    return colon < line.size() && line[colon] == ':' ? name : 0;
}

struct Field {
    std::string name;  // in lower case
    std::string body;  // unfolded
};

// Up to the first line that is none; lines of an mbox are passed over.
std::vector<Field> fields(std::string_view head, bool& all) {
    std::vector<Field> result;
    all = true;
    for (const std::string& line : lines(head)) {
        const bool indented = line.starts_with(' ') || line.starts_with('\t');
        const std::size_t name = indented ? 0 : name_length(line);
        if (result.empty() && name == 0 &&
            (line.starts_with("From ") || line.starts_with(">From ")))
            continue;
        if (indented && !result.empty())
            result.back().body += line;
        else if (name > 0 && name < limits::customary_line)
            result.push_back(
                {text::to_lower(line.substr(0, name)), line.substr(line.find(':') + 1)});
        else
            all = false;
        if (!all) break;
    }
    return result;
}

// Of a body, and the line end before it, without folds: it gets none but these.
std::string without_folds(std::string_view body) {
    const std::string text = "\r\n" + std::string(body);
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (std::string_view(text).substr(i).starts_with("\r\n "))
            i += 2;
        else
            result += text[i];
    return result;
}

bool long_lines(std::string_view text) {
    const std::vector<std::string> all = lines(text);
    return std::any_of(all.begin(), all.end(), [](const std::string& line) {
        return line.size() > limits::customary_line;
    });
}

void check_body(const std::string& input, const Edited& result, const Edits& edits) {
    const Halves before = halves(input);
    const Halves after = halves(result.message);
    if (!edits.fold_body || !long_lines(input))
        require(result.message.ends_with(before.body), "the body is the same");
    if (!edits.repair) return;
    require(after.separated, "a block, and what ends it");
    const std::string is = without_folds(after.body);
    const std::string_view text = std::string_view(is).substr(is.starts_with("\r\n") ? 2 : 0);
    require(without_folds(input).ends_with(text), "nothing is added to the body");
    if (!before.separated) return;
    bool all = false;
    static_cast<void>(fields(before.head, all));
    const std::string was = without_folds(before.body);
    require(is.ends_with(was), "the body is in the body");
    if (all) require(is == was, "and nothing else is");
}

void check_header(const Edited& result, const Edits& edits) {
    const Halves after = halves(result.message);
    require(!long_lines(after.head), "no long line in the header");
    bool all = false;
    for (const Field& field : fields(after.head, all)) {
        // The body has the octets of its boundary.
        const bool excepted = edits.utf8_headers || field.name == "content-type";
        require(excepted || text::ascii(field.body), "a header is ASCII");
    }
    require(all, "fields and nothing else");
    if (!edits.received.empty())
        require(result.message.starts_with("Received: "), "Received is first");
}

// Of a mailbox: what is left of it without what is quoted, and without a comment at the end.
std::string bare(std::string_view text) {
    std::string result;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            ++i;
        else if (!quoted)
            result += text[i];
    }
    const std::size_t comment = std::min(result.find('('), result.size());
    require(result.find('@', comment) == std::string::npos, "a comment without an address");
    result.resize(comment);
    return std::string(text::trim(result));
}

void check_sender(const Edited& result, const Edits& edits) {
    bool all = false;
    std::size_t count = 0;
    for (const Field& field : fields(halves(result.message).head, all)) {
        if (field.name != "from" && field.name != "sender") continue;
        std::string text = bare(field.body);
        if (field.name == "sender" && text.empty()) continue;
        count += std::size_t{field.name == "from" ? 1U : 0U};
        require(std::count(text.begin(), text.end(), '@') == 1, "one address");
        require(text.find_first_of(",;:\\") == std::string::npos, "and no other");
        if (text.ends_with('>'))
            text = text.substr(text.find('<') + 1, text.size() - text.find('<') - 2);
        require(text.find_first_of("<> \t") == std::string::npos, "in one piece");
        const std::string_view domain = std::string_view(text).substr(text.find('@') + 1);
        const bool ours = text.substr(0, 3) == "me@" && text::iequals(domain, "own.example");
        const auto is = [domain](const std::string& own) { return text::iequals(own, domain); };
        require(ours || (edits.own_domains &&
                         std::any_of(edits.own_domains->begin(), edits.own_domains->end(), is)),
                "and it may be there");
    }
    require(count == 1, "one From");
}

std::array<Edits, 7> wishes() {
    Edits all;
    all.date = "Sat, 28 Nov 2026 19:30:00 +0000";
    all.message_id = "<1@waxseal.example>";
    all.from = "device@waxseal.example";
    Edits none;
    Edits utf8 = all;
    utf8.utf8_headers = true;
    utf8.legacy_charset = "shift_jis";
    Edits rule = all;
    rule.sender = sender;
    rule.fold_body = true;
    Edits foreign = rule;
    foreign.own_domains = {"own.example", "b"};
    foreign.fold_body = false;
    Edits policy = rule;
    policy.repair = false;
    policy.fold_body = false;
    Edits traced = all;
    traced.legacy_charset = "shift_jis";
    traced.received = "from a\r\n\tby b; Sat, 28 Nov 2026 19:30:00 +0000";
    return {all, none, utf8, rule, foreign, policy, traced};
}

// With another moment and another number.
Edits later(Edits edits) {
    if (!edits.date.empty()) edits.date = "Sun, 29 Nov 2026 08:00:00 +0000";
    if (!edits.message_id.empty()) edits.message_id = "<2@waxseal.example>";
    edits.received.clear();
    return edits;
}

void check_wire(const std::string& message) {
    smtp::DataEncoder encoder;
    std::string wire;
    encoder.encode(message, wire);
    encoder.finish(wire);
    using testing::Begins;
    require(testing::count_messages(wire, testing::strict, Begins::message) == 1, "one message");
    require(testing::unambiguous(wire, Begins::message), "one message, however lenient");
}

void check(const std::string& input, const Edits& edits, std::set<std::string>& seen) {
    const Edited whole = edit({input}, edits);
    // A large input is there for its size.
    const bool large = input.size() > 8192;
    for (const std::size_t longest : {large ? 16384U : 1U, large ? 1000U : 60U})
        require(edit(fuzz::chunks(input, longest), edits) == whole, "chunking changes nothing");
    require(clean_line_ends(whole.message), "only CRLF line ends, no NUL");
    // The oracle takes longer than all the rest.
    if (seen.insert(whole.message).second) check_wire(whole.message);
    if (!whole.untouched.empty()) {
        require(whole.message == input && whole.repairs.empty(), "what is untouched is the same");
        return;
    }
    check_body(input, whole, edits);
    if (edits.repair) check_header(whole, edits);
    if (!edits.sender.empty()) check_sender(whole, edits);
    const Edited again = edit({whole.message}, later(edits));
    if (again.untouched == "header_too_large") return;  // it has grown
    require(again.message == whole.message && again.repairs.empty(), "twice changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input = decoded(fuzz::view(data, size));
    static const std::array<Edits, 7> all = wishes();
    std::set<std::string> seen;
    for (const Edits& edits : all) check(input, edits, seen);
    return 0;
}
