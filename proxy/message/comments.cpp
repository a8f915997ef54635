#include "message/comments.hpp"

#include <string>

#include "base/text.hpp"
#include "message/addresses.hpp"
#include "message/folding.hpp"

namespace waxseal::message {

namespace {

// Its texts between the brackets, which may be nested.
void write_comment(FieldWriter& writer, std::string_view text) {
    const std::string whole = unfolded(text);
    std::string piece;
    const auto flush = [&] {
        if (text::ascii(piece))
            writer.text(piece);
        else
            write_text(writer, piece);
        piece.clear();
    };
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (whole[i] == '(' || whole[i] == ')') {
            flush();
            writer.text(std::string_view(whole).substr(i, 1));
            continue;
        }
        piece += whole[i];
        if (whole[i] == '\\' && i + 1 < whole.size()) piece += whole[++i];
    }
}

}  // namespace

bool write_comments(FieldWriter& writer, std::string_view text) {
    Lexer lexer(text);
    std::size_t written = 0;
    for (std::size_t place = 0; place < text.size();) {
        const std::size_t end = lexer.next(place);
        const std::string_view unit = text.substr(place, end - place);
        if (unit.size() > 1 && unit[0] == '(' && !text::ascii(unit)) {
            writer.text(text.substr(written, place - written));
            write_comment(writer, unit);
            written = end;
        }
        place = end;
    }
    writer.text(text.substr(written));
    return written > 0;
}

}  // namespace waxseal::message
