// Fuzzes the line reader and the command parser with what a downstream sends outside of a message.
//
// Invariants: chunking changes nothing; every line is between two true CRLFs of the input (or LFs,
// where those are allowed) and within the limit, so no part of an over-long line is ever one;
// nothing comes after an illegal octet; what is waiting never exceeds the limit; a verb is
// recognised only where it stands, and tidying a line brings no other one forth.
#include "smtp/command.hpp"

#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"
#include "smtp/tolerance.hpp"

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

using Ends = LineReader::Ends;

Read read_lines(const std::vector<std::string_view>& chunks, std::size_t limit, Ends ends) {
    LineReader reader(limit, ends);
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

// And where LF ends a line, too: what is before one, without a CR at its end.
Read reference_lf(std::string_view input, std::size_t limit) {
    Read result;
    for (;;) {
        const std::size_t end = input.find('\n');
        std::string_view line = input.substr(0, end);
        const bool whole = end != std::string_view::npos;
        if (line.ends_with('\r')) line.remove_suffix(1);  // or it may become one
        if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
            result.stopped = true;
            return result;
        }
        if (!whole) return result;
        result.lines.emplace_back(end + 1 <= limit ? line : "\n");
        input.remove_prefix(end + 1);
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

void check_tidy(std::string_view line) {
    std::string tidy(line);
    Repairs repairs, again;
    tidy_command(tidy, repairs);
    require(line.size() - tidy.size() == std::min(line.find_first_not_of(" \t"), line.size()),
            "what goes is before the verb");
    require(repairs.empty() == (tidy.size() == line.size()), "what goes is named");
    std::string twice = tidy;
    tidy_command(twice, again);
    require(twice == tidy && again.empty(), "once is enough");
    check_command(tidy);
    const std::string_view response = tidy_response(line);
    require(response == text::trim(response), "a response has no white space around it");
}

void check_lines(const Read& read, std::size_t limit) {
    for (const std::string& line : read.lines) {
        if (line == "\n") continue;
        require(line.size() < limit, "a line is within the limit");
        check_command(line);
        check_tidy(line);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    for (const std::size_t limit : {24U, 2048U}) {
        for (const Ends ends : {Ends::crlf, Ends::lf_too}) {
            const Read whole = read_lines({input}, limit, ends);
            if (size <= 64 * 1024)
                require(whole == (ends == Ends::crlf ? reference(input, limit)
                                                     : reference_lf(input, limit)),
                        "lines are what is between line ends");
            for (const std::size_t longest : {1U, 5U, 60U})
                require(whole == read_lines(fuzz::chunks(input, longest), limit, ends),
                        "chunking does not change the lines");
            check_lines(whole, limit);
        }
    }
    return 0;
}
