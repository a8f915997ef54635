// Tolerant reading: what is understood, as what, and under which name it is told; and what stays an
// error because it could mean two things. Whatever is accepted is a path of the strict grammar.
#include "smtp/tolerance.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "smtp/command.hpp"
#include "smtp/parameters.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace std::literals;
using Lines = std::vector<std::string>;

namespace {

constexpr auto reverse = PathKind::reverse;
constexpr auto forward = PathKind::forward;
constexpr std::string_view own = "relay.test";

std::string listed(const Repairs& repairs) {
    std::string all;
    for (const std::string_view name : repairs.names()) all.append(all.empty() ? "" : " ") += name;
    return all;
}

// "<a@b>|rest|repairs", or "-" and no repair.
std::string read(std::string_view text, PathKind kind) {
    Repairs repairs;
    const auto parsed = read_path(text, kind, own, repairs);
    if (!parsed) {
        CHECK(repairs.empty());
        CHECK_FALSE(parsed.error().reason.empty());
        return "-";
    }
    // Canonical: the strict parser takes it, and it stays what it is.
    const auto again = parse_path(parsed->path.text(), kind);
    REQUIRE(again.has_value());
    CHECK(again->path == parsed->path);
    return parsed->path.text() + "|" + std::string(parsed->rest) + "|" + listed(repairs);
}

struct Row {
    std::string_view text, read;
};

// The same with a tolerant reader that the server machine has.
template <typename Chunks>
Lines read_lines(const Chunks& chunks, std::size_t limit) {
    LineReader reader(limit, LineReader::Ends::lf_too);
    ByteQueue buffer;
    Lines lines;
    for (const std::string_view chunk : chunks) {
        buffer.append(chunk);
        for (;;) {
            const auto result = reader.find(buffer.front());
            if (const auto* line = std::get_if<LineReader::Line>(&result)) {
                lines.push_back(std::string(line->text) + (line->bare_lf ? "<LF>" : "<CRLF>"));
                buffer.consume(line->length);
            } else if (const auto* too_long = std::get_if<LineReader::TooLong>(&result)) {
                lines.emplace_back("<too long>");
                buffer.consume(too_long->length);
            } else if (const auto* illegal = std::get_if<LineReader::Illegal>(&result)) {
                lines.push_back("<" + std::string(illegal->what) + ">");
                return lines;
            } else if (std::holds_alternative<LineReader::Endless>(result)) {
                lines.emplace_back("<endless>");
                return lines;
            } else {
                buffer.consume(std::get<LineReader::NeedInput>(result).discard);
                break;
            }
        }
    }
    return lines;
}

}  // namespace

TEST_CASE("tolerance: what the grammar has is read as the strict parser does, with no repair") {
    for (const Row& row : {
             Row{"<a@b>", "<a@b>||"},
             Row{"<@h,@i:a@b>", "<a@b>||"},
             Row{"<\"a b\"@c>", "<\"a b\"@c>||"},
             Row{"<\"a>b\"@c>", "<\"a>b\"@c>||"},
             Row{"<'a'@b>", "<'a'@b>||"},
             Row{"<jos\xc3\xa9@b>", "<jos\xc3\xa9@b>||"},
         }) {
        CAPTURE(row.text);
        CHECK(read(row.text, reverse) == row.read);
        CHECK(read(row.text, forward) == row.read);
    }
    CHECK(read("<>", reverse) == "<>||");
    CHECK(read("<postmaster>", forward) == "<postmaster>||");
}

