#include "message/block_editor.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "message/field_repair.hpp"
#include "message/sender_policy.hpp"

namespace waxseal::message {

namespace {

constexpr std::string_view line_end = "\r\n";

// RFC 5322 3.6: what may be there once.
constexpr std::array once{"Date", "From",       "Sender",      "Reply-To",   "To",     "Cc",
                          "Bcc",  "Message-ID", "In-Reply-To", "References", "Subject"};

// Of such a field its place in the list; of others the size of it.
std::size_t once_index(std::string_view name) {
    const auto found = std::find_if(once.begin(), once.end(),
                                    [name](auto one) { return text::iequals(one, name); });
    return static_cast<std::size_t>(found - once.begin());
}

class BlockEditor {
  public:
    BlockEditor(const Division& message, const Edits& edits, std::string& out)
        : message_(message),
          edits_(edits),
          out_(out),
          policy_(edits.sender, edits.own_domains),
          repairer_(edits.legacy_charset, edits.utf8_headers) {}

    Repairs edit() {
        look();
        mbox();
        if (!edits_.received.empty()) add("Received", edits_.received);
        std::string_view fields = message_.fields;
        while (const auto field = take_field(fields)) write(*field);
        for (const Missing* missing : {&date_, &message_id_, &from_, &reply_to_})
            if (missing->adds()) add_missing(*missing);
        separate();
        return repairs_;
    }

  private:
    // A field that is to be there. An empty one is none, and gives way to ours.
    struct Missing {
        std::string_view name;
        Repair repair;
        std::string body{};  // empty: none is added
        bool present = false;

        [[nodiscard]] bool adds() const { return !present && !body.empty(); }
    };

    void look();
    void mbox();
    void write(const Field& field);
    void add_missing(const Missing& missing);
    void add(std::string_view name, std::string_view body);
    void separate();

    [[nodiscard]] Missing* missing_of(std::string_view name);
    [[nodiscard]] std::optional<Repair> surplus(const Field& field) const;
    [[nodiscard]] std::optional<std::string> rewritten(const Field& field);
    [[nodiscard]] std::string repaired(std::string_view name, std::string_view body);
    Repairs write_anew(std::string_view name, std::string_view body);
    void end_line();

