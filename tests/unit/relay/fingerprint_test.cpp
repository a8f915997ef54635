// The same message has the same fingerprint however it is cut, and any other has another.
#include "relay/fingerprint.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace waxseal::relay {

namespace {

Fingerprint of(std::initializer_list<std::string_view> parts, std::string_view body = {}) {
    Fingerprinter maker;
    for (const std::string_view part : parts) maker.add_part(part);
    maker.add(body);
    return maker.finish();
}

}  // namespace

TEST_CASE("any cutting of the body gives the same, in all that the hash treats apart") {
    std::minstd_rand random(5);
    for (const std::size_t size : {0U, 1U, 8U, 16U, 17U, 128U, 240U, 241U, 1000U, 70'000U}) {
        std::string body(size, '\0');
        for (char& c : body) c = static_cast<char>(random() >> 8U);
        const Fingerprint whole = of({"printer", "a@b"}, body);
        for (const std::size_t most : {1U, 3U, 64U, 300U, 20'000U}) {
            Fingerprinter maker;
            maker.add_part("printer");
            maker.add_part("a@b");
            for (std::string_view rest = body; !rest.empty();) {
                const std::size_t n = std::min<std::size_t>(1 + random() % most, rest.size());
                maker.add(rest.substr(0, n));
                maker.add({});
                rest.remove_prefix(n);
            }
            CHECK(maker.finish() == whole);
        }
        // One octet, anywhere.
        if (body.empty()) continue;
        std::string other = body;
        other[random() % size] ^= 1;
        CHECK(of({"printer", "a@b"}, other) != whole);
        CHECK(of({"printer", "a@b"}, body + '\0') != whole);
        CHECK(of({"printer", "a@c"}, body) != whole);
        CHECK(of({"scanner", "a@b"}, body) != whole);
    }
}

TEST_CASE("where a part ends, and where the body begins, is part of it") {
    const std::string length_of_b("\1\0\0\0\0\0\0\0", 8);
    const std::string mark(8, '\xff');
    const std::set<Fingerprint> all{of({}),
                                    of({""}),
                                    of({"", ""}),
                                    of({"ab", "c"}),
                                    of({"a", "bc"}),
                                    of({"abc"}),
                                    of({"abc", ""}),
                                    of({"", "abc"}),
                                    of({}, "abc"),
                                    of({"a"}, "bc"),
                                    of({"a", "b"}),
                                    of({"a"}, "b"),
                                    of({"a"}, length_of_b + "b"),
                                    of({"a" + length_of_b + "b"}),
                                    of({"a"}, mark + "b"),
                                    of({"a" + mark + "b"})};
    CHECK(all.size() == 16);
}

TEST_CASE("both halves are used, and asking changes nothing") {
    std::set<std::uint64_t> high;
    std::set<std::uint64_t> low;
    Fingerprinter maker;
    for (int i = 0; i < 1000; ++i) {
        maker.add("x");
        const Fingerprint now = maker.finish();
        CHECK(maker.finish() == now);
        CHECK(now.high != now.low);
        high.insert(now.high);
        low.insert(now.low);
    }
    CHECK(high.size() == 1000);
    CHECK(low.size() == 1000);
}

TEST_CASE("a maker may be moved in the middle") {
    Fingerprinter first;
    first.add_part("a");
    Fingerprinter second = std::move(first);
    second.add("b");
    Fingerprinter third;
    third = std::move(second);
    CHECK(third.finish() == of({"a"}, "b"));
}

TEST_CASE("the key is the process's own: no fingerprint is one of the public hash") {
    // XXH3-128 of nothing, unkeyed, as its specification has it.
    CHECK(Fingerprinter().finish() != Fingerprint{0x99aa06d3014798d8, 0x6001c324468d497f});
}

}  // namespace waxseal::relay
