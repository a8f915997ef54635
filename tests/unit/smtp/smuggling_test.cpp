// SMTP smuggling: every end-of-data variant that is known to get a message past some server, in
// both line-ending modes, at every chunking; and what goes upstream of it, read again by the
// oracle.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "smtp/command.hpp"
#include "unit/smtp/data_support.hpp"
#include "unit/support/lenient.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

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

// The union of the published lists: SEC Consult, smtpsmug, Wang et al. (A1..A13), Exim, chasquid.
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

}  // namespace

TEST_CASE("smuggling: the oracle is fooled by each variant that is forwarded as it is") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string raw = attack(variant.bytes);
        CHECK(count_messages(raw, strict, Begins::message) == 1);
        CHECK(count_messages_leniently(raw, Begins::message) == (variant.fools ? 2 : 1));
    }
}

TEST_CASE("smuggling: every end-of-data variant, repaired") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string input = "A" + std::string(variant.bytes) + "B\r\n.\r\n";
        for_each_split(input, [&](const Chunks& chunks) {
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

TEST_CASE("smuggling: every end-of-data variant, rejected, and the true end found") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const std::string input = "A" + std::string(variant.bytes) + "B\r\n.\r\n";
        for_each_split(input, [&](const Chunks& chunks) {
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

TEST_CASE("smuggling: what goes upstream is one message under every leniency") {
    for (const Variant& variant : variants) {
        CAPTURE(variant.id);
        const Decoded result = decode_whole(attack(variant.bytes), LineEndings::repair);
        CHECK(result.ended);
        if (result.fault != ok) continue;
        const std::string wire = encode(result.message);
        CHECK(count_messages(wire, strict, Begins::message) == 1);
        CHECK(unambiguous(wire, Begins::message));
    }
}

TEST_CASE("smuggling: a dot after a bare LF is content, and is stuffed again") {
    const Decoded result = decode_whole("A\n.\nB\r\n.\r\n", LineEndings::repair);
    CHECK(result.message == "A\r\n.\r\nB\r\n");
    CHECK(encode(result.message) == "A\r\n..\r\nB\r\n.\r\n");
}

TEST_CASE("smuggling: E15 a NUL before the true end is refused and does not hide it") {
    const std::string input = "A\0\r\n.\r\nNOOP\r\n"s;
    for_each_split(input, [](const Chunks& chunks) {
        const Decoded result = decode(chunks, LineEndings::repair);
        CHECK(result.ended);
        CHECK(result.fault == nul);
        CHECK(result.consumed == 7);
    });
}

TEST_CASE("smuggling: E16 a NUL after the true end is not the message's") {
    const std::string input = "A\r\n.\r\n\0NOOP\r\n"s;
    for_each_split(input, [&](const Chunks& chunks) {
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

TEST_CASE("smuggling: E17, E18 the end mark in pieces, and at once") {
    for (const auto mode : {LineEndings::repair, LineEndings::reject}) {
        for_each_split("A\r\n.\r\nQUIT\r\n", [&](const Chunks& chunks) {
            const Decoded result = decode(chunks, mode);
            CHECK(result.ended);
            CHECK(result.message == "A\r\n");
            CHECK(result.consumed == 6);
        });
        for_each_split(".\r\n.\r\n", [&](const Chunks& chunks) {
            const Decoded result = decode(chunks, mode);
            CHECK(result.ended);
            CHECK(result.message.empty());
            CHECK(result.consumed == 3);
            CHECK(result.findings.octets == 0);
        });
    }
    CHECK(encode("") == ".\r\n");
}

TEST_CASE("smuggling: E21 a large message does not make a lesser end of data count") {
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
