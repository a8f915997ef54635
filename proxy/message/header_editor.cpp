#include "message/header_editor.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "message/block_editor.hpp"
#include "message/folding.hpp"
#include "message/header_block.hpp"

namespace waxseal::message {

namespace {

bool one_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// CRLF only, each with white space behind it.
bool folded(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const bool ended = line.ends_with("\r\n");
        if (!one_line(without_line_end(line))) return false;
        if (ended && (text.empty() || !white(text[0]))) return false;
    }
    return true;
}

// An assignment would keep the block.
void release(std::string& text) {
    if (!text.empty()) std::string().swap(text);
}

}  // namespace

struct HeaderEditor::State {
    enum class Phase { header, folding, passing, refused };

    Edits edits;
    Phase phase = Phase::header;
    BlockScanner scanner;
    std::string held;     // of the header block
    std::string written;  // what the last call has returned a view of
    BodyFolder folder;
    Repairs repairs;
    std::string_view untouched;

    std::string_view header(std::string_view octets);
    std::string_view as_it_is(std::string_view why);
    std::string_view edited();
};

std::string_view HeaderEditor::State::header(std::string_view octets) {
    held += octets;
    const auto end = scanner.complete(held);
    if (end.value_or(held.size()) <= limits::header_block)
        return end ? edited() : std::string_view();
    if (edits.sender.empty()) return as_it_is("header_too_large");
    phase = Phase::refused;
    release(held);
    return {};
}

std::string_view HeaderEditor::State::as_it_is(std::string_view why) {
    untouched = why;
    phase = Phase::passing;
    written = std::exchange(held, {});
    return written;
}

std::string_view HeaderEditor::State::edited() {
    const Division message = divide(held);
    if (is_signed(message.fields)) return as_it_is("dkim");
    const bool folds = edits.fold_body && !has_signed_body(message.fields);
    phase = folds ? Phase::folding : Phase::passing;
    repairs = edit_block(message, edits, written);
    written += folds ? folder.fold(message.body) : message.body;
    release(held);
    return written;
}

HeaderEditor::HeaderEditor(Edits edits) : state_(std::make_unique<State>()) {
    assert(one_line(edits.date) && one_line(edits.message_id) && one_line(edits.from));
    assert(one_line(edits.sender) && one_line(edits.reply_to) && folded(edits.received));
    state_->edits = std::move(edits);
}

HeaderEditor::~HeaderEditor() = default;
HeaderEditor::HeaderEditor(HeaderEditor&&) noexcept = default;
HeaderEditor& HeaderEditor::operator=(HeaderEditor&&) noexcept = default;

std::string_view HeaderEditor::edit(std::string_view octets) {
    State& state = *state_;
    // The block's memory goes as soon as it has: a body may take long.
    release(state.written);
    switch (state.phase) {
        case State::Phase::header:
            return state.header(octets);
        case State::Phase::folding:
            return state.folder.fold(octets);
        case State::Phase::refused:
            return {};
        case State::Phase::passing:
            break;
    }
    return octets;
}

std::string_view HeaderEditor::finish() {
    State& state = *state_;
    release(state.written);
    if (state.phase == State::Phase::header) static_cast<void>(state.edited());
    state.written += state.folder.finish();
    return state.written;
}

Repairs HeaderEditor::repairs() const noexcept {
    Repairs all = state_->repairs;
    if (state_->folder.folded()) all.add(Repair::body_folded);
    return all;
}

std::string_view HeaderEditor::untouched() const noexcept { return state_->untouched; }

bool HeaderEditor::refused() const noexcept { return state_->phase == State::Phase::refused; }

}  // namespace waxseal::message
