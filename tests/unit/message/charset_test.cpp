#include "message/charset.hpp"

#include <doctest/doctest.h>

#include "base/text.hpp"
#include "message/header_editor.hpp"

using namespace waxseal;
using namespace waxseal::message;

TEST_CASE("charset: UTF-8 is taken for what it is") {
    Converter converter("windows-1252");
    CHECK(converter.to_utf8("plain") == "plain");
    CHECK(converter.to_utf8("Gr\xC3\xBC\xC3\x9F"
                            "e") == "Grüße");
}

TEST_CASE("charset: anything else is in the charset that was given") {
    CHECK(Converter("windows-1252")
              .to_utf8("Gr\xFC\xDF"
                       "e \x80") == "Grüße €");
    CHECK(Converter("iso-8859-15").to_utf8("\xA4") == "€");
    CHECK(Converter("koi8-r").to_utf8("\xF0\xD2\xC9\xCE\xD4\xC5\xD2") == "Принтер");
    CHECK(Converter("shift_jis").to_utf8("\x83\x76\x83\x8A\x83\x93\x83\x5E") == "プリンタ");
}

TEST_CASE("charset: what is not defined is replaced, and the rest is kept") {
    Converter converter("windows-1252");
    CHECK(converter.to_utf8("a\x81z\xFC") == "a\uFFFDzü");
    CHECK(converter.to_utf8("\x81\x8D\x8F") == "\uFFFD\uFFFD\uFFFD");
    // Half of a character at the end.
    CHECK(Converter("shift_jis").to_utf8("\x83\x76\x83") == "プ\uFFFD");
    // Again, with the state of a fault behind it.
    Converter stateful("iso-2022-jp");
    CHECK(stateful.to_utf8("\x1B$B%W\xFF") == "プ\uFFFD");
    CHECK(stateful.to_utf8("a\xFF") == "a\uFFFD");
}

TEST_CASE("charset: one that nobody knows loses no more than it must") {
    CHECK(Converter("no-such-charset").to_utf8("a\xFCz") == "a\uFFFDz");
    CHECK(Converter("").to_utf8("plain") == "plain");
}

TEST_CASE("charset: every octet of every charset becomes UTF-8") {
    for (const char* name : {"windows-1252", "us-ascii", "shift_jis", "gb18030", "utf-8", "none"}) {
        Converter converter(name);
        for (int octet = 0x80; octet < 0x100; ++octet) {
            const std::string text = {'a', static_cast<char>(octet), 'b', static_cast<char>(0xFF)};
            CAPTURE(name);
            CAPTURE(octet);
            const std::string utf8 = converter.to_utf8(text);
            CHECK(text::valid_utf8(utf8));
            CHECK(utf8.starts_with('a'));
        }
    }
}

TEST_CASE("charset: long texts") {
    const std::string converted = Converter("windows-1252").to_utf8(std::string(5000, '\xFC'));
    CHECK(converted.size() == 10000);
    CHECK(converted.ends_with("üü"));
}

TEST_CASE("charset: known are those that iconv knows and whose letters are ASCII's") {
    for (const char* name :
         {"windows-1252", "WINDOWS-1252", "iso-8859-1", "koi8-r", "utf-8", "big5"})
        CHECK_MESSAGE(known_charset(name), name);
    for (const char* name : {"", "no-such-charset", "utf-16", "utf-32le", "cp037", "utf-7"})
        CHECK_MESSAGE(!known_charset(name), name);
}
