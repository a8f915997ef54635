#include "message/folding.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/header_block.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::message;
using waxseal::testing::Chunks;

namespace {

std::string of(std::size_t count, char c) { return std::string(count, c); }

std::string folded(const std::string& field) {
    std::string out;
    const bool changed = fold_field(field, out);
    CHECK(changed == (out != field));
    return out;
}

struct Case {
    std::string before;
    std::string after;
};

// What holds for every field: no line too long, none blank, nothing left to do.
void check_lines(const std::string& field) {
    std::string_view rest = field;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        CHECK(line.ends_with("\r\n"));
        CHECK(line.size() <= 1000);
        CHECK_FALSE(blank(line));
    }
    CHECK(folded(field) == field);
}

std::string body_folded(const Chunks& chunks) {
    BodyFolder folder;
    std::string result;
    for (const std::string_view chunk : chunks) result += folder.fold(chunk);
    result += folder.finish();
    return result;
}

}  // namespace

TEST_CASE("folding: only lines above 998 octets") {
    const std::string most = "A: " + of(995, 'x') + "\r\n";
    CHECK(folded(most) == most);
    CHECK(folded(most + " b\r\n") == most + " b\r\n");
    CHECK(folded("A: b\r\n c\r\n") == "A: b\r\n c\r\n");
}

TEST_CASE("folding: at white space, else behind the colon, else anywhere") {
    const std::vector<Case> cases{
        // At the last white space, even if it is early.
        {"A: b " + of(900, 'x') + " " + of(200, 'y'),
         "A: b " + of(900, 'x') + "\r\n " + of(200, 'y')},
        {"A: b " + of(993, 'x') + " y", "A: b " + of(993, 'x') + "\r\n y"},
        {"A: b " + of(994, 'x') + " y", "A: b\r\n " + of(994, 'x') + " y"},
        {"A: b\t " + of(994, 'x'), "A: b\r\n\t " + of(994, 'x')},
        {"A: " + of(997, 'x'), "A:\r\n " + of(997, 'x')},
        {"A:" + of(997, 'x'), "A:\r\n " + of(997, 'x')},
        // In the middle of a word.
        {"A:" + of(1000, 'x'), "A:\r\n " + of(997, 'x') + "\r\n xxx"},
        {"A: b\r\n " + of(1000, 'x'), "A: b\r\n " + of(997, 'x') + "\r\n xxx"},
        {"A: b\r\n " + of(2000, 'x'),
         "A: b\r\n " + of(997, 'x') + "\r\n " + of(997, 'x') + "\r\n " + of(6, 'x')},
        // Not in the middle of a character, and not behind a backslash.
        {"A: b\r\n " + of(996, 'x') + "é", "A: b\r\n " + of(996, 'x') + "\r\n é"},
        {"A: b\r\n " + of(995, 'x') + "€", "A: b\r\n " + of(995, 'x') + "\r\n €"},
        {"A: b\r\n " + of(994, 'x') + "😀", "A: b\r\n " + of(994, 'x') + "\r\n 😀"},
        {"A: b\r\n " + of(996, 'x') + "\\\"", "A: b\r\n " + of(996, 'x') + "\r\n \\\""},
        {"A: b\r\n " + of(995, 'x') + "\\\\\"", "A: b\r\n " + of(995, 'x') + "\\\\\r\n \""},
        {"A: b\r\n c " + of(10, 'x') + "\\ " + of(990, 'y'),
         "A: b\r\n c\r\n " + of(10, 'x') + "\\ " + of(985, 'y') + "\r\n yyyyy"},
        // White space that is too much makes no blank line.
        {"A: b" + of(2000, ' '), "A: b"},
        {"A: b" + of(2000, ' ') + "c", "A: b\r\n c"},
        {"A: b\r\n" + of(2000, ' ') + "c", "A: b\r\n c"},
        {"A:" + of(2000, ' ') + "c", "A:\r\n c"},
        {"A: b\r\n" + of(500, ' ') + of(600, 'x'), "A: b\r\n " + of(600, 'x')},
        {"A: b\r\n" + of(990, ' ') + "c " + of(100, 'x'),
         "A: b\r\n" + of(990, ' ') + "c\r\n " + of(100, 'x')},
        {of(997, 'A') + ":b", of(997, 'A') + ":\r\n b"},
    };
    for (const Case& example : cases) {
        const std::string result = folded(example.before + "\r\n");
        CHECK(result == example.after + "\r\n");
        check_lines(result);
    }
}

