// Replies: written within the limits and without a way to begin a line of one's own; cleaned of
// what an upstream may have put in; parsed strictly, within bounds, and the same at any chunking.
#include "smtp/reply.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;

namespace {

struct Parsed {
    std::vector<Reply> replies;
    std::string error;
    std::size_t buffered = 0;
    friend bool operator==(const Parsed&, const Parsed&) = default;
};

template <typename Chunks>
Parsed parse(const Chunks& chunks) {
    ReplyParser parser;
    Parsed result;
    for (const std::string_view chunk : chunks) {
        parser.receive(chunk);
        for (;;) {
            auto next = parser.next();
            if (auto* reply = std::get_if<Reply>(&next)) {
                result.replies.push_back(std::move(*reply));
                continue;
            }
            if (const auto* error = std::get_if<ReplyParser::ParseError>(&next))
                result.error = error->reason;
            break;
        }
    }
    result.buffered = parser.buffered();
    return result;
}

Parsed parse_whole(std::string_view bytes) { return parse(std::vector{bytes}); }

std::vector<std::string> lines_of(std::string_view wire) {
    std::vector<std::string> lines;
    while (!wire.empty()) {
        const std::size_t end = wire.find("\r\n");
        REQUIRE(end != std::string_view::npos);
        lines.emplace_back(wire.substr(0, end));
        wire.remove_prefix(end + 2);
    }
    return lines;
}

}  // namespace

TEST_CASE("reply: written") {
    CHECK(write(make_reply(250, {2, 1, 0}, "Ok")) == "250 2.1.0 Ok\r\n");
    CHECK(write(make_reply(354, "End data")) == "354 End data\r\n");
    CHECK(write(make_reply(334, "")) == "334 \r\n");
    CHECK(write(make_reply(250, {2, 0, 0}, "")) == "250 2.0.0 \r\n");
    CHECK(write({550, EnhancedCode{5, 1, 1}, {"a", "b", "c"}}) ==
          "550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n");
    CHECK(write({250, {}, {"host", "", "x"}}) == "250-host\r\n250-\r\n250 x\r\n");
    CHECK(write({421, EnhancedCode{4, 3, 2}, {}}) == "421 4.3.2 \r\n");
}

TEST_CASE("reply: no text can begin a line of its own") {
    const Reply reply = make_reply(550, {5, 0, 0}, "a\r\n250 ok\r\nb\0c\x1b[2J\x7f\td\xc3\xa9"sv);
    CHECK(write(reply) == "550 5.0.0 a??250 ok??b?c?[2J?\td\xc3\xa9\r\n");
}

TEST_CASE("reply: long text goes on, on lines of the same reply") {
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word" + std::to_string(i) + " ";
    for (const std::string& text : {words, std::string(2000, 'x'), std::string(511, ' ') + "x"}) {
        const std::string wire = write(make_reply(550, {5, 7, 1}, text));
        std::string together;
        const auto lines = lines_of(wire);
        CHECK(lines.size() > 1);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            CHECK(lines[i].size() + 2 <= limits::written_reply_line);
            CHECK(lines[i].substr(0, 10) == (i + 1 < lines.size() ? "550-5.7.1 " : "550 5.7.1 "));
            together += lines[i].substr(10);
        }
        const auto without_spaces = [](std::string s) {
            std::erase(s, ' ');
            return s;
        };
        CHECK(without_spaces(together) == without_spaces(text));
        CHECK(parse_whole(wire).replies.size() == 1);
    }
    CHECK(lines_of(write(make_reply(250, std::string(506, 'x')))).size() == 1);
    CHECK(lines_of(write(make_reply(250, std::string(507, 'x')))).size() == 2);
}

TEST_CASE("reply: words are not broken where a space is near") {
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word ";
    for (const std::string& line : lines_of(write(make_reply(250, words))))
        CHECK((line.ends_with("word") || line.ends_with("word ")));
}

TEST_CASE("reply: a challenge is one line whatever its length") {
    const std::string wire = write(make_reply(334, std::string(4000, 'A')));
    CHECK(lines_of(wire).size() == 1);
}

