// Fuzzes the translation of the negotiation with the lines of an upstream's EHLO reply.
//
// Invariants: what was understood, once written, is understood as the same; what a downstream is
// offered is never more than waxseal can honour, is never STARTTLS, AUTH or CHUNKING, and consists
// of keywords of ours and numbers, whatever the upstream wrote.
#include "smtp/capabilities.hpp"

#include <algorithm>
#include <array>

#include "fuzz/support/fuzz.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using fuzz::require;

namespace {

constexpr OwnOffer own{1000, 50};

Reply lines_of(std::string_view input) {
    Reply reply{250, {}, {"host"}};
    while (!input.empty()) {
        const std::size_t end = std::min(input.find('\n'), input.size());
        reply.lines.emplace_back(input.substr(0, end));
        input.remove_prefix(std::min(end + 1, input.size()));
    }
    return reply;
}

// An AUTH or LIMITS without anything is understood, but there is nothing to write of it; XCLIENT is
// never written.
Capabilities writable(Capabilities capabilities) {
    if (capabilities.auth_mechanisms.empty()) capabilities.remove(Extension::auth);
    if (capabilities.limits == MailLimits{}) capabilities.remove(Extension::limits);
    capabilities.xclient = 0;
    return capabilities;
}

bool of_ours(std::string_view line) {
    constexpr std::array<std::string_view, 6> words{
        "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN", "host"};
    if (std::find(words.begin(), words.end(), line) != words.end()) return true;
    for (const std::string_view prefix : {"SIZE ", "LIMITS RCPTMAX="}) {
        if (!line.starts_with(prefix) || line.size() == prefix.size()) continue;
        return line.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos;
    }
    return false;
}

void check_offer(const Capabilities& upstream) {
    const Capabilities offer = translate(own, &upstream);
    require(offer.size_limit > 0 && offer.size_limit <= own.max_message_size, "SIZE is ours");
    require(offer.limits.rcpt_max && *offer.limits.rcpt_max <= own.max_recipients,
            "RCPTMAX is ours");
    for (const Extension never : {Extension::starttls, Extension::auth, Extension::chunking})
        require(!offer.has(never), "never offered");
    for (const Extension both : {Extension::eight_bit_mime, Extension::smtputf8, Extension::dsn})
        require(offer.has(both) == upstream.has(both), "offered where both can");
    const Reply written = write_ehlo("host", offer);
    for (const std::string& line : written.lines) require(of_ours(line), "words of ours");
    require(parse_ehlo(written) == offer, "an offer is understood as it was meant");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Capabilities upstream = parse_ehlo(lines_of(fuzz::view(data, size)));
    const Reply written = write_ehlo("host", upstream);
    for (const std::string& line : written.lines)
        require(fuzz::printable_ascii(line), "what is written is printable");
    require(parse_ehlo(written) == writable(upstream), "what is written is understood as the same");
    check_offer(upstream);
    return 0;
}