    const Division& message_;
    const Edits& edits_;
    std::string& out_;
    SenderPolicy policy_;
    FieldRepairer repairer_;
    Repairs repairs_;
    Missing date_{"Date", Repair::no_date};
    Missing message_id_{"Message-ID", Repair::no_message_id};
    Missing from_{"From", Repair::no_from};
    Missing reply_to_{"Reply-To", Repair::reply_to_added};
    std::array<bool, once.size() + 1> filled_{};  // a field of that name has a body
    bool has_from_ = false;                       // one is written
    bool ours_last_ = false;                      // the last field is ours
};

BlockEditor::Missing* BlockEditor::missing_of(std::string_view name) {
    for (Missing* missing : {&date_, &message_id_, &from_, &reply_to_})
        if (text::iequals(missing->name, name)) return missing;
    return nullptr;
}

// What the first From is decides about Reply-To.
void BlockEditor::look() {
    if (edits_.repair) {
        date_.body = edits_.date;
        message_id_.body = edits_.message_id;
        from_.body = edits_.from;
    }
    if (policy_.rewrites() && !(edits_.repair && policy_.may_stay(edits_.from)))
        from_.body = edits_.sender;
    std::string_view fields = message_.fields;
    while (const auto field = take_field(fields)) {
        Missing* missing = missing_of(field->name);
        if (blank(field->body)) continue;
        filled_[once_index(field->name)] = true;
        if (missing == nullptr) continue;
        if (missing == &from_ && !from_.present && rewritten(*field))
            reply_to_.body = reply_to(field->body, repaired(reply_to_.name, field->body));
        missing->present = true;
    }
    if (policy_.rewrites() && !from_.present && from_.body == edits_.sender)
        reply_to_.body = edits_.reply_to;
}

void BlockEditor::mbox() {
    if (message_.mbox.empty()) return;
    if (edits_.repair)
        repairs_.add(Repair::mbox_from);
    else
        out_ += message_.mbox;
}

// What From or Sender has to become; nothing: it may stay, or is another field. The display name
// stays where nothing but a name is made of it.
std::optional<std::string> BlockEditor::rewritten(const Field& field) {
    const bool sender = text::iequals(field.name, "From") || text::iequals(field.name, "Sender");
    if (!sender || !policy_.rewrites() || blank(field.body)) return std::nullopt;
    const bool stays = edits_.repair ? policy_.may_stay(repaired(field.name, field.body))
                                     : policy_.may_stay(field.body);
    if (stays) return std::nullopt;
    std::string named = " " + std::string(first_name(field.body)) + " <" + edits_.sender + ">";
    const bool name = !first_name(field.body).empty();
    if (name && policy_.may_stay(repaired(field.name, named))) return named;
    return " " + edits_.sender;
}

// As the body goes out, in one of our fields.
std::string BlockEditor::repaired(std::string_view name, std::string_view body) {
    const std::string raw = std::string(name).append(":").append(body).append(line_end);
    std::string_view fields = raw;
    std::string field;
    repairer_.write(*take_field(fields), field);
    return field.substr(name.size() + 1);
}

void BlockEditor::write(const Field& field) {
    const Missing* missing = missing_of(field.name);
    if (missing != nullptr && missing->adds()) return;
    if (const auto repair = surplus(field)) return repairs_.add(*repair);
    has_from_ |= missing == &from_;
    if (const auto body = rewritten(field)) {
        repairs_.add(missing == &from_ ? Repair::from_rewritten : Repair::sender_rewritten);
        repairs_.add(write_anew(field.name, *body));
    } else if (edits_.repair) {
        repairs_.add(repairer_.write(field, out_));
    } else {
        out_ += field.raw;
    }
}

// Why a field is dropped, if it is. Which of two From a reader takes nobody knows.
std::optional<Repair> BlockEditor::surplus(const Field& field) const {
    const std::size_t index = once_index(field.name);
    const bool ruled = policy_.rewrites() && text::iequals(field.name, from_.name);
    if (index < once.size() && filled_[index] && blank(field.body) && (edits_.repair || ruled))
        return Repair::empty_field;
    return ruled && has_from_ ? std::optional(Repair::from_rewritten) : std::nullopt;
}

// What we write is right, whether or not the rest is to be. What was wrong about it is told only
// where it is.
Repairs BlockEditor::write_anew(std::string_view name, std::string_view body) {
    end_line();
    const std::string raw = std::string(name) + ":" + std::string(body) + "\r\n";
    std::string_view fields = raw;
    const auto field = take_field(fields);
    const Repairs repairs = repairer_.write(*field, out_);
    return edits_.repair ? repairs : Repairs();
}

void BlockEditor::add_missing(const Missing& missing) {
    repairs_.add(missing.repair);
    ours_last_ = true;
    if (&missing == &reply_to_)
        repairs_.add(write_anew(missing.name, " " + missing.body));
    else
        add(missing.name, missing.body);
}

void BlockEditor::add(std::string_view name, std::string_view body) {
    end_line();
    out_.append(name).append(": ").append(body).append(line_end);
}

// Behind a last line that the end of the message has cut off.
void BlockEditor::end_line() {
    if (!out_.empty() && !out_.ends_with(line_end)) out_ += line_end;
}

void BlockEditor::separate() {
    out_ += message_.separator;
    if (!message_.separator.empty()) return;
    // Fields of ours before a body would else be read as a part of it, or it as one of theirs.
    ours_last_ |= message_.fields.empty() && out_.size() > message_.mbox.size();
    if (!edits_.repair && (!ours_last_ || message_.body.empty())) return;
    out_ += line_end;
    repairs_.add(Repair::no_separator);
}

}  // namespace

bool is_signed(std::string_view fields) {
    while (const auto field = take_field(fields))
        if (text::iequals(field->name, "DKIM-Signature")) return true;
    return false;
}

bool has_signed_body(std::string_view fields) {
    while (const auto field = take_field(fields))
        if (text::iequals(field->name, "Content-Type") &&
            text::istarts_with(trimmed(field->body), "multipart/signed"))
            return true;
    return false;
}

Repairs edit_block(const Division& message, const Edits& edits, std::string& out) {
    return BlockEditor(message, edits, out).edit();
}

}  // namespace waxseal::message
