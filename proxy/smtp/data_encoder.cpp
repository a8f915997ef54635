// The data encoder: from the message to the wire. Doubles the dot at the start of a line, ends the
// last line, and writes the end mark.
//
// Between two such dots the message is copied as it is, in as few pieces as possible. Decoded
// octets have no LF without a CR, and that is asserted at every LF: an octet string for which it is
// not true must not reach a server, whoever made it.
#include <cassert>

#include "smtp/data.hpp"

namespace waxseal::smtp {

void DataEncoder::encode(std::string_view decoded, std::string& out) {
    if (decoded.empty()) return;
    if (position_ == Position::line_start && decoded.front() == '.') out += '.';
    std::size_t copied = 0;
    for (std::size_t lf = decoded.find('\n'); lf != std::string_view::npos;
         lf = decoded.find('\n', lf + 1)) {
        assert(lf == 0 ? position_ == Position::cr : decoded[lf - 1] == '\r');
        if (lf + 1 == decoded.size() || decoded[lf + 1] != '.') continue;
        out.append(decoded.substr(copied, lf + 1 - copied));
        out += '.';
        copied = lf + 1;
    }
    out.append(decoded.substr(copied));
    switch (decoded.back()) {
        case '\n':
            position_ = Position::line_start;
            break;
        case '\r':
            position_ = Position::cr;
            break;
        default:
            position_ = Position::text;
            break;
    }
}

void DataEncoder::finish(std::string& out) {
    switch (position_) {
        case Position::line_start:
            out.append(".\r\n");
            break;
        case Position::cr:
            out.append("\n.\r\n");
            break;
        case Position::text:
            out.append("\r\n.\r\n");
            break;
    }
    position_ = Position::line_start;
}

}  // namespace waxseal::smtp
