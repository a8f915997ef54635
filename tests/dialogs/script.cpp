#include "dialogs/script.hpp"

#include <array>
#include <charconv>
#include <fstream>

namespace waxseal::dialogs {

namespace {

constexpr std::array<std::string_view, 21> verbs{
    "c ->",    "c =>",     "c *>",   "c <-",      "c <~", "c close",       "c silent",
    "c tls",   "c writes", "c gone", "c connect", "u ->", "u =>",          "u <-",
    "u close", "u silent", "set",    "log",       "wait", "u connections", "upstream got:"};

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    throw std::invalid_argument("bad \\x escape");
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        if (++i == text.size()) throw std::invalid_argument("a lone \\ at the end");
        constexpr std::string_view from = "rnt0\\";
        constexpr std::string_view to("\r\n\t\0\\", 5);
        if (const std::size_t at = from.find(text[i]); at != std::string_view::npos) {
            out += to[at];
        } else if (text[i] == 'x' && i + 2 < text.size()) {
            out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            throw std::invalid_argument("unknown escape");
        }
    }
    return out;
}

// "N text": the text as often, each with CRLF.
std::string times(std::string_view counted) {
    const std::size_t space = std::min(counted.find(' '), counted.size());
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(counted.data(), counted.data() + space, count);
    if (error != std::errc() || end != counted.data() + space)
        throw std::invalid_argument("not a number");
    const std::string text = unescape(counted.substr(std::min(space + 1, counted.size()))) + "\r\n";
    std::string all;
    for (; count != 0; --count) all += text;
    return all;
}

ScriptLine parse(std::size_t number, std::string_view line) {
    for (const std::string_view verb : verbs) {
        if (!line.starts_with(verb)) continue;
        std::string_view text = line.substr(verb.size());
        if (!text.empty() && text[0] != ' ') continue;
        if (!text.empty()) text.remove_prefix(1);
        const bool regex = verb == "c <~" || verb == "log";
        const std::string octets = regex            ? std::string(text)
                                   : verb == "c *>" ? times(text)
                                                    : unescape(text);
        return {number, std::string(verb), octets};
    }
    throw std::invalid_argument("not a line of a dialog");
}

// The rest of the file: octets.
std::string read_octets(std::istream& in) {
    std::string all, line;
    while (std::getline(in, line)) {
        if (line == "-- next --") {
            all += "-- next --\n";
            continue;
        }
        if (line.starts_with("\\*")) {
            all += times(std::string_view(line).substr(2));
            continue;
        }
        const bool open = line.ends_with("\\&");
        if (open) line.resize(line.size() - 2);
        all += unescape(line) + (open ? "" : "\r\n");
    }
    return all;
}

}  // namespace

Script read_script(const std::string& file) {
    std::ifstream in(file);
    if (!in) throw Wrong(file, 0, "cannot be read");
    Script script{file, {}, {}, {}, 0};
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        if (line.empty() || line[0] == '#') continue;
        try {
            ScriptLine parsed = parse(number, line);
            if (parsed.verb == "upstream got:") {
                script.upstream_got_line = number;
                script.upstream_got = read_octets(in);
                break;
            }
            (parsed.verb == "set" ? script.settings : script.lines).push_back(std::move(parsed));
        } catch (const std::invalid_argument& error) {
            throw Wrong(file, number, error.what());
        }
    }
    return script;
}

std::string escape(std::string_view octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '\r') {
            out += "\\r";
        } else if (c == '\n') {
            out += "\\n\n";
        } else if (c == '\\') {
            out += "\\\\";
        } else if (octet < 0x20 || octet > 0x7E) {
            out += {'\\', 'x', digits[octet >> 4U], digits[octet & 15U]};
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace waxseal::dialogs