TEST_CASE("folding: behind what ends an element, where white space may be put") {
    const auto with = [](const std::string& field, std::string_view separators) {
        std::string out;
        CHECK(fold_field(field + "\r\n", out, separators));
        check_lines(out);
        return out;
    };
    const std::string x = of(700, 'x');
    const std::string y = of(500, 'y');
    const std::string z = of(700, 'z');
    CHECK(with("A: " + x + "," + y, ",") == "A: " + x + ",\r\n " + y + "\r\n");
    CHECK(with("A: <" + x + "><" + y + "><" + z + ">", ">") ==
          "A: <" + x + ">\r\n <" + y + ">\r\n <" + z + ">\r\n");
    CHECK(with("A: <" + x + ">," + y, ",>") == "A: <" + x + ">,\r\n " + y + "\r\n");
    CHECK(with("A: b," + of(993, 'x') + ",c", ",") == "A: b,\r\n " + of(993, 'x') + ",c\r\n");
    // The later of the two.
    CHECK(with("A: b " + x + "," + y, ",") == "A: b " + x + ",\r\n " + y + "\r\n");
    CHECK(with("A: b," + x + " " + y, ",") == "A: b," + x + "\r\n " + y + "\r\n");
    CHECK(with("A: b," + x + " " + of(300, 'y') + "," + z, ",") ==
          "A: b," + x + "\r\n " + of(300, 'y') + ",\r\n " + z + "\r\n");
    // Not in a quoted string, nor in a comment, on whatever line it began.
    for (const std::string start : {"\"", "(", "((\")", "\"\\\"", "(\\)"}) {
        CAPTURE(start);
        const std::string field = "A: b," + start + "\r\n " + x + "," + y;
        CHECK(with(field, ",").find("x,yy") != std::string::npos);
        CHECK(with("A: b," + start + x + "," + y, ",").starts_with("A: b,\r\n "));
    }
    for (const std::string start : {"\"\"", "()", "(\")", "\"(\"", "\"\\\"\"", "\\\"\"", ")"}) {
        CAPTURE(start);
        CHECK(with("A: b," + start + "\r\n " + x + "," + y, ",") ==
              "A: b," + start + "\r\n " + x + ",\r\n " + y + "\r\n");
    }
}

TEST_CASE("folding: unfolded is without line ends, and with what followed them") {
    CHECK(unfolded(" a\r\n b\r\n\tc") == " a b\tc");
    CHECK(unfolded("") == "");
}

TEST_CASE("folding: of a body, every 998 octets") {
    testing::for_each_split("short\r\n\r\nlines\r\n", [](const Chunks& chunks) {
        CHECK(body_folded(chunks) == "short\r\n\r\nlines\r\n");
    });
    const std::vector<Case> cases{
        {of(998, 'x') + "\r\n", of(998, 'x') + "\r\n"},
        {of(998, 'x'), of(998, 'x')},
        {of(999, 'x') + "\r\n", of(998, 'x') + "\r\n x\r\n"},
        {of(999, 'x'), of(998, 'x') + "\r\n x"},
        {of(998 + 997, 'x') + "\r\n", of(998, 'x') + "\r\n " + of(997, 'x') + "\r\n"},
        {"a\r\n" + of(998 + 998, 'x') + "\r\nb\r\n",
         "a\r\n" + of(998, 'x') + "\r\n " + of(997, 'x') + "\r\n x\r\nb\r\n"},
    };
    for (const Case& example : cases) {
        testing::for_each_split(example.before, [&](const Chunks& chunks) {
            if (body_folded(chunks) != example.after) FAIL("pieces of a body changed its lines");
        });
        testing::for_each_split(example.after, [&](const Chunks& chunks) {
            if (body_folded(chunks) != example.after) FAIL("folded twice");
        });
    }
}

TEST_CASE("folding: of a body, inside of no character and no octet of quoted-printable") {
    std::vector<Case> cases;
    for (const std::string unit : {"é", "€", "😀", "=C3", "=3D"}) {
        // Where the limit is before it, inside of it, behind it.
        for (std::size_t before = 994; before < 1000; ++before) {
            const std::string start = of(before, 'x');
            const bool fits = before + unit.size() <= 998;
            const std::string fold = "\r\n ";
            const std::string end = of(20, 'y');
            std::string after = start + fold + unit + end;
            if (fits)
                after = start + unit + of(998 - before - unit.size(), 'y') + fold +
                        of(20 - (998 - before - unit.size()), 'y');
            if (before > 998) after = of(998, 'x') + fold + "x" + unit + end;
            cases.push_back({"a\r\n" + start + unit + end + "\r\nb", "a\r\n" + after + "\r\nb"});
            if (fits) cases.push_back({start + unit + "\r\n", start + unit + "\r\n"});
        }
    }
    // What only looks like it.
    for (const std::string& text : {of(998, 'x') + "\xA9", of(990, 'x') + of(9, '\xA9'),
                                    of(997, '=') + "xy", of(996, 'x') + "=xy", of(997, 'x') + "= "})
        cases.push_back({text + "\r\n", text.substr(0, 998) + "\r\n " + text.substr(998) + "\r\n"});
    for (const Case& example : cases) {
        testing::for_each_split(example.before, [&](const Chunks& chunks) {
            if (body_folded(chunks) != example.after) FAIL("a fold is not where it should be");
        });
    }
}

TEST_CASE("folding: a body that needs nothing is not copied") {
    BodyFolder folder;
    const std::string text = of(500, 'x') + "\r\n" + of(998, 'y') + "\r\n";
    CHECK(folder.fold(text).data() == text.data());
    CHECK_FALSE(folder.folded());
    CHECK(folder.fold(of(999, 'x')).size() == 999 + 3);
    CHECK(folder.folded());
}
