// Fuzzes the line reader and the command parser with what a downstream sends outside of a message.
//
// Invariants: chunking changes nothing; every line is between two true CRLFs of the input and
// within the limit, so no part of an over-long line is ever one; nothing comes after an illegal
// octet; what is waiting never exceeds the limit; a verb is recognised only where it stands.
#include "smtp/command.hpp"

#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using fuzz::require;

namespace {

struct Read {
    std::vector<std::string> lines;  // an over-long one is "\n", which no line can be
    bool stopped = false;
    friend bool operator==(const Read&, const Read&) = default;
};

// Takes what the buffer holds; false when the session is over.
bool drain(LineReader& reader, ByteQueue& buffer, Read& out) {
    for (;;) {
        const auto result = reader.find(buffer.front());
        if (const auto* line = std::get_if<LineReader::Line>(&result)) {
            out.lines.emplace_back(line->text);
            buffer.consume(line->length);
        } else if (const auto* too_long = std::get_if<LineReader::TooLong>(&result)) {
            out.lines.emplace_back("\n");
            buffer.consume(too_long->length);
        } else if (const auto* need = std::get_if<LineReader::NeedInput>(&result)) {
            buffer.consume(need->discard);
            return true;
        } else {
            out.stopped = true;
            return false;
        }
    }
}

Read read_lines(const std::vector<std::string_view>& chunks, std::size_t limit) {
    LineReader reader(limit);
    ByteQueue buffer;
    Read result;
    for (const std::string_view chunk : chunks) {
        buffer.append(chunk);
        if (!drain(reader, buffer, result)) break;
        require(buffer.size() < limit, "what waits is within the limit");
    }
    return result;
}

// The same by plain searches, for inputs too short to be endless.
Read reference(std::string_view input, std::size_t limit) {
    Read result;
    for (;;) {
        const std::size_t end = input.find("\r\n");
        const std::string_view line = input.substr(0, end);
        const std::size_t bad = line.find_first_of(std::string_view("\r\n\0", 3));
        // A CR that is the very last octet may still become a CRLF.
        const bool pending =
            end == std::string_view::npos && line.ends_with('\r') && bad + 1 == line.size();
        if (bad != std::string_view::npos && !pending) {
            result.stopped = true;
            return result;
        }
        if (end == std::string_view::npos) return result;
        result.lines.emplace_back(end + 2 <= limit ? line : "\n");
        input.remove_prefix(end + 2);
    }
}

void check_command(std::string_view line) {
    const Command command = parse_command(line);
    require(!command.argument.starts_with(' ') && !command.argument.ends_with(' '), "trimmed");
    if (command.verb == Verb::unknown) return;
    if (command.verb != Verb::http) {
        const std::string_view name = to_string(command.verb);
        require(text::istarts_with(line, name), "a verb is at the start");
        require(line.size() == name.size() || line[name.size()] == ' ', "a verb is a word");
    }
    for (const std::string_view keyword : {"FROM:", "TO:"}) {
        const auto rest = after_keyword(command.argument, keyword);
        require(!rest || command.argument.ends_with(*rest), "what follows the keyword is the rest");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    for (const std::size_t limit : {24U, 2048U}) {
        const Read whole = read_lines({input}, limit);
        if (size <= 64 * 1024)
            require(whole == reference(input, limit), "lines are what is between CRLFs");
        for (const std::size_t longest : {1U, 5U, 60U})
            require(whole == read_lines(fuzz::chunks(input, longest), limit),
                    "chunking does not change the lines");
        for (const std::string& line : whole.lines) {
            if (line == "\n") continue;
            require(line.size() + 2 <= limit, "a line is within the limit");
            check_command(line);
        }
    }
    return 0;
}