TEST_CASE("tolerance: brackets that are missing, or have white space in or before them") {
    for (const Row& row : {
             Row{"a@b", "<a@b>||no_brackets"},
             Row{" a@b", "<a@b>||space_around_colon no_brackets"},
             Row{"\ta@b\t", "<a@b>||space_around_colon no_brackets"},
             Row{"a@b SIZE=1 X", "<a@b>| SIZE=1 X|no_brackets"},
             Row{"a@b\tSIZE=1", "<a@b>|\tSIZE=1|no_brackets"},
             Row{"<a@b", "<a@b>||no_brackets"},
             Row{" <a@b SIZE=1", "<a@b>| SIZE=1|space_around_colon no_brackets"},
             Row{"a@b>", "<a@b>||no_brackets"},
             Row{"a@b> SIZE=1", "<a@b>| SIZE=1|no_brackets"},
             Row{"@h,@i:a@b", "<a@b>||no_brackets"},
             Row{" <a@b> SIZE=1", "<a@b>| SIZE=1|space_around_colon"},
             Row{"\t<a@b>", "<a@b>||space_around_colon"},
             Row{"<a@b>\tSIZE=1", "<a@b>|\tSIZE=1|path_extracted"},
             Row{"< a@b>", "<a@b>||path_extracted"},
             Row{"<a@b >", "<a@b>||path_extracted"},
             Row{"<\ta@b\t> SIZE=1", "<a@b>| SIZE=1|path_extracted"},
             Row{"< \"a b\"@c >", "<\"a b\"@c>||path_extracted"},
         }) {
        CAPTURE(row.text);
        CHECK(read(row.text, reverse) == row.read);
        CHECK(read(row.text, forward) == row.read);
    }
}

TEST_CASE("tolerance: names, quotes and more brackets around one address") {
    for (const Row& row : {
             Row{"Name <a@b>", "<a@b>||path_extracted"},
             Row{"First Last\t<a@b> SIZE=1", "<a@b>| SIZE=1|path_extracted"},
             Row{"\"Name\" <a@b>", "<a@b>||path_extracted"},
             Row{"\"Last, First\"<a@b>", "<a@b>||path_extracted"},
             Row{"'Name' <a@b>", "<a@b>||path_extracted"},
             Row{"<Name <a@b>>", "<a@b>||path_extracted"},
             Row{"<\"Name\" <a@b>> SIZE=1", "<a@b>| SIZE=1|path_extracted"},
             Row{"<<a@b>>", "<a@b>||path_extracted"},
             Row{"< < <a@b>>>", "<a@b>||path_extracted"},
             Row{"<'a@b'>", "<a@b>||path_extracted"},
             Row{"<\"a@b\">", "<a@b>||path_extracted"},
             Row{"<\" 'a@b' \">", "<a@b>||path_extracted"},
             Row{"'a@b'", "<a@b>||no_brackets path_extracted"},
             Row{"\"a@b\" SIZE=1", "<a@b>| SIZE=1|no_brackets path_extracted"},
             Row{"a@b <a@b>", "<a@b>||path_extracted"},
             Row{"A@B <a@b>", "<a@b>||path_extracted"},
             Row{"\"a@b\" <a@b>", "<a@b>||path_extracted"},
             Row{"<a@b <a@b>>", "<a@b>||path_extracted"},
             Row{"Name <@h:a@b>", "<a@b>||path_extracted"},
         }) {
        CAPTURE(row.text);
        CHECK(read(row.text, reverse) == row.read);
        CHECK(read(row.text, forward) == row.read);
    }
}

TEST_CASE("tolerance: local parts that are legal as quoted strings, and the dot of the root") {
    for (const Row& row : {
             Row{"<host.@example.com>", "<\"host.\"@example.com>||local_part_quoted"},
             Row{"host.@example.com", "<\"host.\"@example.com>||no_brackets local_part_quoted"},
             Row{"Name <.a@b>", "<\".a\"@b>||path_extracted local_part_quoted"},
             Row{"<a..b@c>", "<\"a..b\"@c>||local_part_quoted"},
             Row{"<.@b>", "<\".\"@b>||local_part_quoted"},
             Row{"<a@b.>", "<a@b>||path_extracted"},
             Row{"a@b.", "<a@b>||no_brackets"},
             Row{"<a.@b.>", "<\"a.\"@b>||local_part_quoted"},
         }) {
        CAPTURE(row.text);
        CHECK(read(row.text, reverse) == row.read);
        CHECK(read(row.text, forward) == row.read);
    }
    const std::string longest(limits::local_part - 2, '.');
    CHECK(read("<" + longest + "@b>", forward) == "<\"" + longest + "\"@b>||local_part_quoted");
    CHECK(read("<." + longest + "@b>", forward) == "-");
}

