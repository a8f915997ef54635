// Fuzzes the header editor with messages, under several wishes of what is to be done to them.
//
// Invariants: chunking changes nothing; no line end but CRLF, and no NUL, that did not come in;
// what follows the header block goes on octet for octet; no header line above 998 octets is left; a
// second time changes nothing; a signed message is not changed; and what goes upstream is one
// message under every leniency.
#include "message/header_editor.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "fuzz/support/fuzz.hpp"
#include "message/header_block.hpp"
#include "smtp/data.hpp"
#include "unit/support/lenient.hpp"

using namespace waxseal;
using fuzz::require;
using message::Edits;

namespace {

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

// As the data decoder hands it on: no NUL, and CRLF only.
std::string decoded(std::string_view input) {
    std::string text;
    for (std::size_t i = 0; i < input.size(); ++i) {
        if (input[i] == '\n')
            text += "\r\n";
        else if (input[i] == '\r')
            text += input.substr(i).starts_with("\r\n") ? "" : " ";
        else if (input[i] != '\0')
            text += input[i];
    }
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

bool long_lines(std::string_view text) {
    while (!text.empty())
        if (message::without_line_end(message::take_line(text)).size() > limits::customary_line)
            return true;
    return false;
}

std::array<Edits, 6> wishes() {
    Edits all;
    all.date = "Sat, 28 Nov 2026 19:30:00 +0000";
    all.message_id = "<1@waxseal.example>";
    all.from = "device@waxseal.example";
    Edits none;
    Edits utf8 = all;
    utf8.utf8_headers = true;
    utf8.legacy_charset = "shift_jis";
    Edits sender = all;
    sender.sender = "me@own.example";
    sender.fold_body = true;
    Edits foreign = sender;
    foreign.own_domains = {"own.example", "b"};
    foreign.fold_body = false;
    Edits policy = sender;
    policy.repair = false;
    policy.fold_body = false;
    return {all, none, utf8, sender, foreign, policy};
}

// With another moment and another number.
Edits later(Edits edits) {
    if (!edits.date.empty()) edits.date = "Sun, 29 Nov 2026 08:00:00 +0000";
    if (!edits.message_id.empty()) edits.message_id = "<2@waxseal.example>";
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

void check_parts(const std::string& input, const Edited& result, const Edits& edits) {
    const message::Division before = message::divide(input);
    const message::Division after = message::divide(result.message);
    if (!edits.fold_body) {
        require(result.message.ends_with(before.body), "the body is the same");
        const auto head =
            std::string_view(result.message).substr(0, result.message.size() - before.body.size());
        require(!edits.repair || head.ends_with("\r\n"), "the body has a line end before it");
        require(!edits.repair || after.body == before.body, "and is a body still");
    }
    if (edits.repair) {
        require(!after.separator.empty() && after.mbox.empty(), "a block, and what ends it");
        require(!long_lines(after.fields), "no long line in the header");
    }
    if (edits.fold_body) require(!long_lines(after.body), "no long line in the body");
}

void check(const std::string& input, const Edits& edits) {
    const Edited whole = edit({input}, edits);
    for (const std::size_t longest : {1U, 60U})
        require(edit(fuzz::chunks(input, longest), edits) == whole, "chunking changes nothing");
    require(clean_line_ends(whole.message), "only CRLF line ends, no NUL");
    // The oracle takes longer than all the rest: of what is edited most.
    if (edits.fold_body) check_wire(whole.message);
    if (!whole.untouched.empty()) {
        require(whole.message == input && whole.repairs.empty(), "what is untouched is the same");
        return;
    }
    check_parts(input, whole, edits);
    const Edited again = edit({whole.message}, later(edits));
    if (again.untouched == "header_too_large") return;  // it has grown
    require(again.message == whole.message && again.repairs.empty(), "twice changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input = decoded(fuzz::view(data, size));
    static const std::array<Edits, 6> all = wishes();
    for (const Edits& edits : all) check(input, edits);
    return 0;
}
