#include "message/field_repair.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "message/comments.hpp"
#include "message/encoded_words.hpp"
#include "message/folding.hpp"
#include "message/parameters.hpp"
#include "message/phrases.hpp"

namespace waxseal::message {

namespace {

enum class Content {
    text,        // RFC 5322 2.2.1
    addresses,   // and lists of phrases
    parameters,  // RFC 2045 5.1
    other,       // has a form in which octets above ASCII have no place, and cannot be expressed
};

struct Row {
    std::string_view name;
    Content content;
};

// sizes: table
constexpr std::array rows{
    Row{"From", Content::addresses},
    Row{"Sender", Content::addresses},
    Row{"Reply-To", Content::addresses},
    Row{"To", Content::addresses},
    Row{"Cc", Content::addresses},
    Row{"Bcc", Content::addresses},
    Row{"Resent-From", Content::addresses},
    Row{"Resent-Sender", Content::addresses},
    Row{"Resent-Reply-To", Content::addresses},
    Row{"Resent-To", Content::addresses},
    Row{"Resent-Cc", Content::addresses},
    Row{"Resent-Bcc", Content::addresses},
    Row{"Disposition-Notification-To", Content::addresses},
    Row{"Keywords", Content::addresses},
    Row{"Content-Type", Content::parameters},
    Row{"Content-Disposition", Content::parameters},
    Row{"Date", Content::other},
    Row{"Resent-Date", Content::other},
    Row{"Message-ID", Content::other},
    Row{"Resent-Message-ID", Content::other},
    Row{"In-Reply-To", Content::other},
    Row{"References", Content::other},
    Row{"Received", Content::other},
    Row{"Return-Path", Content::other},
    Row{"MIME-Version", Content::other},
    Row{"Content-Transfer-Encoding", Content::other},
    Row{"Content-ID", Content::other},
};

Content content_of(std::string_view name) {
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [name](const Row& r) { return text::iequals(r.name, name); });
    return row == rows.end() ? Content::text : row->content;
}

// Behind which white space may be put.
std::string_view separators_of(Content content) {
    switch (content) {
        case Content::addresses:
            return ",;>";
        case Content::parameters:
            return ";";
        case Content::other:
            return ";>";
        case Content::text:
            break;
    }
    return {};
}

bool has_blank_fold(std::string_view body) {
    static_cast<void>(take_line(body));
    while (!body.empty())
        if (blank(take_line(body))) return true;
    return false;
}

// Without the lines that are nothing but white space.
std::string without_blank_folds(std::string_view body) {
    std::string result(without_line_end(take_line(body)));
    while (!body.empty()) {
        const std::string_view line = without_line_end(take_line(body));
        if (!blank(line)) result.append("\r\n").append(line);
    }
    return result;
}

// The last resort, for the body that begins at `start`.
void encode_words(std::string& out, std::size_t start) {
    const std::string body = unfolded(std::string_view(out).substr(start));
    out.resize(start);
    FieldWriter writer(out, FieldWriter::Folding::anew);
    write_words(writer, body);
}

}  // namespace

Repairs FieldRepairer::write(const Field& field, std::string& out) {
    Repairs repairs;
    Field form = field;
    std::string body;
    if (field.raw[field.name.size()] != ':') repairs.add(Repair::space_before_colon);
    if (has_blank_fold(field.body)) {
        repairs.add(Repair::blank_fold);
        body = without_blank_folds(field.body);
        form.body = body;
    }
    std::string text;
    const Repairs changes = write_text_of(form, text);
    repairs.add(changes);
    const std::string_view separators = separators_of(content_of(field.name));
    if (!changes.empty()) text = narrowed(text, separators);
    if (fold_field(text, out, separators)) repairs.add(Repair::header_folded);
    return repairs;
}

Repairs FieldRepairer::write_text_of(const Field& field, std::string& out) {
    const bool utf8 = text::valid_utf8(field.body);
    const Content content = content_of(field.name);
    const bool encode = !text::ascii(field.body) && !(utf8_headers_ && utf8) &&
                        !(content == Content::parameters && has_foreign_boundary(field.body));
    // Once, and before anything is looked for in it: a character may have octets of ASCII in it.
    const std::string converted = utf8 ? std::string() : converter_.to_utf8(field.body);
    const std::string_view body = utf8 ? field.body : converted;
    Repairs repairs;
    out.append(field.name).append(":");
    const std::size_t start = out.size();
    using Folding = FieldWriter::Folding;
    const Folding anew = content == Content::text ? Folding::anew_text : Folding::anew;
    FieldWriter writer(out, encode ? anew : Folding::as_it_was);
    if (content == Content::addresses) {
        repairs = AddressWriter(writer, encode).write(body);
    } else if (encode && content == Content::text) {
        write_text(writer, unfolded(body));
        repairs.add(Repair::eight_bit_header);
    } else if (encode) {
        const bool changed = content == Content::parameters ? write_parameters(writer, body)
                                                            : write_comments(writer, body);
        if (changed) repairs.add(Repair::eight_bit_header);
    }
    // What needs nothing is left as it came.
    if (repairs.empty()) out.replace(start, std::string::npos, encode ? body : field.body);
    if (encode && !text::ascii(out)) {
        repairs.add(Repair::eight_bit_header);
        if (!utf8_headers_) encode_words(out, start);
    }
    writer.finish();
    return repairs;
}

}  // namespace waxseal::message