TEST_CASE("tolerance: a sender without a domain gets ours, a recipient does not") {
    for (const Row& row : {
             Row{"<root>", "<root@relay.test>||unqualified_sender"},
             Row{"root", "<root@relay.test>||no_brackets unqualified_sender"},
             Row{"<'root'>", "<root@relay.test>||path_extracted unqualified_sender"},
             Row{"Printer <scanner>", "<scanner@relay.test>||path_extracted unqualified_sender"},
             Row{"<host.>", "<\"host.\"@relay.test>||local_part_quoted unqualified_sender"},
         }) {
        CAPTURE(row.text);
        CHECK(read(row.text, reverse) == row.read);
        CHECK(read(row.text, forward) == "-");
    }
    CHECK(read("postmaster", forward) == "<postmaster>||no_brackets");
    CHECK(read("Name <postmaster>", forward) == "<postmaster>||path_extracted");
    CHECK(read("root SIZE=1", reverse) ==
          "<root@relay.test>| SIZE=1|no_brackets unqualified_sender");
    for (const std::string_view nobody : {"< >"sv, "<\t>"sv, "<<>>"sv}) {
        CAPTURE(nobody);
        CHECK(read(nobody, reverse) == "<>||path_extracted");
        CHECK(read(nobody, forward) == "-");
    }
    // With a name of our own that is none, there is nothing to add.
    Repairs repairs;
    CHECK_FALSE(read_path("<root>", reverse, "", repairs).has_value());
    CHECK(repairs.empty());
}

TEST_CASE("tolerance: what could mean two things, or nothing, stays an error") {
    constexpr std::string_view rows[] = {
        "",
        " ",
        "<",
        ">",
        "''",
        "> a@b <",
        ">a@b",
        "<<a@b>",
        "<a@b>>",
        // Two addresses.
        "a@b <c@d>",
        "\"a@b\" <c@d>",
        "<a@b <c@d>>",
        "<a@b><c@d>",
        "<a@b>,<c@d>",
        "Name <a@b> <c@d>",
        "a@b,c@d",
        "a@b, c@d",
        "a@b; c@d",
        "<a@b,c@d>",
        "<a@b;c@d>",
        "<a@b c@d>",
        "a@b@c",
        "<a@b@c>",
        // A name and an address that nothing keeps apart.
        "Name a@b",
        "<Name a@b>",
        "First Last a@b",
        "root X=1",
        "<''>",
        "<\"\">",
        "Name <>",
        "Name <>  SIZE=1",
        "\"a b\"@c",
        // The address may go on behind the bracket.
        "<a@b>x",
        "<a@b>.example.com",
        "<a@b>c@d",
        // The percent hack, and what a local part cannot be even in quotes.
        "<u%d2@d>",
        "u%d2@d",
        "<u%d2.@d>",
        "<a:b@c>",
        "<mailto:a@b>",
        "<a(x)@b>",
        "<a\\.@b>",
        "<\"a@b>",
        "<jos\xc3\xa9.@b>",
        // Domains.
        "<a@>",
        "<@b>",
        "<a@.b>",
        "<a@b..>",
        "<a@-b>",
        "<a@b c>",
        "a@[192.0.2.256]",
        // Control characters, wherever.
        "a\x01@b",
        "<a\x01@b>",
        "<a.\x01@b>",
        "<a@b\x1b>",
        "a@b\x7f",
        "<a\r@b>",
        "<a@b\n>",
        "<a\0@b>"sv,
        "<a\tb@c>",
        "<\"a\tb\"@c>",
        "Name <a\x02@b>",
        "<a@b>\x01",
    };
    for (const std::string_view text : rows) {
        CAPTURE(text);
        CHECK(read(text, reverse) == "-");
        CHECK(read(text, forward) == "-");
    }
    // Here the second one is what is left, and no parameter.
    for (const PathKind kind : {reverse, forward}) {
        CHECK(read("a@b c@d", kind) == "<a@b>| c@d|no_brackets");
        CHECK(read("<a@b> <c@d>", kind) == "<a@b>| <c@d>|");
        for (const std::string_view second : {" c@d"sv, " <c@d>"sv}) {
            Repairs repairs;
            const std::string kept = keep_parameters(second, kind, repairs);
            CHECK(kept == second);
            CHECK(repairs.empty());
            CHECK_FALSE(parse_mail_parameters(kept).has_value());
            CHECK_FALSE(parse_rcpt_parameters(kept).has_value());
        }
    }
}

TEST_CASE("tolerance: a parameter that came too close to the bracket") {
    CHECK(read("<a@b>SIZE=1 X", reverse) == "<a@b>|SIZE=1 X|path_extracted");
    CHECK(read("<a@b>notify=NEVER", forward) == "<a@b>|notify=NEVER|path_extracted");
    CHECK(read("<a@b>SIZE=1", forward) == "-");
    CHECK(read("<a@b>ODD=1", reverse) == "-");
}

