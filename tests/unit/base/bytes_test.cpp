// The byte queue: what goes in comes out, in order, as one view; and an empty queue is small.
#include "base/bytes.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

using waxseal::ByteQueue;
using namespace std::literals;

TEST_CASE("bytes: appended and consumed in order") {
    ByteQueue queue;
    CHECK(queue.empty());
    CHECK(queue.size() == 0);
    CHECK(queue.front().empty());
    queue.append("abc");
    queue.append("\0def"sv);
    CHECK(queue.size() == 7);
    CHECK(queue.front() == "abc\0def"sv);
    queue.consume(0);
    queue.consume(2);
    CHECK(queue.front() == "c\0def"sv);
    queue.append("g");
    CHECK(queue.front() == "c\0defg"sv);
    queue.consume(6);
    CHECK(queue.empty());
    queue.append("h");
    CHECK(queue.front() == "h");
}

TEST_CASE("bytes: consume does not move what is left") {
    ByteQueue queue;
    queue.append(std::string(5000, 'x') + "tail");
    const std::string_view view = queue.front();
    queue.consume(5000);
    CHECK(queue.front().data() == view.data() + 5000);
    CHECK(view.substr(5000) == "tail");
}

TEST_CASE("bytes: a queue that is never empty does not grow with what passes through it") {
    ByteQueue queue;
    std::string expected;
    queue.append("0");
    expected = "0";
    const char* far = queue.front().data();
    std::size_t moves = 0;
    for (int i = 0; i < 10000; ++i) {
        const std::string piece(static_cast<std::size_t>(i % 90 + 1),
                                static_cast<char>('a' + i % 26));
        queue.append(piece);
        expected += piece;
        if (queue.front().data() < far) ++moves;
        far = queue.front().data();
        const std::size_t eaten = queue.size() - 1;
        CHECK(queue.front() == expected);
        queue.consume(eaten);
        expected.erase(0, eaten);
    }
    CHECK(queue.front() == expected);
    CHECK(moves > 100);
}

TEST_CASE("bytes: clear and wipe empty it, and it can be used again") {
    ByteQueue queue;
    queue.append("secret");
    queue.consume(1);
    queue.wipe();
    CHECK(queue.empty());
    queue.append("x");
    queue.clear();
    CHECK(queue.empty());
    queue.append("y");
    CHECK(queue.front() == "y");
}

TEST_CASE("bytes: wipe overwrites, also what was consumed before") {
    ByteQueue queue;
    queue.append("hunter2 hunter2");
    const char* memory = queue.front().data();
    queue.consume(8);
    queue.wipe();
    // A block this small is kept, so the memory is still the queue's.
    for (std::size_t i = 0; i < 15; ++i) CHECK(memory[i] == '\0');
}

TEST_CASE("bytes: what was wiped, and what was moved, is overwritten where it was") {
    const std::string secret = "a password that is not short";
    ByteQueue queue;
    queue.append(std::string(400, 'x'));  // stays within what a queue keeps
    queue.wipe();
    queue.append(secret + "rest");
    const char* const memory = queue.front().data();
    queue.wipe(secret.size());
    CHECK(queue.front() == "rest");
    for (std::size_t i = 0; i < secret.size(); ++i) CHECK(memory[i] == '\0');
    // Moved to the front: what is behind the new end is no copy of it.
    queue.append(std::string(300, 'y'));
    queue.consume(queue.size() - 4);
    queue.append("tail");
    queue.append(std::string(100, 'z'));
    CHECK(queue.front() == "yyyytail" + std::string(100, 'z'));
    REQUIRE(queue.front().data() == memory);
    CHECK(std::string_view(memory + 108, 100).find_first_not_of('\0') == std::string_view::npos);
    queue.wipe(queue.size());
    CHECK(queue.empty());
}

TEST_CASE("bytes: moved and swapped with their block") {
    ByteQueue one;
    one.append(std::string(1000, 'x') + "one");
    one.consume(1000);
    const char* const memory = one.front().data();
    ByteQueue two(std::move(one));
    CHECK(two.front() == "one");
    CHECK(two.front().data() == memory);
    ByteQueue three;
    three.append("three");
    three.swap(two);
    CHECK(two.front() == "three");
    CHECK(three.front().data() == memory);
    three = std::move(two);
    CHECK(three.front() == "three");
    ByteQueue empty;
    three = std::move(empty);
    CHECK(three.empty());
    three.append("again");
    CHECK(three.front() == "again");
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("bytes: chunks use the same few blocks again, also those of other queues") {
    std::set<const char*> blocks;
    const std::string chunk(16'000, 'c');
    for (int i = 0; i < 1000; ++i) {
        ByteQueue from;
        from.append(chunk);
        blocks.insert(from.front().data());
        ByteQueue to;
        to.append(from.front().substr(0, 10'000));
        to.append(from.front().substr(10'000));
        blocks.insert(to.front().data());
        from.consume(chunk.size());
        CHECK(to.front() == chunk);
    }
    CHECK(blocks.size() <= 8);
}
#endif
