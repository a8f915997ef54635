// The data decoder and encoder: every end-of-data variant that is known to smuggle a message past
// some server, in both line-ending modes, at every chunking; the decoder against a second
// implementation over all short inputs; and what the findings count.
#include "smtp/data.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "smtp/command.hpp"
#include "unit/support/lenient.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;
using waxseal::testing::Begins;
using waxseal::testing::count_messages;
using waxseal::testing::count_messages_leniently;
using waxseal::testing::for_each_split;

namespace {

struct Decoded {
    std::string message;
    std::size_t consumed = 0;
    bool ended = false;
    DataFault fault = DataFault::none;
    DataFindings findings;
};

template <typename Chunks>
Decoded decode(const Chunks& chunks, LineEndings mode) {
    DataDecoder decoder(mode);
    Decoded result;
    for (const std::string_view chunk : chunks) {
        const bool faulty = decoder.fault() != DataFault::none;
        const std::size_t before = result.message.size();
        const auto progress = decoder.decode(chunk, result.message);
        if (faulty) CHECK(result.message.size() == before);
        result.consumed += progress.consumed;
        result.ended = progress.ended;
        if (result.ended) break;
        CHECK(progress.consumed == chunk.size());
    }
    result.fault = decoder.fault();
    result.findings = decoder.findings();
    return result;
}

Decoded decode_whole(std::string_view bytes, LineEndings mode) {
    return decode(std::vector{bytes}, mode);
}

std::string encode(std::string_view message) {
    DataEncoder encoder;
    std::string wire;
    encoder.encode(message, wire);
    encoder.finish(wire);
    return wire;
}

// "A", the variant, and what an attacker would put behind it; then the true end.
std::string attack(std::string_view variant) {
    return "A" + std::string(variant) + "MAIL FROM:<m@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nB\r\n.\r\n";
}

struct Variant {
    const char* id;
    std::string_view bytes;
    std::string_view repaired;  // the decoded message for "A", the bytes, "B" and a true end
    DataFault repair_fault;
    DataFault reject_fault;
    bool fools;  // forwarded as it is, some lenient server sees two messages
};

constexpr auto ok = DataFault::none;
constexpr auto bare = DataFault::line_endings;
constexpr auto nul = DataFault::nul;

// threats.md's list: SEC Consult, smtpsmug, Wang et al. (A1..A13), Exim, chasquid.
const Variant variants[] = {
    {"E1 LF.LF", "\n.\n"sv, "A\r\n.\r\nB\r\n"sv, ok, bare, true},
    {"E2 LF.CRLF", "\n.\r\n"sv, "A\r\n.\r\nB\r\n"sv, ok, bare, true},
    {"E3 CR.CR", "\r.\r"sv, "A . B\r\n"sv, ok, bare, true},
    {"E4 CR.CRLF", "\r.\r\n"sv, "A .\r\nB\r\n"sv, ok, bare, true},
    {"E5 CRLF.LF", "\r\n.\n"sv, "A\r\n\r\nB\r\n"sv, ok, bare, true},
    {"E6 CRLF.CR", "\r\n.\r"sv, "A\r\n B\r\n"sv, ok, bare, true},
    {"E7 LF.CR", "\n.\r"sv, "A\r\n. B\r\n"sv, ok, bare, true},
    {"E8 CR.LF", "\r.\n"sv, "A .\r\nB\r\n"sv, ok, bare, true},
    {"E9 CRLF.CRCRLF", "\r\n.\r\r\n"sv, "A\r\n \r\nB\r\n"sv, ok, bare, true},
    {"E10 CRCRLF.CRCRLF", "\r\r\n.\r\r\n"sv, "A \r\n \r\nB\r\n"sv, ok, bare, true},
    {"E11 CRLF NUL.CRLF", "\r\n\0.\r\n"sv, ""sv, nul, nul, true},
    {"E12 CRLF.NUL CRLF", "\r\n.\0\r\n"sv, ""sv, nul, nul, true},
    {"E13 CR NUL LF.CRLF", "\r\0\n.\r\n"sv, ""sv, nul, nul, true},
    {"E14 CRLF.CR NUL LF", "\r\n.\r\0\n"sv, ""sv, nul, nul, true},
    {"E19 LF..CRLF", "\n..\r\n"sv, "A\r\n..\r\nB\r\n"sv, ok, bare, false},
    {"E19 CRLF..LF", "\r\n..\n"sv, "A\r\n.\r\nB\r\n"sv, ok, bare, false},
    {"E20 VT.CRLF", "\x0b.\r\n"sv, "A\x0b.\r\nB\r\n"sv, ok, ok, false},
    {"E20 FF.CRLF", "\x0c.\r\n"sv, "A\x0c.\r\nB\r\n"sv, ok, ok, false},
    {"E20 x85.CRLF", "\x85.\r\n"sv, "A\x85.\r\nB\r\n"sv, ok, ok, false},
    {"E20 U+2028.CRLF", "\xe2\x80\xa8.\r\n"sv, "A\xe2\x80\xa8.\r\nB\r\n"sv, ok, ok, false},
    {"dot stuffed", "\r\n..\r\n"sv, "A\r\n.\r\nB\r\n"sv, ok, ok, false},
    {"dot in front", "\r\n.x\r\n"sv, "A\r\nx\r\nB\r\n"sv, ok, ok, false},
    {"three dots", "\r\n...\r\n"sv, "A\r\n..\r\nB\r\n"sv, ok, ok, false},
};

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

// Calls the function for every string over the alphabet up to the length.
template <typename Function>
void for_each_string(std::string_view alphabet, std::size_t length, Function function) {
    std::vector<std::string> generation{""};
    for (std::size_t n = 0; n <= length; ++n) {
        std::vector<std::string> next;
        for (const std::string& word : generation) {
            function(word);
            for (const char c : alphabet) next.push_back(word + c);
        }
        generation = std::move(next);
    }
}

}  // namespace

