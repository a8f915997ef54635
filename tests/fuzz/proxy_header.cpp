// Fuzzes the parser of PROXY headers with what a load balancer, or whoever pretends to be one, says
// first.
//
// Invariants: never more than was given is taken, never more than the bound, and nothing once the
// result stands; every way of cutting gives the same; whatever follows the decisive octet changes
// nothing, and before it no result stands; a header's length is what was taken; a reason has none
// of the peer's octets in it.
#include "relay/proxy_header.hpp"

#include "base/limits.hpp"
#include "fuzz/support/fuzz.hpp"

using namespace waxseal;
using namespace waxseal::relay;
using fuzz::require;

namespace {

struct Outcome {
    ProxyHeader::Result result;
    std::size_t used = 0;
};

bool undecided(const ProxyHeader::Result& result) {
    return std::holds_alternative<ProxyHeader::NeedMore>(result);
}

Outcome parse(std::string_view input, std::size_t longest) {
    ProxyHeader parser;
    std::size_t used = 0;
    for (const std::string_view piece : fuzz::chunks(input, longest)) {
        const bool was_undecided = undecided(parser.result());
        const std::size_t taken = parser.receive(piece);
        require(taken <= piece.size(), "not more than was given");
        require(was_undecided ? taken > 0 : taken == 0, "taken until it is decided");
        require(!undecided(parser.result()) || taken == piece.size(), "all is needed until then");
        used += taken;
    }
    return {parser.result(), used};
}

void check(const Outcome& outcome) {
    require(outcome.used <= limits::proxy_header, "bounded");
    if (const auto* header = std::get_if<ProxyHeader::Header>(&outcome.result))
        require(header->length == outcome.used, "exactly the header");
    if (const auto* malformed = std::get_if<ProxyHeader::Malformed>(&outcome.result)) {
        require(!malformed->reason.empty() && malformed->reason.size() < 80, "a short reason");
        require(fuzz::printable_ascii(malformed->reason), "a printable reason");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::view(data, size);
    const Outcome whole = parse(input, input.size() + 1);
    check(whole);
    for (const std::size_t longest : {1U, 2U, 7U, 60U}) {
        const Outcome cut = parse(input, longest);
        require(cut.used == whole.used && cut.result == whole.result, "the same for every cut");
    }
    if (undecided(whole.result)) return 0;
    const Outcome exact = parse(input.substr(0, whole.used), input.size() + 1);
    require(exact.used == whole.used && exact.result == whole.result, "what follows is nothing");
    const Outcome early = parse(input.substr(0, whole.used - 1), input.size() + 1);
    require(undecided(early.result), "decided by the last octet that was taken");
    return 0;
}
