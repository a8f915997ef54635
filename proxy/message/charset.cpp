#include "message/charset.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>

#include "base/text.hpp"
#include "message/header_editor.hpp"

namespace waxseal::message {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

const auto no_table = std::bit_cast<iconv_t>(std::intptr_t{-1});  // as iconv_open says it

// What is left where there is no table.
std::string ascii_of(std::string_view text) {
    std::string result;
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x80)
            result += c;
        else
            result += replacement;
    return result;
}

}  // namespace

Converter::~Converter() {
    if (state_ == Table::open) iconv_close(table_);
}

void Converter::open() {
    table_ = iconv_open("UTF-8", charset_.c_str());
    state_ = table_ == no_table ? Table::unknown : Table::open;
}

std::string Converter::to_utf8(std::string_view text) {
    if (text::valid_utf8(text)) return std::string(text);
    if (state_ == Table::not_asked_for) open();
    if (state_ == Table::unknown) return ascii_of(text);
    iconv(table_, nullptr, nullptr, nullptr, nullptr);
    std::string input(text);
    char* in = input.data();
    std::size_t left = input.size();
    std::string result;
    std::array<char, 1024> block{};
    while (left > 0) {
        char* out = block.data();
        std::size_t room = block.size();
        const bool done = iconv(table_, &in, &left, &out, &room) != static_cast<std::size_t>(-1);
        const int error = done ? 0 : errno;
        result.append(block.data(), static_cast<std::size_t>(out - block.data()));
        if (done || error == E2BIG) continue;
        // Not defined, or cut off at the end: this octet is given up, the next one is tried.
        result += replacement;
        ++in;
        --left;
    }
    return result;
}

bool known_charset(const std::string& name) {
    // Nothing would be the charset of whoever started us.
    if (name.empty()) return false;
    const iconv_t table = iconv_open("UTF-8", name.c_str());
    if (table == no_table) return false;
    iconv_close(table);
    // One that has other letters than ASCII's (UTF-16, EBCDIC), or writes something else in ASCII
    // (UTF-7: even line ends), cannot be what a header line was written in. The last octet ends no
    // UTF-8, so that the charset is asked at all.
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \r\n+AAo-&AAo-";
    return Converter(name).to_utf8(std::string(letters) + '\xE9').starts_with(letters);
}

}  // namespace waxseal::message
