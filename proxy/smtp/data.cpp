// The data decoder: from the wire to the message.
//
//   state       meaning, and what the next octet does
//   line_start  at the start or after a true CRLF: a dot -> dot, else as in text
//   text        inside a line: CR -> cr, LF is bare, NUL is a fault, everything else is content
//   cr          a CR not yet judged: LF -> CRLF, line_start; else it was bare, and as in text
//   dot         a dot at line_start, dropped whatever follows: CR -> dot_cr, else as in text
//   dot_cr      such a dot and a CR: LF -> the end of data; else the CR was bare, and as in text
//
// A bare LF leads to text and not to line_start: a dot after it is content and stays. A dot after
// a true CRLF is dropped even when a bare LF or CR follows (RFC 5321 4.5.2 read strictly: there are
// other octets on that line). That reading is also the safer one, as nothing of a would-be end mark
// is left in the message. What is between CR, LF, NUL and line starts is plain, and is taken in
// runs.
#include "smtp/data.hpp"

#include <bit>
#include <cstring>
#include <utility>

#include "base/limits.hpp"

namespace waxseal::smtp {

namespace {

using Word = std::uint64_t;
constexpr Word ones = 0x0101010101010101;
constexpr Word tops = ones << 7;

// Bit 7 of the first octet of `word` that is zero, and perhaps more above it; 0 when none is zero.
// (First is lowest: words are read little-endian.)
constexpr Word zero_octets(Word word) noexcept { return (word - ones) & ~word & tops; }

constexpr bool special(char c) noexcept { return c == '\r' || c == '\n' || c == '\0'; }

Word load(const char* octets) noexcept {
    Word word = 0;
    std::memcpy(&word, octets, sizeof word);
    return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

struct Run {
    std::size_t length;  // of the prefix without CR, LF and NUL
    bool eight_bit;
};

// Eight octets at a time: a body is mostly runs of some 70 octets, too short for three memchr.
Run plain_run(std::string_view input) noexcept {
    std::size_t i = 0;
    Word all = 0;
    for (; input.size() - i >= sizeof(Word); i += sizeof(Word)) {
        const Word word = load(input.data() + i);
        const Word hits =
            zero_octets(word) | zero_octets(word ^ ones * '\r') | zero_octets(word ^ ones * '\n');
        if (hits != 0) {
            const Word before = (hits & -hits) - 1;  // the bits below the first hit
            const auto bits = static_cast<std::size_t>(std::countr_zero(hits));
            return {i + bits / 8, ((all | (word & before)) & tops) != 0};
        }
        all |= word;
    }
    for (; i < input.size() && !special(input[i]); ++i) all |= static_cast<unsigned char>(input[i]);
    return {i, (all & tops) != 0};
}

}  // namespace

DataDecoder::Progress DataDecoder::decode(std::string_view input, std::string& out) {
    const std::size_t before = out.size();
    std::size_t i = 0;
    Step last = Step::taken;
    while (i < input.size() && last != Step::ended) {
        if (state_ == State::line_start && input[i] != '.') state_ = State::text;
        if (state_ == State::text) i += take_plain(input.substr(i), out);
        if (i == input.size()) break;
        last = step(input[i], out);
        if (last != Step::again) ++i;
    }
    if (fault() != DataFault::none) out.resize(before);
    return {i, last == Step::ended};
}

DataFault DataDecoder::fault() const noexcept {
    if (findings_.nul != 0) return DataFault::nul;
    if (mode_ == LineEndings::reject && findings_.bare_lf + findings_.bare_cr != 0)
        return DataFault::line_endings;
    return findings_.endless_line ? DataFault::line_too_long : DataFault::none;
}

// Takes what needs no change, as many whole lines of it as there are, and says how many octets.
std::size_t DataDecoder::take_plain(std::string_view input, std::string& out) {
    std::size_t i = 0;
    for (;;) {
        const Run run = plain_run(input.substr(i));
        findings_.eight_bit = findings_.eight_bit || run.eight_bit;
        measure(run.length);
        i += run.length;
        if (!input.substr(i).starts_with("\r\n")) break;
        line_length_ = 0;
        i += 2;
        if (i < input.size() && input[i] != '.') continue;
        state_ = State::line_start;
        break;
    }
    findings_.octets += i;
    out.append(input.substr(0, i));
    return i;
}

// One row of the table above.
DataDecoder::Step DataDecoder::step(char c, std::string& out) {
    switch (state_) {
        case State::line_start:
            state_ = State::dot;
            return Step::taken;
        case State::text:
            special_octet(c, out);
            return Step::taken;
        case State::cr:
            if (c != '\n') return bare_cr(out);
            line_end(out);
            state_ = State::line_start;
            return Step::taken;
        case State::dot:
            state_ = c == '\r' ? State::dot_cr : State::text;
            return c == '\r' ? Step::taken : Step::again;
        case State::dot_cr:
            return c == '\n' ? Step::ended : bare_cr(out);
    }
    std::unreachable();
}

// CR, LF or NUL inside a line.
void DataDecoder::special_octet(char c, std::string& out) {
    if (c == '\r') {
        state_ = State::cr;
    } else if (c == '\n') {
        ++findings_.bare_lf;
        line_end(out);
    } else {
        ++findings_.nul;
        space(out);
    }
}

// The CR before the present octet ended nothing.
DataDecoder::Step DataDecoder::bare_cr(std::string& out) {
    ++findings_.bare_cr;
    space(out);
    state_ = State::text;
    return Step::again;
}

// One octet of content in place of another.
void DataDecoder::space(std::string& out) {
    measure(1);
    ++findings_.octets;
    out += ' ';
}

void DataDecoder::line_end(std::string& out) {
    line_length_ = 0;
    findings_.octets += 2;
    out.append("\r\n");
}

// The present line is so much longer.
void DataDecoder::measure(std::size_t octets) noexcept {
    const std::size_t length = line_length_ + octets;
    if (line_length_ <= limits::customary_line && length > limits::customary_line)
        ++findings_.long_lines;
    if (length > limits::text_line) findings_.endless_line = true;
    line_length_ = length;
}

}  // namespace waxseal::smtp
