// Fuzzes the data decoder and encoder with what a downstream sends after 354.
//
// Invariants: the end of data is the first true CRLF "." CRLF and nothing else; chunking changes
// nothing; a message without fault has only CRLF line ends and no NUL; what goes upstream is
// exactly one message under every leniency, and decodes to the message that was encoded.
#include "smtp/data.hpp"

#include "fuzz/support/fuzz.hpp"
#include "unit/support/lenient.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using fuzz::require;

namespace {

struct Decoded {
    std::string message;
    std::size_t consumed = 0;
    bool ended = false;
    DataFault fault = DataFault::none;
    DataFindings findings;
};

Decoded decode(const std::vector<std::string_view>& chunks, LineEndings mode) {
    DataDecoder decoder(mode);
    Decoded result;
    for (const std::string_view chunk : chunks) {
        const auto progress = decoder.decode(chunk, result.message);
        result.consumed += progress.consumed;
        result.ended = progress.ended;
        require(progress.ended || progress.consumed == chunk.size(), "all input is taken");
        if (result.ended) break;
    }
    result.fault = decoder.fault();
    result.findings = decoder.findings();
    return result;
}

std::string encode(std::string_view message, std::size_t longest) {
    DataEncoder encoder;
    std::string wire;
    for (const std::string_view chunk : fuzz::chunks(message, longest)) encoder.encode(chunk, wire);
    encoder.finish(wire);
    return wire;
}

bool clean_line_ends(std::string_view message) {
    for (std::size_t i = 0; i < message.size(); ++i) {
        if (message[i] == '\0') return false;
        if (message[i] == '\r' && !message.substr(i).starts_with("\r\n")) return false;
        if (message[i] == '\n' && (i == 0 || message[i - 1] != '\r')) return false;
    }
    return true;
}

void check_end(std::string_view input, const Decoded& result) {
    const std::string text = "\r\n" + std::string(input);
    const std::size_t end = text.find("\r\n.\r\n");
    require(result.ended == (end != std::string::npos), "the true end, and only it, ends");
    require(result.consumed == (result.ended ? end + 3 : input.size()), "up to the true end");
}

void check_same(const Decoded& a, const Decoded& b) {
    require(a.consumed == b.consumed && a.ended == b.ended && a.fault == b.fault,
            "chunking does not change the end or the fault");
    require(a.findings.octets == b.findings.octets && a.findings.bare_lf == b.findings.bare_lf &&
                a.findings.bare_cr == b.findings.bare_cr && a.findings.nul == b.findings.nul &&
                a.findings.long_lines == b.findings.long_lines &&
                a.findings.eight_bit == b.findings.eight_bit &&
                a.findings.endless_line == b.findings.endless_line,
            "chunking does not change the findings");
    require(a.fault != DataFault::none || a.message == b.message,
            "chunking does not change the message");
}

void check_message(const Decoded& result) {
    require(clean_line_ends(result.message), "only CRLF line ends, no NUL");
    require(result.findings.octets == result.message.size() || !result.ended, "octets counted");
    if (!result.ended) return;
    const std::string wire = encode(result.message, 7);
    require(wire == encode(result.message, 1000), "chunking does not change the encoding");
    using testing::Begins;
    require(testing::count_messages(wire, testing::strict, Begins::message) == 1, "one message");
    require(testing::unambiguous(wire, Begins::message), "one message, however lenient");
    const Decoded again = decode({wire}, LineEndings::reject);
    require(again.ended && again.fault == DataFault::none && again.message == result.message,
            "decode after encode is the identity");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    for (const LineEndings mode : {LineEndings::repair, LineEndings::reject}) {
        const Decoded whole = decode({input}, mode);
        check_end(input, whole);
        for (const std::size_t longest : {1U, 5U, 60U})
            check_same(whole, decode(fuzz::chunks(input, longest), mode));
        if (whole.fault == DataFault::none) check_message(whole);
    }
    return 0;
}