TEST_CASE("tolerance: a reason quotes nothing of what was sent") {
    for (const std::string_view text :
         {"evil <evil@evil evil>"sv, "<evil\x1b@b>"sv, "evil evil"sv}) {
        Repairs repairs;
        const auto parsed = read_path(text, forward, own, repairs);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().reason.find("evil") == std::string::npos);
    }
}

TEST_CASE("tolerance: parameters that mean nothing to anybody go, those that promise stay") {
    struct Parameters {
        std::string_view text;
        PathKind kind;
        std::string_view kept;
        bool dropped;
    };
    for (const Parameters& row : {
             Parameters{"", reverse, "", false},
             {" \t ", reverse, "", false},
             {" SIZE=1", reverse, " SIZE=1", false},
             {"\tsize=1\t BODY=8bitmime  ", reverse, " size=1 BODY=8bitmime", false},
             {"SIZE=1", reverse, " SIZE=1", false},
             {" SMTPUTF8 RET=HDRS ENVID=x", reverse, " SMTPUTF8 RET=HDRS ENVID=x", false},
             {" NOTIFY=NEVER ORCPT=rfc822;a@b", forward, " NOTIFY=NEVER ORCPT=rfc822;a@b", false},
             // Not ours, or not of this command.
             {" X-ODD=1 SIZE=1 ODD", reverse, " SIZE=1", true},
             {" XDEBUG", forward, "", true},
             {" SIZE=1", forward, "", true},
             {" NOTIFY=NEVER", reverse, "", true},
             // Without sense.
             {" SIZE", reverse, "", true},
             {" SIZE=", reverse, "", true},
             {" SIZE=unknown", reverse, "", true},
             {" SIZE=-1", reverse, "", true},
             {" BODY=", reverse, "", true},
             {" BODY=QUOTED-PRINTABLE", reverse, "", true},
             {" AUTH", reverse, "", true},
             {" AUTH=", reverse, "", true},
             {" AUTH=+0Ax", reverse, "", true},
             {" AUTH=a=b", reverse, "", true},
             {" AUTH=<>", reverse, " AUTH=<>", false},
             {" AUTH=a@b", reverse, " AUTH=a@b", false},
             // The strict parser says what is wrong with these.
             {" BODY=BINARYMIME", reverse, " BODY=BINARYMIME", false},
             {" REQUIRETLS", reverse, " REQUIRETLS", false},
             {" HOLDFOR=60", reverse, " HOLDFOR=60", false},
             {" HOLDUNTIL=x", reverse, " HOLDUNTIL=x", false},
             {" by=120;R", reverse, " by=120;R", false},
             {" RET=SOME", reverse, " RET=SOME", false},
             {" NOTIFY=PERHAPS", forward, " NOTIFY=PERHAPS", false},
             {" a@b", reverse, " a@b", false},
             {" <a@b>", forward, " <a@b>", false},
             {" =1", reverse, " =1", false},
             {" \x01=1", reverse, " \x01=1", false},
         }) {
        CAPTURE(row.text);
        Repairs repairs;
        const std::string kept = keep_parameters(row.text, row.kind, repairs);
        CHECK(kept == row.kept);
        CHECK(listed(repairs) == (row.dropped ? "parameter_dropped" : ""));
        // Once is enough.
        Repairs again;
        CHECK(keep_parameters(kept, row.kind, again) == kept);
        CHECK(again.empty());
    }
    for (const std::string_view refused :
         {" BODY=BINARYMIME"sv, " REQUIRETLS"sv, " HOLDFOR=60"sv, " HOLDUNTIL=x"sv, " BY=120;R"sv,
          " RET=SOME"sv, " a@b"sv, " =1"sv, " \x01=1"sv, " ENVID=\x01"sv, " SIZE=1 SIZE=1"sv}) {
        CAPTURE(refused);
        Repairs repairs;
        CHECK_FALSE(parse_mail_parameters(keep_parameters(refused, reverse, repairs)).has_value());
    }
}

