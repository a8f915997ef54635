// Command lines: the same lines at any chunking, no tail of an over-long line is ever a line, and
// verbs recognised as widely as RFC 5321 4.1.1 wants and no wider.
#include "smtp/command.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;
using Events = std::vector<std::string>;

namespace {

// Reads all lines as the server machine does. "NOOP", "<too long>", "<bare LF>", "<endless>".
template <typename Chunks>
Events read_lines(const Chunks& chunks, std::size_t limit, std::size_t* most_buffered = nullptr) {
    LineReader reader(limit);
    ByteQueue buffer;
    Events events;
    for (const std::string_view chunk : chunks) {
        buffer.append(chunk);
        for (;;) {
            const auto result = reader.find(buffer.front());
            if (const auto* line = std::get_if<LineReader::Line>(&result)) {
                events.emplace_back(line->text);
                buffer.consume(line->length);
            } else if (const auto* too_long = std::get_if<LineReader::TooLong>(&result)) {
                events.emplace_back("<too long>");
                buffer.consume(too_long->length);
            } else if (const auto* illegal = std::get_if<LineReader::Illegal>(&result)) {
                events.push_back("<" + std::string(illegal->what) + ">");
                return events;
            } else if (std::holds_alternative<LineReader::Endless>(result)) {
                events.emplace_back("<endless>");
                return events;
            } else {
                buffer.consume(std::get<LineReader::NeedInput>(result).discard);
                break;
            }
        }
        if (most_buffered != nullptr) *most_buffered = std::max(*most_buffered, buffer.size());
    }
    return events;
}

// Chunks of one size, for inputs too long for every split.
std::vector<std::string_view> pieces(std::string_view bytes, std::size_t size) {
    std::vector<std::string_view> result;
    for (std::size_t i = 0; i < bytes.size(); i += size) result.push_back(bytes.substr(i, size));
    return result;
}

struct Row {
    std::string_view input;
    Events events;
};

}  // namespace

