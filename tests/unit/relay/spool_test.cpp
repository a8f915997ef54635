// What went into a Spool comes out of it, wherever it was kept, and a failure is never a hole.
#include "relay/spool.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "unit/support/spill.hpp"

namespace waxseal::relay {

using testing::Spills;

namespace {

std::string noise(std::size_t size) {
    std::minstd_rand random(7);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random() >> 8U);
    return text;
}

void append_in_pieces(Spool& spool, std::string_view text, std::size_t piece) {
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
        REQUIRE(spool.append(text.substr(0, piece)).has_value());
}

// All that is left, with the promises of next() checked.
std::string rest_of(Spool& spool) {
    std::string text;
    while (true) {
        const auto piece = spool.next();
        REQUIRE(piece.has_value());
        CHECK(piece->size() <= limits::read_block);
        if (piece->empty()) return text;
        text += *piece;
    }
}

}  // namespace

TEST_CASE("every size beside every bound comes out as it went in, twice") {
    constexpr std::size_t block = 5 * limits::read_block;
    for (const std::size_t memory : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, block - 1,
                                     block, block + 1, 3 * block, 3 * block + 100}) {
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{999}, std::size_t{1000},
              std::size_t{1001}, limits::read_block, block - 1, block, block + 1, 3 * block,
              3 * block + 100, 3 * block + 101, 7 * block + 13}) {
            for (const std::size_t piece : {std::size_t{777}, limits::read_block, 2 * block}) {
                Spills spills;
                const std::string text = noise(size);
                Spool spool(spills.factory(), memory);
                append_in_pieces(spool, text, piece);
                CAPTURE(memory);
                CAPTURE(size);
                CAPTURE(piece);
                CHECK(spool.size() == size);
                CHECK(spills.made == (size > memory ? 1 : 0));
                CHECK(rest_of(spool) == text);
                CHECK(rest_of(spool).empty());
                spool.rewind();
                CHECK(rest_of(spool) == text);
            }
        }
    }
}

TEST_CASE("a message within the bound needs no file, and pieces are as large as they may be") {
    Spills spills;
    spills.until_failure = 0;
    Spool spool(spills.factory());
    append_in_pieces(spool, noise(limits::spool_memory), 1000);
    std::size_t small = 0;
    for (auto piece = spool.next(); !piece->empty(); piece = spool.next())
        if (piece->size() != limits::read_block) ++small;
    CHECK(small <= 1);
    CHECK_FALSE(spool.append("x").has_value());
}

TEST_CASE("memory grows with the message, stays within the bound, and is let go with the file") {
    for (const std::size_t memory :
         {std::size_t{10'000}, std::size_t{121'000}, std::size_t{200'000}, limits::spool_memory}) {
        CAPTURE(memory);
        Spills spills;
        Spool spool(spills.factory(), memory);
        CHECK(spool.held() == 0);
        append_in_pieces(spool, noise(2000), 100);
        CHECK(spool.held() <= 4000);
        const std::string text = noise(3 * memory);
        for (std::size_t at = 0; at < text.size(); at += 1000) {
            REQUIRE(spool.append(std::string_view(text).substr(at, 1000)).has_value());
            CHECK(spool.held() <= memory);
            if (spills.made != 0) CHECK(spool.held() <= 5 * limits::read_block);
        }
        CHECK(spills.made == 1);
        CHECK(rest_of(spool).size() == spool.size());
        CHECK(spool.held() <= 6 * limits::read_block);
    }
}

TEST_CASE("a device that sends octet by octet costs no write for each") {
    Spills spills;
    Spool spool(spills.factory(), 200'000);
    append_in_pieces(spool, noise(200'001), 50'000);
    const std::size_t before = spills.appends;
    spills.smallest_append = static_cast<std::size_t>(-1);
    append_in_pieces(spool, noise(1'000'000), 10);
    CHECK(spills.appends - before <= 1'000'000 / (64 * 1024));
    CHECK(spills.smallest_append >= 64 * 1024);
}

TEST_CASE("reading and appending may take turns, also across the moment of the spill") {
    const std::string text = noise(500'000);
    std::minstd_rand random(3);
    for (const std::size_t memory : {std::size_t{0}, std::size_t{50'000}, std::size_t{200'000}}) {
        Spills spills;
        Spool spool(spills.factory(), memory);
        std::string read;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t piece = std::min<std::size_t>(random() % 30'000, text.size() - at);
            REQUIRE(spool.append(std::string_view(text).substr(at, piece)).has_value());
            at += piece;
            if (random() % 3 == 0) {
                read += rest_of(spool);
                CHECK(read.size() == at);
            } else {
                read += *spool.next();
            }
        }
        read += rest_of(spool);
        CHECK(read == text);
    }
}

TEST_CASE("a failure at any step is told, stays, and frees what was held") {
    const std::string text = noise(400'000);
    std::size_t steps = 0;
    for (bool failed = true; failed; ++steps) {
        Spills spills;
        spills.until_failure = steps;
        Spool spool(spills.factory(), 100'000);
        std::optional<Error> error;
        for (std::size_t at = 0; at < text.size() && !error; at += 9'000)
            if (auto done = spool.append(std::string_view(text).substr(at, 9'000)); !done)
                error = done.error();
        while (!error) {
            const auto piece = spool.next();
            if (!piece) error = piece.error();
            if (!piece || piece->empty()) break;
        }
        failed = error.has_value();
        if (!failed) break;
        CHECK(error->text.find("memory") != std::string::npos);
        CHECK(spills.open == 0);
        CHECK(spool.held() == 0);
        // The system has room again, but the message has a hole.
        spills.until_failure = 1000;
        const auto more = spool.append("x");
        REQUIRE_FALSE(more.has_value());
        CHECK(more.error().text == error->text);
        spool.rewind();
        const auto piece = spool.next();
        REQUIRE_FALSE(piece.has_value());
        CHECK(piece.error().text == error->text);
    }
    // Making, five writes and more, and the reads.
    CHECK(steps > 20);
}

TEST_CASE("a file that has lost octets is an error, and not a shorter message") {
    Spills spills;
    spills.loses_octets = true;
    Spool spool(spills.factory(), 10);
    REQUIRE(spool.append(noise(20)).has_value());
    CHECK_FALSE(spool.next().has_value());
}

TEST_CASE("the file goes with the spool") {
    Spills spills;
    {
        Spool spool(spills.factory(), 10);
        REQUIRE(spool.append(noise(20)).has_value());
        CHECK(spills.open == 1);
    }
    CHECK(spills.open == 0);
}

}  // namespace waxseal::relay