TEST_CASE("tolerance: white space before and in a command") {
    struct Command {
        std::string_view line, tidy;
        bool leading;
    };
    for (const Command& row : {
             Command{"NOOP", "NOOP", false},
             {"", "", false},
             {" NOOP", "NOOP", true},
             {"\t \tNOOP ", "NOOP ", true},
             {" \t", "", true},
             {"MAIL\tFROM:\t<a@b>\tSIZE=1", "MAIL FROM: <a@b> SIZE=1", false},
             {"MAIL FROM:<\"a\tb\"@c>", "MAIL FROM:<\"a\tb\"@c>", false},
             {" RCPT\tTO:\"N\"\t<a@b>", "RCPT TO:\"N\"\t<a@b>", true},
         }) {
        CAPTURE(row.line);
        std::string line(row.line);
        Repairs repairs;
        tidy_command(line, repairs);
        CHECK(line == row.tidy);
        CHECK(listed(repairs) == (row.leading ? "leading_space" : ""));
    }
    CHECK(tidy_response(" \tdXNlcg==\t ") == "dXNlcg==");
    CHECK(tidy_response("\t ").empty());
    CHECK(tidy_response("*") == "*");
}

TEST_CASE("tolerance: another name of LOGIN") {
    CHECK(mechanism_meant("MS-XLOGIN") == "LOGIN");
    CHECK(mechanism_meant("ms-xlogin") == "LOGIN");
    CHECK(mechanism_meant("XLOGIN") == "XLOGIN");
    CHECK(mechanism_meant("PLAIN") == "PLAIN");
    CHECK(mechanism_meant("").empty());
}

TEST_CASE("tolerance: lines end in CRLF or LF, mixed as they come, at every chunking") {
    struct Input {
        std::string_view octets;
        Lines lines;
    };
    for (const Input& row : {
             Input{"", {}},
             {"NOOP", {}},
             {"NOOP\r", {}},
             {"NOOP\n", {"NOOP<LF>"}},
             {"NOOP\r\n", {"NOOP<CRLF>"}},
             {"\n\r\n\n", {"<LF>", "<CRLF>", "<LF>"}},
             {"EHLO a\nNOOP\r\nQUIT\nx", {"EHLO a<LF>", "NOOP<CRLF>", "QUIT<LF>"}},
             {"DATA\n.\n", {"DATA<LF>", ".<LF>"}},
             // A CR is half of a CRLF or nothing.
             {"NOOP\rQUIT\n", {"<bare CR>"}},
             {"NOOP\r\r\n", {"<bare CR>"}},
             {"\r", {}},
             {"NOOP\n\rQUIT\n", {"NOOP<LF>", "<bare CR>"}},
             {"NOOP\0\n"sv, {"<NUL>"}},
             {"NOOP\n\0"sv, {"NOOP<LF>", "<NUL>"}},
             {"NOOP\r\0\n"sv, {"<bare CR>"}},
             // Nothing else ends a line.
             {"a\x0b\x0c\x85\xe2\x80\xa8 \t\n", {"a\x0b\x0c\x85\xe2\x80\xa8 \t<LF>"}},
         }) {
        CAPTURE(row.octets);
        testing::for_each_split(row.octets, [&](const testing::Chunks& chunks) {
            CHECK(read_lines(chunks, 40) == row.lines);
        });
    }
}

TEST_CASE("tolerance: the tail of an over-long line is never a line, whatever ends it") {
    struct Input {
        std::string_view octets;
        Lines lines;
    };
    for (const Input& row : {
             Input{"123456789\n", {"123456789<LF>"}},
             {"1234567890\n", {"<too long>"}},
             {"12345678\r\n", {"12345678<CRLF>"}},
             {"123456789\r\n", {"<too long>"}},
             {"1234567890QUIT\nRSET\n", {"<too long>", "RSET<LF>"}},
             {"1234567890QUIT\nRSET\r\n", {"<too long>", "RSET<CRLF>"}},
             {"123456789012345678901234567890\n12345678901234\nNOOP\r\n",
              {"<too long>", "<too long>", "NOOP<CRLF>"}},
             {"12345678901234\rQUIT\n", {"<bare CR>"}},
             {"12345678901234\0QUIT\n"sv, {"<NUL>"}},
         }) {
        CAPTURE(row.octets);
        testing::for_each_split(row.octets, [&](const testing::Chunks& chunks) {
            CHECK(read_lines(chunks, 10) == row.lines);
        });
    }
}