TEST_CASE("command: lines are cut at CRLF and at nothing else, at every chunking") {
    const Row rows[] = {
        {"", {}},
        {"NOOP", {}},
        {"NOOP\r", {}},
        {"NOOP\r\n", {"NOOP"}},
        {"\r\n", {""}},
        {"EHLO a\r\nNOOP\r\nQUIT\r\n", {"EHLO a", "NOOP", "QUIT"}},
        {"\x0b\x0c\x85\xe2\x80\xa8 \t\r\n", {"\x0b\x0c\x85\xe2\x80\xa8 \t"}},
        {"NOOP\nQUIT\r\n", {"<bare LF>"}},
        {"\nQUIT\r\n", {"<bare LF>"}},
        {"NOOP\r\n\nQUIT\r\n", {"NOOP", "<bare LF>"}},
        {"NOOP\rQUIT\r\n", {"<bare CR>"}},
        {"NOOP\r\r\n", {"<bare CR>"}},
        {"NOOP\0QUIT\r\n"sv, {"<NUL>"}},
        {"NOOP\r\0\n"sv, {"<bare CR>"}},
        {"\0NOOP\r\n"sv, {"<NUL>"}},
        {"MAIL FROM:<a@b>\rRCPT TO:<x@y>\r\n", {"<bare CR>"}},
        {"MAIL FROM:<a@b\nX: y>\r\n", {"<bare LF>"}},
        {"MAIL FROM:<a\0@b>\r\n"sv, {"<NUL>"}},
        {"MAIL FROM:<\"a\r\nb\"@c>\r\n", {"MAIL FROM:<\"a", "b\"@c>"}},
        // The second half of PROXY protocol's magic octets must not be a QUIT.
        {"\r\n\r\n\0\r\nQUIT\n"sv, {"", "", "<NUL>"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.input);
        testing::for_each_split(row.input, [&](const testing::Chunks& chunks) {
            CHECK(read_lines(chunks, 40) == row.events);
        });
    }
}

TEST_CASE("command: the tail of an over-long line is never a line, at every chunking") {
    const Row rows[] = {
        {"12345678\r\n", {"12345678"}},
        {"123456789\r\n", {"<too long>"}},
        {"1234567890\r\nQUIT\r\n", {"<too long>", "QUIT"}},
        {"1234567890QUIT\r\nRSET\r\n", {"<too long>", "RSET"}},
        {"123456789012345678901234567890123456789\r\nNOOP\r\n", {"<too long>", "NOOP"}},
        {"12345678901234567890\r\n12345678901234\r\n", {"<too long>", "<too long>"}},
        {"12345678901234\nQUIT\r\n", {"<bare LF>"}},
        {"12345678901234\rQUIT\r\n", {"<bare CR>"}},
        {"12345678901234\0QUIT\r\n"sv, {"<NUL>"}},
        {"123456789\r\r\n", {"<bare CR>"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.input);
        testing::for_each_split(row.input, [&](const testing::Chunks& chunks) {
            CHECK(read_lines(chunks, 10) == row.events);
        });
    }
}

TEST_CASE("command: an over-long line costs no memory, and is given up in the end") {
    const std::string line = "NOOP " + std::string(limits::command_discard - 7, 'x');
    for (const std::size_t size : {1UL, 3UL, 1000UL, 4096UL, 70000UL}) {
        CAPTURE(size);
        std::size_t most = 0;
        const std::string found = line + "\r\nRSET\r\n";
        CHECK(read_lines(pieces(found, size), 512, &most) == Events{"<too long>", "RSET"});
        CHECK(most <= 512 + size);
        const std::string endless = line + "x\r\nRSET\r\n";
        CHECK(read_lines(pieces(endless, size), 512) == Events{"<endless>"});
    }
}

TEST_CASE("command: another limit holds for the next lines, and does not revive a discarded one") {
    LineReader reader(10);
    reader.set_limit(40);
    CHECK(std::holds_alternative<LineReader::Line>(reader.find("12345678901234567890\r\n")));
    reader.set_limit(10);
    const auto discarded = reader.find("12345678901234567890");
    REQUIRE(std::holds_alternative<LineReader::NeedInput>(discarded));
    CHECK(std::get<LineReader::NeedInput>(discarded).discard == 20);
    reader.set_limit(100);
    CHECK(std::holds_alternative<LineReader::TooLong>(reader.find("QUIT\r\n")));
}

TEST_CASE("command: verbs and arguments") {
    struct VerbRow {
        std::string_view line;
        Verb verb;
        std::string_view argument;
    };
    const VerbRow rows[] = {
        {"EHLO a.example", Verb::ehlo, "a.example"},
        {"ehlo a", Verb::ehlo, "a"},
        {"HeLo", Verb::helo, ""},
        {"MAIL FROM:<a@b> SIZE=1", Verb::mail, "FROM:<a@b> SIZE=1"},
        {"RCPT  TO:<a@b>  ", Verb::rcpt, "TO:<a@b>"},
        {"DATA", Verb::data, ""},
        {"DATA ", Verb::data, ""},
        {"RSET", Verb::rset, ""},
        {"NOOP x  y", Verb::noop, "x  y"},
        {"QUIT   ", Verb::quit, ""},
        {"VRFY a", Verb::vrfy, "a"},
        {"EXPN a", Verb::expn, "a"},
        {"HELP", Verb::help, ""},
        {"starttls", Verb::starttls, ""},
        {"STARTTLS foo", Verb::starttls, "foo"},
        {"AUTH PLAIN =", Verb::auth, "PLAIN ="},
        {"BDAT 9 LAST", Verb::bdat, "9 LAST"},
        {"GET / HTTP/1.1", Verb::http, "/ HTTP/1.1"},
        {"POST / HTTP/1.1", Verb::http, "/ HTTP/1.1"},
        {"put /x", Verb::http, "/x"},
        {"HEAD /", Verb::http, "/"},
        {"CONNECT a:25", Verb::http, "a:25"},
        {"OPTIONS *", Verb::http, "*"},
        {"DELETE /", Verb::http, "/"},
        {"", Verb::unknown, ""},
        {" QUIT", Verb::unknown, ""},
        {"\tQUIT", Verb::unknown, ""},
        {"QUIT\t", Verb::unknown, ""},
        {"QUITX", Verb::unknown, ""},
        {"QUI", Verb::unknown, ""},
        {"EHLO\ta", Verb::unknown, ""},
        {"MAIL:FROM", Verb::unknown, ""},
        {"XCLIENT ADDR=127.0.0.1", Verb::unknown, ""},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2", Verb::proxy, "TCP4 1.2.3.4 1.2.3.4 1 2"},
        {"HTTP", Verb::unknown, ""},
        {"unknown", Verb::unknown, ""},
        {"\xc5\xbfTARTTLS", Verb::unknown, ""},  // U+017F, an s to some case foldings
    };
    for (const VerbRow& row : rows) {
        CAPTURE(row.line);
        const Command command = parse_command(row.line);
        CHECK(command.verb == row.verb);
        CHECK(command.argument == row.argument);
    }
}

TEST_CASE("command: the name of each verb is parsed as that verb") {
    for (std::size_t i = 0; i < verb_count; ++i) {
        const auto verb = static_cast<Verb>(i);
        if (verb == Verb::http) continue;
        CHECK(parse_command(to_string(verb)).verb == verb);
    }
    CHECK(to_string(Verb::http) == "HTTP");
}

TEST_CASE("command: FROM: and TO:") {
    CHECK(after_keyword("FROM:<a@b>", "FROM:") == "<a@b>");
    CHECK(after_keyword("from: <a@b> X", "FROM:") == " <a@b> X");
    CHECK_FALSE(after_keyword("FROM :<a@b>", "FROM:"));
    CHECK(after_keyword("To:", "TO:") == "");
    CHECK_FALSE(after_keyword("FROM<a@b>", "FROM:"));
    CHECK_FALSE(after_keyword("FROM", "FROM:"));
    CHECK_FALSE(after_keyword("FRO", "FROM:"));
    CHECK_FALSE(after_keyword("", "FROM:"));
    CHECK_FALSE(after_keyword("TO:<a@b>", "FROM:"));
    CHECK_FALSE(after_keyword("FROM\t:<a@b>", "FROM:"));
}
