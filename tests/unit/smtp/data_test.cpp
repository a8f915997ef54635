// The data decoder against a second implementation over all short inputs, and what its findings
// count; the encoder; and the two against each other. (smuggling_test.cpp has the known attacks.)
#include "smtp/data.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "unit/smtp/data_support.hpp"
#include "unit/support/lenient.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

constexpr auto ok = DataFault::none;
constexpr auto nul = DataFault::nul;

// The decoder a second time: whole input, plain searches, no states.
struct Reference {
    std::string message;
    std::size_t consumed = 0;
    bool ended = false;
};

Reference reference_repair(std::string_view input) {
    const std::string text = "\r\n" + std::string(input);
    const std::size_t end = text.find("\r\n.\r\n");
    const bool ended = end != std::string::npos;
    const std::string body = ended ? text.substr(0, end + 2) : text;
    std::string unstuffed;
    for (std::size_t i = 0; i < body.size(); ++i)
        if (body[i] != '.' || i < 2 || body.compare(i - 2, 2, "\r\n") != 0) unstuffed += body[i];
    Reference result{{}, ended ? end + 5 - 2 : input.size(), ended};
    for (std::size_t i = 2; i < unstuffed.size(); ++i) {
        const char c = unstuffed[i];
        if (c == '\r') {
            const bool pair = i + 1 < unstuffed.size() && unstuffed[i + 1] == '\n';
            result.message += pair ? "\r\n" : " ";
            if (pair) ++i;
        } else if (c == '\n') {
            result.message += "\r\n";
        } else {
            result.message += c;
        }
    }
    return result;
}

}  // namespace

TEST_CASE("data: without an end mark nothing ends") {
    for (const std::string_view input : {""sv, "."sv, ".\r"sv, "A\r\n."sv, "A\r\n.\r"sv}) {
        CAPTURE(input);
        CHECK_FALSE(decode_whole(input, LineEndings::repair).ended);
    }
}

TEST_CASE("data: all short inputs, against a second implementation and the oracle") {
    for_each_string("A.\r\n", 7, [](const std::string& body) {
        const std::string input = body + "\r\n.\r\n";
        const Decoded result = decode_whole(input, LineEndings::repair);
        const Reference expected = reference_repair(input);
        const std::string wire = encode(result.message);
        const bool same = result.message == expected.message && result.ended == expected.ended &&
                          result.consumed == expected.consumed;
        // One check an input: doctest's own cost would be most of the run.
        if (!same || !unambiguous(wire, Begins::message) ||
            count_messages(wire, strict, Begins::message) != 1) {
            CAPTURE(input);
            CHECK(result.message == expected.message);
            CHECK(result.consumed == expected.consumed);
            FAIL("decoder and reference, or the lenient counts, differ");
        }
    });
}

TEST_CASE("data: all short inputs with NUL, at every chunking, are refused the same way") {
    for_each_string("A.\r\n\0"sv, 4, [](const std::string& body) {
        const std::string input = body + "\r\n.\r\n";
        const Decoded whole = decode_whole(input, LineEndings::repair);
        for_each_split(input, [&](const Chunks& chunks) {
            const Decoded result = decode(chunks, LineEndings::repair);
            const bool same = result.fault == whole.fault && result.ended == whole.ended &&
                              result.consumed == whole.consumed &&
                              result.findings.octets == whole.findings.octets &&
                              result.findings.bare_cr == whole.findings.bare_cr &&
                              result.findings.bare_lf == whole.findings.bare_lf &&
                              (whole.fault != ok || result.message == whole.message);
            if (!same) FAIL("chunking changed the result of " << body.size() << " octets");
        });
        const bool has_nul =
            std::string_view(input).substr(0, whole.consumed).find('\0') != std::string_view::npos;
        if (has_nul != (whole.fault == nul)) FAIL("a NUL was missed, or imagined");
    });
}

TEST_CASE("data: findings count what was seen") {
    const std::string input = "a\nb\rc\r\n\xC3\xA9\n\r\n.\r\n"s;
    for_each_split(input, [&](const Chunks& chunks) {
        const DataFindings findings = decode(chunks, LineEndings::repair).findings;
        CHECK(findings.bare_lf == 2);
        CHECK(findings.bare_cr == 1);
        CHECK(findings.nul == 0);
        CHECK(findings.eight_bit);
        CHECK(findings.octets == "a\r\nb c\r\n\xC3\xA9\r\n\r\n"sv.size());
    });
    CHECK_FALSE(decode_whole("plain\r\n.\r\n", LineEndings::repair).findings.eight_bit);
}