TEST_CASE("reply: cleaned for a downstream") {
    const Reply dirty{550, {}, {"a\rb\nc\0d\te\x1b\x7f\x7e\x80\xff"s, ""}};
    const Reply cleaned = clean(dirty);
    CHECK(cleaned.code == 550);
    CHECK(cleaned.enhanced == EnhancedCode{5, 0, 0});
    CHECK(cleaned.lines == std::vector<std::string>{"a?b?c?d e??~??", ""});

    CHECK(clean({250, {}, {"x"}}).enhanced == EnhancedCode{2, 0, 0});
    CHECK(clean({450, EnhancedCode{4, 7, 1}, {"x"}}).enhanced == EnhancedCode{4, 7, 1});
    CHECK(clean({450, EnhancedCode{5, 7, 1}, {"x"}}).enhanced == EnhancedCode{4, 0, 0});
    CHECK(clean({550, EnhancedCode{2, 0, 0}, {"x"}}).enhanced == EnhancedCode{5, 0, 0});
    CHECK_FALSE(clean({354, EnhancedCode{2, 0, 0}, {"x"}}).enhanced.has_value());
    CHECK(clean({250, {}, std::vector<std::string>(21, "x")}).lines.size() == 20);
    CHECK(clean({250, {}, {}}).lines.size() == 1);
}

TEST_CASE("reply: summed up for the log") {
    CHECK(summary({550, EnhancedCode{5, 1, 1}, {"No such user", "", "try again"}}) ==
          "550 5.1.1 No such user / try again");
    CHECK(summary({220, {}, {"hi"}}) == "220 hi");
    CHECK(summary({250, {}, {""}}) == "250");
}

TEST_CASE("reply: parsed, at every chunking") {
    struct Row {
        std::string_view bytes;
        std::vector<Reply> replies;
    };
    const Row rows[] = {
        {"250 ok\r\n", {{250, {}, {"ok"}}}},
        {"250\r\n", {{250, {}, {""}}}},
        {"250 \r\n", {{250, {}, {""}}}},
        {"250-\r\n250\r\n", {{250, {}, {"", ""}}}},
        {"220-a\r\n220 b c\r\n", {{220, {}, {"a", "b c"}}}},
        {"250 a\r\n354 b\r\n", {{250, {}, {"a"}}, {354, {}, {"b"}}}},
        {"250-2.1.0 x\r\n250 2.1.0 y\r\n", {{250, EnhancedCode{2, 1, 0}, {"x", "y"}}}},
        {"550-see below\r\n550 5.1.1 gone\r\n",
         {{550, EnhancedCode{5, 1, 1}, {"see below", "gone"}}}},
        {"550-5.7.1 a\r\n550 5.1.1 b\r\n", {{550, EnhancedCode{5, 7, 1}, {"a", "5.1.1 b"}}}},
        {"550 2.0.0 odd\r\n", {{550, EnhancedCode{2, 0, 0}, {"odd"}}}},
        {"450 4.999.123\r\n", {{450, EnhancedCode{4, 999, 123}, {""}}}},
        {"450 4.7.1234 x\r\n", {{450, {}, {"4.7.1234 x"}}}},
        {"450 3.7.1 x\r\n", {{450, {}, {"3.7.1 x"}}}},
        {"450 4.7 x\r\n", {{450, {}, {"4.7 x"}}}},
        {"450 4.7.1x\r\n", {{450, {}, {"4.7.1x"}}}},
        {"450 4..1 x\r\n", {{450, {}, {"4..1 x"}}}},
        {"450 44.7.1 x\r\n", {{450, {}, {"44.7.1 x"}}}},
        {"354 2.0.0 go\r\n", {{354, {}, {"2.0.0 go"}}}},
        {"334 VXNlcm5hbWU6\r\n", {{334, {}, {"VXNlcm5hbWU6"}}}},
        {"250 tab\there \xc3\xa9\x1b\r\n", {{250, {}, {"tab\there \xc3\xa9\x1b"}}}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes);
        testing::for_each_split(row.bytes, [&](const testing::Chunks& chunks) {
            CHECK(parse(chunks) == Parsed{row.replies, "", 0});
        });
    }
}

TEST_CASE("reply: refused, at every chunking with the same reason") {
    struct Row {
        std::string_view bytes, reason;
        std::size_t replies_before = 0;
    };
    constexpr Row rows[] = {
        {"250 ok\n", "LF"},
        {"\n", "LF"},
        {"250 ok\r\n\n", "LF", 1},
        {"250-a\n250 b\r\n", "LF"},
        {"250 a\rb\r\n", "CR"},
        {"250 a\r\r\n", "CR"},
        {"250 a\0b\r\n"sv, "NUL"},
        {"\0"sv, "NUL"},
        {"\r\n", "code"},
        {"2\r\n", "code"},
        {"25\r\n", "code"},
        {"25 ok\r\n", "code"},
        {"2500 ok\r\n", "code"},
        {"250ok\r\n", "code"},
        {"250_ok\r\n", "code"},
        {"250\tok\r\n", "code"},
        {" 250 ok\r\n", "code"},
        {"199 ok\r\n", "code"},
        {"150 ok\r\n", "code"},
        {"600 ok\r\n", "code"},
        {"260 ok\r\n", "code"},
        {"2a0 ok\r\n", "code"},
        {"25a ok\r\n", "code"},
        {"ok\r\n", "code"},
        {"HTTP/1.1 400 Bad Request\r\n", "code"},
        {"250-a\r\n251 b\r\n", "different"},
        {"250-a\r\n550 b\r\n", "different"},
        {"250-a\r\nb\r\n", "code"},
        {"220 hi\r\n\x16\x03\x01\0\n"sv, "NUL", 1},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes);
        const Parsed whole = parse_whole(row.bytes);
        CHECK(whole.error.find(row.reason) != std::string::npos);
        CHECK(whole.replies.size() == row.replies_before);
        testing::for_each_split(row.bytes, [&](const testing::Chunks& chunks) {
            const Parsed result = parse(chunks);
            CHECK(result.error == whole.error);
            CHECK(result.replies == whole.replies);
        });
    }
}

