// What the header editor costs: the CPU time of this thread for editing one message, in pieces as
// they come from the network. Usage: bench_editor OCTETS REPETITIONS; prints "seconds=S" for one.
//
// The header needs every kind of repair that is on by default; the body is lines of 76 octets.
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "message/header_editor.hpp"

namespace {

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::size_t number(const char* text) {
    std::size_t value = 0;
    const std::string_view all(text);
    std::from_chars(all.data(), all.data() + all.size(), value);
    return value;
}

std::string message(std::size_t octets) {
    std::string all =
        "From: scanner@printer.local <scanner@printer.local>\r\n"
        "To: office@example.com\r\nSubject: Scan \xfc"
        "bersicht\r\n"
        "X-Long: " +
        std::string(1200, 'x') +
        "\r\n"
        "MIME-Version: 1.0\r\nContent-Type: application/pdf; name=scan.pdf\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n";
    const std::string line = std::string(76, 'A') + "\r\n";
    while (all.size() < octets) all += line;
    return all;
}

// Octets that came out, so that nothing is left out by the compiler.
std::size_t edit(std::string_view octets) {
    waxseal::message::Edits edits;
    edits.date = "Sat, 28 Nov 2026 12:00:00 +0000";
    edits.message_id = "<1@relay.example.com>";
    edits.from = "scanner@example.com";
    waxseal::message::HeaderEditor editor(edits);
    std::size_t out = 0;
    for (; !octets.empty();
         octets.remove_prefix(std::min(octets.size(), waxseal::limits::read_block)))
        out += editor.edit(octets.substr(0, waxseal::limits::read_block)).size();
    return out + editor.finish().size();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: bench_editor OCTETS REPETITIONS\n", stderr);
        return 64;
    }
    const std::string octets = message(number(argv[1]));
    const std::size_t repetitions = number(argv[2]);
    std::size_t out = edit(octets);
    const double begin = cpu_seconds();
    for (std::size_t i = 0; i < repetitions; ++i) out += edit(octets);
    const double each = (cpu_seconds() - begin) / static_cast<double>(repetitions);
    std::printf("seconds=%.9f octets=%zu\n", each, out);
    return 0;
}