TEST_CASE("data: an octet above 127 is seen at every place of a run") {
    for (std::size_t place = 0; place < 40; ++place) {
        CAPTURE(place);
        std::string input(40, 'x');
        input[place] = '\x80';
        CHECK(decode_whole(input + "\r\n.\r\n", LineEndings::repair).findings.eight_bit);
    }
}

TEST_CASE("data: CR, LF and NUL are seen at every place of a run") {
    for (std::size_t place = 0; place < 40; ++place) {
        CAPTURE(place);
        for (const char c : {'\r', '\n', '\0'}) {
            std::string input(40, '\x81');
            input[place] = c;
            const Decoded result = decode_whole(input + "\r\n.\r\n", LineEndings::repair);
            CHECK(result.findings.bare_cr == (c == '\r' ? 1 : 0));
            CHECK(result.findings.bare_lf == (c == '\n' ? 1 : 0));
            CHECK(result.findings.nul == (c == '\0' ? 1 : 0));
            CHECK(result.findings.octets == input.size() + 2 + (c == '\n' ? 1 : 0));
        }
    }
}

TEST_CASE("data: octets next to CR, LF and NUL in value are plain") {
    std::string input;
    for (int c = 1; c < 256; ++c)
        if (c != '\r' && c != '\n') input += static_cast<char>(c);
    const Decoded result = decode_whole(input + input + "\r\n.\r\n", LineEndings::reject);
    CHECK(result.fault == ok);
    CHECK(result.message == input + input + "\r\n");
}

TEST_CASE("data: long lines pass and are counted, endless ones are refused") {
    const auto line = [](std::size_t n) { return std::string(n, 'x') + "\r\n"; };
    const std::string message = line(998) + line(999) + line(10) + line(limits::text_line);
    for (const std::size_t piece : {1UL, 7UL, 999UL, 1000UL, 100000UL}) {
        CAPTURE(piece);
        const std::string input = message + ".\r\n";
        std::vector<std::string_view> chunks;
        for (std::size_t i = 0; i < input.size(); i += piece)
            chunks.push_back(std::string_view(input).substr(i, piece));
        const Decoded result = decode(chunks, LineEndings::repair);
        CHECK(result.fault == ok);
        CHECK(result.findings.long_lines == 2);
        CHECK(result.message == message);
    }
    const std::string endless = line(limits::text_line + 1) + ".\r\n";
    const Decoded refused = decode_whole(endless, LineEndings::repair);
    CHECK(refused.ended);
    CHECK(refused.fault == DataFault::line_too_long);
    CHECK(refused.findings.endless_line);
    CHECK(refused.message.empty());
}

TEST_CASE("data: a bare LF ends the line that is measured, a bare CR does not") {
    const std::string half(700, 'x');
    CHECK(decode_whole(half + "\n" + half + "\r\n.\r\n", LineEndings::repair).findings.long_lines ==
          0);
    CHECK(decode_whole(half + "\r" + half + "\r\n.\r\n", LineEndings::repair).findings.long_lines ==
          1);
    // The space in place of a bare CR is one of the line's octets.
    const auto long_lines = [](std::size_t before) {
        const std::string input = std::string(before, 'x') + "\rx\r\n.\r\n";
        return decode_whole(input, LineEndings::repair).findings.long_lines;
    };
    CHECK(long_lines(996) == 0);
    CHECK(long_lines(997) == 1);
}

TEST_CASE("data: the encoder stuffs at line starts only, at every chunking") {
    struct Row {
        std::string_view message, wire;
    };
    constexpr Row rows[] = {
        {"", ".\r\n"},
        {".", "..\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n.a.\r\n", "...\r\n..a.\r\n.\r\n"},
        {"a.b\r\n.\r\n.\r\n", "a.b\r\n..\r\n..\r\n.\r\n"},
        {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
        {"a\r\n\r\n.b", "a\r\n\r\n..b\r\n.\r\n"},
        {"a\r", "a\r\n.\r\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        for_each_split(row.message, [&](const Chunks& chunks) {
            DataEncoder encoder;
            std::string wire;
            for (const std::string_view chunk : chunks) encoder.encode(chunk, wire);
            encoder.finish(wire);
            CHECK(wire == row.wire);
            CHECK(decode_whole(wire, LineEndings::reject).ended);
        });
    }
}

TEST_CASE("data: decode after encode is the identity") {
    for_each_string("a.|", 6, [](const std::string& body) {
        std::string message;
        for (const char c : body) message += c == '|' ? "\r\n"s : std::string(1, c);
        message += "\r\n";
        const Decoded result = decode_whole(encode(message), LineEndings::reject);
        if (!result.ended || result.fault != ok || result.message != message) {
            CAPTURE(message);
            FAIL("the message changed on its way");
        }
    });
}