TEST_CASE("data: the oracle is fooled by each variant that is forwarded as it is") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string raw = attack(variant.bytes);
        CHECK(count_messages(raw, testing::strict, Begins::message) == 1);
        CHECK(count_messages_leniently(raw, Begins::message) == (variant.fools ? 2 : 1));
    }
}

TEST_CASE("data: every end-of-data variant, repaired") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string input = "A" + std::string(variant.bytes) + "B\r\n.\r\n";
        for_each_split(input, [&](const testing::Chunks& chunks) {
            const Decoded result = decode(chunks, LineEndings::repair);
            CHECK(result.ended);
            CHECK(result.consumed == input.size());
            CHECK(result.fault == variant.repair_fault);
            if (result.fault != ok) return;
            CHECK(result.message == variant.repaired);
            CHECK(result.findings.octets == result.message.size());
        });
    }
}

TEST_CASE("data: every end-of-data variant, rejected, and the true end found") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string input = "A" + std::string(variant.bytes) + "B\r\n.\r\n";
        for_each_split(input, [&](const testing::Chunks& chunks) {
            const Decoded result = decode(chunks, LineEndings::reject);
            CHECK(result.ended);
            CHECK(result.consumed == input.size());
            CHECK(result.fault == variant.reject_fault);
            if (result.fault == ok) CHECK(result.message == variant.repaired);
        });
        if (variant.reject_fault != ok)
            CHECK(decode_whole(input, LineEndings::reject).message.empty());
    }
}

TEST_CASE("data: what goes upstream is one message under every leniency") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const Decoded result = decode_whole(attack(variant.bytes), LineEndings::repair);
        CHECK(result.ended);
        if (result.fault != ok) continue;
        const std::string wire = encode(result.message);
        CHECK(count_messages(wire, testing::strict, Begins::message) == 1);
        CHECK(testing::unambiguous(wire, Begins::message));
    }
}

TEST_CASE("data: a dot after a bare LF is content, and is stuffed again") {
    const Decoded result = decode_whole("A\n.\nB\r\n.\r\n", LineEndings::repair);
    CHECK(result.message == "A\r\n.\r\nB\r\n");
    CHECK(encode(result.message) == "A\r\n..\r\nB\r\n.\r\n");
}

TEST_CASE("data: E15 a NUL before the true end is refused and does not hide it") {
    const std::string input = "A\0\r\n.\r\nNOOP\r\n"s;
    for_each_split(input, [](const testing::Chunks& chunks) {
        const Decoded result = decode(chunks, LineEndings::repair);
        CHECK(result.ended);
        CHECK(result.fault == nul);
        CHECK(result.consumed == 7);
    });
}

TEST_CASE("data: E16 a NUL after the true end is not the message's") {
    const std::string input = "A\r\n.\r\n\0NOOP\r\n"s;
    for_each_split(input, [&](const testing::Chunks& chunks) {
        const Decoded result = decode(chunks, LineEndings::repair);
        CHECK(result.ended);
        CHECK(result.fault == ok);
        CHECK(result.message == "A\r\n");
        CHECK(result.consumed == 6);
    });
    LineReader lines(limits::command_line);
    const auto line = lines.find(std::string_view(input).substr(6));
    REQUIRE(std::holds_alternative<LineReader::Illegal>(line));
    CHECK(std::get<LineReader::Illegal>(line).what == "NUL");
}

TEST_CASE("data: E17, E18 the end mark in pieces, and at once") {
    for (const auto mode : {LineEndings::repair, LineEndings::reject}) {
        for_each_split("A\r\n.\r\nQUIT\r\n", [&](const testing::Chunks& chunks) {
            const Decoded result = decode(chunks, mode);
            CHECK(result.ended);
            CHECK(result.message == "A\r\n");
            CHECK(result.consumed == 6);
        });
        for_each_split(".\r\n.\r\n", [&](const testing::Chunks& chunks) {
            const Decoded result = decode(chunks, mode);
            CHECK(result.ended);
            CHECK(result.message.empty());
            CHECK(result.consumed == 3);
            CHECK(result.findings.octets == 0);
        });
    }
    CHECK(encode("") == ".\r\n");
}

TEST_CASE("data: E21 a large message does not make a lesser end of data count") {
    std::string input;
    for (int i = 0; i < 4000; ++i) input += "0123456789012345678901234567890123456789\r\n";
    const std::size_t body = input.size();
    input += ".\nMAIL FROM:<m@x>\r\n.\r\n";
    const Decoded repaired = decode_whole(input, LineEndings::repair);
    CHECK(repaired.ended);
    CHECK(repaired.consumed == input.size());
    CHECK(repaired.message == input.substr(0, body) + "\r\nMAIL FROM:<m@x>\r\n");
    const Decoded rejected = decode_whole(input, LineEndings::reject);
    CHECK(rejected.ended);
    CHECK(rejected.consumed == input.size());
    CHECK(rejected.fault == bare);
}

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
        if (!same || !testing::unambiguous(wire, Begins::message) ||
            count_messages(wire, testing::strict, Begins::message) != 1) {
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
        for_each_split(input, [&](const testing::Chunks& chunks) {
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
    for_each_split(input, [&](const testing::Chunks& chunks) {
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
    };
    for (const Row& row : rows) {
        CAPTURE(row.message);
        for_each_split(row.message, [&](const testing::Chunks& chunks) {
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
