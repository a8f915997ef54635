// The smuggling oracle: counts the messages that a server would take from what we sent it, under
// every combination of the leniencies that real servers have shown (LF as a line end, CR as a line
// end, NUL ignored, surplus CR ignored). What waxseal writes must give the same count under all of
// them as under the rules of RFC 5321; a lenient count above the strict one is a smuggled message.
//
// Written apart from the product's parsers on purpose, and as simply as it can be: octets are
// filtered, cut into lines, and the lines are walked. Give it the octets that went to an upstream,
// of one connection, inside TLS. It takes every DATA for accepted; commands that were refused have
// to be left out by who asks. BDAT chunks are skipped by their count, and LAST ends a message.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace waxseal::testing {

struct Leniency {
    bool lf_ends_line = false;
    bool cr_ends_line = false;
    bool ignores_nul = false;
    bool ignores_surplus_cr = false;  // CR CR LF is CR LF
};

inline constexpr Leniency strict{};

// Every combination, strict first.
inline std::array<Leniency, 16> leniencies() {
    std::array<Leniency, 16> all{};
    for (unsigned i = 0; i < all.size(); ++i)
        all[i] = {(i & 1U) != 0, (i & 2U) != 0, (i & 4U) != 0, (i & 8U) != 0};
    return all;
}

// What the octets begin with: commands, or a message (they are what follows a 354).
enum class Begins { command, message };

namespace lenient_detail {

inline std::string filtered(std::string_view bytes, const Leniency& rules) {
    std::string result;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] == '\0' && rules.ignores_nul) continue;
        // A NUL between two CRs is gone by the time surplus CRs are looked for.
        if (bytes[i] == '\n' && rules.ignores_surplus_cr) {
            while (result.size() >= 2 && result.ends_with("\r\r")) result.pop_back();
        }
        result += bytes[i];
    }
    return result;
}

// The length of the line end at `bytes[i]`, 0 when there is none.
inline std::size_t line_end(std::string_view bytes, std::size_t i, const Leniency& rules) {
    if (bytes.substr(i).starts_with("\r\n")) return 2;
    if (bytes[i] == '\n' && rules.lf_ends_line) return 1;
    if (bytes[i] == '\r' && rules.cr_ends_line) return 1;
    return 0;
}

inline bool is_verb(std::string_view line, std::string_view verb) {
    if (line.size() < verb.size()) return false;
    if (line.size() > verb.size() && line[verb.size()] != ' ') return false;
    return std::equal(verb.begin(), verb.end(), line.begin(),
                      [](char a, char b) { return a == b || a + ('a' - 'A') == b; });
}

class Server {
  public:
    Server(std::string_view bytes, const Leniency& rules, Begins begins)
        : bytes_(filtered(bytes, rules)), rules_(rules), in_message_(begins == Begins::message) {}

    std::size_t count() {
        std::size_t start = 0;
        for (std::size_t i = 0; i < bytes_.size();) {
            const std::size_t end = line_end(bytes_, i, rules_);
            if (end == 0) {
                ++i;
                continue;
            }
            const std::size_t skip = line(std::string_view(bytes_).substr(start, i - start));
            i = start = std::min(i + end + skip, bytes_.size());
        }
        return messages_;
    }

  private:
    // One line; returns how many octets after it are not lines (a BDAT chunk).
    std::size_t line(std::string_view text) {
        if (in_message_) {
            if (text != ".") return 0;
            in_message_ = false;
            ++messages_;
            return 0;
        }
        if (is_verb(text, "DATA")) in_message_ = true;
        if (!is_verb(text, "BDAT")) return 0;
        if (text.ends_with(" LAST")) ++messages_;
        std::size_t size = 0;
        const std::string_view digits = text.substr(std::min<std::size_t>(5, text.size()));
        std::from_chars(digits.data(), digits.data() + digits.size(), size);
        return size;
    }

    std::string bytes_;
    Leniency rules_;
    bool in_message_;
    std::size_t messages_ = 0;
};

}  // namespace lenient_detail

// How many messages a server with these rules finds.
inline std::size_t count_messages(std::string_view bytes, const Leniency& rules,
                                  Begins begins = Begins::command) {
    return lenient_detail::Server(bytes, rules, begins).count();
}

// The largest count under any combination of leniencies: equal to the strict count, or something
// was smuggled.
inline std::size_t count_messages_leniently(std::string_view bytes,
                                            Begins begins = Begins::command) {
    std::size_t largest = 0;
    for (const Leniency& rules : leniencies())
        largest = std::max(largest, count_messages(bytes, rules, begins));
    return largest;
}

// The same number of messages under all rules, and so no octets that mean more to one server than
// to another.
inline bool unambiguous(std::string_view bytes, Begins begins = Begins::command) {
    const std::size_t expected = count_messages(bytes, strict, begins);
    for (const Leniency& rules : leniencies())
        if (count_messages(bytes, rules, begins) != expected) return false;
    return true;
}

}  // namespace waxseal::testing
