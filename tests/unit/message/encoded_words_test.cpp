// Encoded words: which are some, and texts that become some.
#include "message/encoded_words.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/header_block.hpp"

using namespace waxseal;
using namespace waxseal::message;

namespace {

std::string written(const std::string& name, std::string_view text) {
    std::string out = name + ":";
    FieldWriter writer(out, FieldWriter::Folding::anew_text);
    write_text(writer, text);
    writer.finish();
    return out;
}

void check_widths(std::string_view field) {
    while (!field.empty()) {
        const std::string_view line = without_line_end(take_line(field));
        CAPTURE(line);
        CHECK(text::ascii(line));
        CHECK(line.size() <= 76);
        CHECK_FALSE(blank(line));
    }
}

struct Case {
    std::string before;
    std::string after;
};

}  // namespace

TEST_CASE("encoded words: what is one") {
    for (const char* word : {"=?utf-8?Q?a?=", "=?UTF-8?b?YQ==?=", "=?utf-8*de?q?a_b=20?=",
                             "=?x?q?\?=", "=?iso-8859-1?Q?J._Doe,?="})
        CHECK_MESSAGE(is_encoded_word(word), word);
    for (const char* word :
         {"", "=?", "=?\?=", "=?utf-8?Q?a", "utf-8?Q?a?=", "=?utf-8?X?a?=", "=??Q?a?=",
          "=?utf-8?Q?a?b?=", "=?utf-8?Q?a b?=", "=?utf-8?Q?é?=", "=?utf-8?B?a.b?=", "=?u.8?Q?a?=",
          "=?utf-8?QQ?a?=", "a=?utf-8?Q?a?=", "=?utf-8?Q?=", "=?utf-8?="})
        CHECK_MESSAGE(!is_encoded_word(word), word);
    const std::string_view text = "a =?x?q?b? =?x?q?c?= =?x?q?d?=";
    CHECK(find_encoded_word(text).data() == text.data() + 11);
    CHECK(find_encoded_word("none").empty());
}

TEST_CASE("encoded words: only what needs it, from white space to white space") {
    const std::vector<Case> cases{
        {" plain", " plain"},
        {"\t two  blanks ", "\t two  blanks"},
        {" é", " =?UTF-8?B?w6k=?="},
        {"é", " =?UTF-8?B?w6k=?="},
        {" café au lait", " =?UTF-8?B?Y2Fmw6k=?= au lait"},
        {" au café", " au =?UTF-8?B?Y2Fmw6k=?="},
        {" from the smoke-filled bar: a smörgasbord of all the best",
         " from the smoke-filled bar: a =?UTF-8?Q?sm=C3=B6rgasbord?= of all\r\n the best"},
        {" a backslash \\ is one: \\ é", " a backslash \\ is one: \\ =?UTF-8?B?w6k=?="},
        {" a backslash before the end of the line \\ é",
         " a backslash before the end of the line \\\r\n =?UTF-8?B?w6k=?="},
        {" Принтер", " =?UTF-8?B?0J/RgNC40L3RgtC10YA=?="},
        {" a_b é?=", " a_b =?UTF-8?B?w6k/PQ==?="},
        // Beside those that are there already, white space counts.
        {" =?x?q?a?= é", " =?x?q?a?= =?UTF-8?B?IMOp?="},
        {" é =?x?q?a?=", " =?UTF-8?B?w6kg?= =?x?q?a?="},
        {" =?x?q?a?= é =?x?q?b?=", " =?x?q?a?= =?UTF-8?Q?_=C3=A9_?= =?x?q?b?="},
        {" =?x?q?a?= b é c =?x?q?d?=", " =?x?q?a?= b =?UTF-8?B?w6k=?= c =?x?q?d?="},
        // It only looks like one.
        {" =?x?q?é?=", " =?UTF-8?B?PT94P3E/w6k/PQ==?="},
    };
    for (const Case& example : cases) {
        const std::string result = written("Subject", example.before);
        CHECK(result == "Subject:" + example.after + "\r\n");
        check_widths(result);
    }
}

TEST_CASE("encoded words: lines of any start have their width, and whole characters") {
    std::string text;
    for (int i = 0; i < 60; ++i) text += i % 7 == 0 ? "é x" : (i % 3 == 0 ? "😀" : "abcde");
    for (std::size_t name = 1; name < 90; ++name) {
        const std::string field = written(std::string(name, 'N'), " " + text);
        if (name < 76) check_widths(field);
        CHECK(field.find("=?UTF-8?") != std::string::npos);
        // Each stands for itself: none ends in the middle of a character.
        std::string_view rest = field;
        while (!(rest = rest.substr(std::min(rest.find("=?UTF-8?Q?"), rest.size()))).empty()) {
            rest.remove_prefix(10);
            std::string octets;
            for (std::size_t i = 0; rest[i] != '?'; ++i)
                if (rest[i] == '=') {
                    octets += static_cast<char>(
                        std::stoi(std::string(rest.substr(i + 1, 2)), nullptr, 16));
                    i += 2;
                } else {
                    octets += rest[i];
                }
            CHECK(text::valid_utf8(octets));
        }
    }
}
