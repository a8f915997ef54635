// Messages through the header editor, for its tests: each is edited under every split, once more by
// what came of it, and in front of a body that has to stay.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "message/header_editor.hpp"
#include "unit/support/split.hpp"

namespace waxseal::testing {

struct Edited {
    std::string message;
    std::string repairs;    // with commas between
    std::string untouched;  // why, or "refused"
};

inline std::string joined(Repairs repairs) {
    std::string text;
    for (const std::string_view name : repairs.names())
        text.append(text.empty() ? "" : ",").append(name);
    return text;
}

template <typename Pieces>
Edited edit_pieces(const Pieces& pieces, const message::Edits& edits) {
    message::HeaderEditor editor(edits);
    std::string result;
    for (const std::string_view piece : pieces) result += editor.edit(piece);
    result += editor.finish();
    return {result, joined(editor.repairs()),
            std::string(editor.refused() ? "refused" : editor.untouched())};
}

inline Edited edit(std::string_view message, const message::Edits& edits) {
    return edit_pieces(std::vector{message}, edits);
}

// Nothing is added but what a test asks for.
inline message::Edits nothing_added() { return {}; }

inline message::Edits all_added() {
    message::Edits edits;
    edits.date = "Sat, 28 Nov 2026 19:30:00 +0000";
    edits.message_id = "<1@waxseal.example>";
    edits.from = "device@waxseal.example";
    return edits;
}

// As for the next time: another moment, another number.
inline message::Edits later(message::Edits edits) {
    if (!edits.date.empty()) edits.date = "Sun, 29 Nov 2026 08:00:00 +0000";
    if (!edits.message_id.empty()) edits.message_id = "<2@waxseal.example>";
    edits.received.clear();
    return edits;
}

struct Case {
    std::string before;
    std::string after;
    std::string repairs;
};

inline void check(const std::vector<Case>& cases, const message::Edits& edits) {
    for (const Case& example : cases) {
        CAPTURE(example.before);
        const Edited whole = edit(example.before, edits);
        CHECK(whole.message == example.after);
        CHECK(whole.repairs == example.repairs);
        CHECK(whole.untouched == "");
        for_each_split(example.before, [&](const Chunks& chunks) {
            const Edited result = edit_pieces(chunks, edits);
            if (result.message != whole.message || result.repairs != whole.repairs)
                FAIL("the pieces changed the message");
        });
        const Edited again = edit(whole.message, later(edits));
        CHECK(again.message == whole.message);
        CHECK(again.repairs == "");
    }
}

// Of single fields, without the rest of the message.
inline void check_fields(const std::vector<Case>& cases, const message::Edits& edits) {
    std::vector<Case> messages;
    for (const Case& example : cases)
        messages.push_back({example.before + "\r\n\r\nb\xFC\r\n",
                            example.after + "\r\n\r\nb\xFC\r\n", example.repairs});
    check(messages, edits);
}

}  // namespace waxseal::testing