TEST_CASE("reply: a parser that broke stays broken, and takes nothing more") {
    ReplyParser parser;
    parser.receive("250 a\n");
    CHECK(std::holds_alternative<ReplyParser::ParseError>(parser.next()));
    const std::size_t held = parser.buffered();
    parser.receive("250 ok\r\n");
    CHECK(parser.buffered() == held);
    CHECK(std::holds_alternative<ReplyParser::ParseError>(parser.next()));
    parser.reset();
    CHECK(parser.buffered() == 0);
    parser.receive("250 ok\r\n");
    CHECK(std::holds_alternative<Reply>(parser.next()));
}

TEST_CASE("reply: what is buffered is seen, in each stage of a reply") {
    ReplyParser parser;
    CHECK(parser.buffered() == 0);
    parser.receive("220-a");
    CHECK(std::holds_alternative<ReplyParser::NeedInput>(parser.next()));
    CHECK(parser.buffered() == 5);
    parser.receive("\r\n");
    CHECK(std::holds_alternative<ReplyParser::NeedInput>(parser.next()));
    CHECK(parser.buffered() == 7);
    parser.receive("220 go\r\n250-evil\r\n");
    CHECK(std::holds_alternative<Reply>(parser.next()));
    CHECK(parser.buffered() == 10);
    CHECK(std::holds_alternative<ReplyParser::NeedInput>(parser.next()));
    CHECK(parser.buffered() == 10);
    parser.receive("250 evil\r\n");
    CHECK(std::holds_alternative<Reply>(parser.next()));
    CHECK(parser.buffered() == 0);
}

TEST_CASE("reply: bounds of a line, of the lines, and of the whole") {
    const auto line = [](std::size_t length) {  // with CRLF
        return "250-" + std::string(length - 6, 'x') + "\r\n";
    };
    const auto repeated = [](const std::string& text, std::size_t n) {
        std::string result;
        for (std::size_t i = 0; i < n; ++i) result += text;
        return result;
    };
    struct Row {
        std::string bytes;
        bool good;
    };
    const Row rows[] = {
        {line(limits::reply_line) + "250 x\r\n", true},
        {line(limits::reply_line + 1) + "250 x\r\n", false},
        {std::string(limits::reply_line + 1, '2'), false},
        {repeated("250-x\r\n", limits::reply_lines - 1) + "250 x\r\n", true},
        {repeated("250-x\r\n", limits::reply_lines) + "250 x\r\n", false},
        {repeated(line(4096), 15) + line(4096 - 7) + "250 x\r\n", true},
        {repeated(line(4096), 15) + line(4096 - 6) + "250 x\r\n", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes.size());
        for (const std::size_t size : {1UL, 100UL, 5000UL, 100000UL}) {
            std::vector<std::string_view> chunks;
            for (std::size_t i = 0; i < row.bytes.size(); i += size)
                chunks.push_back(std::string_view(row.bytes).substr(i, size));
            const Parsed result = parse(chunks);
            CHECK(result.error.empty() == row.good);
            CHECK(result.replies.size() == (row.good ? 1 : 0));
        }
    }
}

TEST_CASE("reply: what is written is read as the same") {
    const Reply rows[] = {
        make_reply(250, {2, 1, 0}, "Ok"),
        make_reply(354, "go"),
        {550, EnhancedCode{5, 1, 1}, {"a", "", "b c"}},
        {250, {}, {"host", "SIZE 1000", "PIPELINING"}},
    };
    for (const Reply& reply : rows) {
        const Parsed result = parse_whole(write(reply));
        REQUIRE(result.replies.size() == 1);
        CHECK(result.replies[0] == reply);
    }
}
