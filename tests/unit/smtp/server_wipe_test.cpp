// The server machine leaves no credential in memory that it has let go: every block that is given
// back to the heap while it works is searched, and so is what it holds on to.
#include <doctest/doctest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "smtp/base64.hpp"
#include "unit/smtp/server_peer.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;

namespace {

// What may not be in a block that is freed while this is set.
std::string_view watched;
std::size_t leaks = 0;

void search(const void* block) {
    if (block == nullptr || watched.empty()) return;
    const std::string_view octets(static_cast<const char*>(block),
                                  malloc_usable_size(const_cast<void*>(block)));
    if (octets.find(watched) != std::string_view::npos) ++leaks;
}

}  // namespace

void* operator new(std::size_t size) {
    if (void* block = std::calloc(1, size == 0 ? 1 : size)) return block;
    std::abort();
}
void operator delete(void* block) noexcept {
    search(block);
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    search(block);
    std::free(block);
}

namespace {

const std::string password = "Tr0ub4dor-and-a-correct-horse-battery-staple-that-is-long";

struct Way {
    std::string before, line;
    bool offered = true;
    Starttls starttls = Starttls::absent;
    int verdict = 235;
};

// Plays one way through an exchange in pieces; the machine is destroyed while it is watched.
void play_watched(const Way& way, const Chunks& chunks) {
    ServerSettings settings = ServerScenario{}.settings;
    settings.starttls = way.starttls;
    if (way.offered) settings.auth_mechanisms = {"PLAIN", "LOGIN"};
    {
        Server server(settings);
        server.greet();
        const auto run = [&] {
            for (;;) {
                const ServerEvent told = server.next();
                if (std::holds_alternative<server_event::NeedInput>(told)) return;
                if (std::holds_alternative<server_event::Paused>(told)) return;
                if (std::holds_alternative<server_event::Hello>(told)) server.hello({});
                const auto* auth = std::get_if<server_event::Auth>(&told);
                const bool asks = auth != nullptr && !auth->initial;
                if (asks) server.challenge("Password:");
                if (server.owes()) server.reply(make_reply(way.verdict, "Verdict"));
                server.sent(server.output().size());
            }
        };
        server.receive("EHLO x\r\n" + way.before);
        run();
        for (const std::string_view chunk : chunks) {
            server.receive(chunk);
            run();
        }
        if (chunks.size() == 1) server.end_of_input();
        run();
    }
}

}  // namespace

TEST_CASE("auth: no block is freed with a credential in it") {
    const std::string encoded = base64_encode(password);
    const std::string half = encoded.substr(0, encoded.size() - 4);
    const Way ways[] = {
        {"", "AUTH PLAIN " + encoded + "\r\n"},
        {"", "AUTH PLAIN " + encoded + "\r\nNOOP\r\n", true, Starttls::absent, 535},
        {"", "NOOP\r\nNOOP\r\nAUTH PLAIN " + encoded + "\r\nNOOP\r\n"},
        {"AUTH LOGIN\r\n", encoded + "\r\n"},
        {"AUTH LOGIN\r\n", encoded + "\r\nNOOP\r\n", true, Starttls::absent, 454},
        {"", "AUTH PLAIN " + encoded + "!\r\n"},  // not base64
        {"", "AUTH PLAIN " + half + "A=A=\r\n"},  // found out at its end
        {"AUTH LOGIN\r\n", half + "A=A=\r\n"},
        {"", "AUTH GSSAPI " + encoded + "\r\n"},        // not offered
        {"", "AUTH PLAIN " + encoded + "\r\n", false},  // nor this
        {"", "AUTH PLAIN " + encoded + "\r\n", true, Starttls::required},
        {"AUTH LOGIN\r\n", encoded},                                     // never ends
        {"", "AUTH PLAIN " + encoded + "\n"},                            // ends the session
        {"AUTH LOGIN\r\n", encoded + std::string(13000, 'A') + "\r\n"},  // too long
    };
    for (const Way& way : ways) {
        CAPTURE(way.line.substr(0, 100));
        const auto check = [&](const Chunks& chunks) {
            for (const std::string& secret : {password.substr(0, 40), encoded.substr(0, 40)}) {
                watched = secret;
                play_watched(way, chunks);
                watched = {};
            }
        };
        leaks = 0;
        if (way.line.size() < 1000) {
            for_each_split(way.line, check);
        } else {
            check(cut(way.line, std::vector<std::size_t>{50, 200, 5000, 12500}));
        }
        CHECK(leaks == 0);
    }
    // The search finds what there is to be found.
    {
        watched = std::string_view(encoded).substr(0, 40);
        std::string copy = encoded + "x";
        copy.shrink_to_fit();
        std::string().swap(copy);
        watched = {};
    }
    CHECK(leaks != 0);
}
