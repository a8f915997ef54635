// Address lists taken apart, and which addresses are in them.
#include "message/addresses.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "message/header_block.hpp"

using namespace waxseal::message;

namespace {

// One word an element: its kind, its text and its address; "?": not understood at all.
std::string read(std::string_view text) {
    AddressReader reader(text);
    if (!reader.understood()) return "?";
    std::string all;
    while (const auto element = reader.next()) {
        constexpr const char* kinds = "mpbno";
        all += kinds[static_cast<int>(element->kind)];
        all.append("{").append(trimmed(text.substr(element->begin, element->end - element->begin)));
        all.append("}").append(address_of(text, *element)).append(" ");
    }
    return all.substr(0, all.size() - (all.empty() ? 0 : 1));
}

struct Case {
    std::string_view text;
    std::string_view elements;
};

}  // namespace

TEST_CASE("addresses: elements") {
    const std::vector<Case> cases{
        {"", ""},
        {" , ,; ", ""},
        {"a@b", "b{a@b}a@b"},
        {"<a@b>", "m{<a@b>}a@b"},
        {"A <a@b>, c@d", "m{A <a@b>}a@b b{c@d}c@d"},
        {"a@b <a@b>", "m{a@b <a@b>}a@b"},
        {"a@b, c <d@e>", "b{a@b}a@b m{c <d@e>}d@e"},
        {"\"a, b\" <a@b>", "m{\"a, b\" <a@b>}a@b"},
        {"a (b, <c) <a@b>", "m{a (b, <c) <a@b>}a@b"},
        {"a@b (Name, First)", "b{a@b (Name, First)}a@b"},
        {"a(b)@(c\\))d\r\n .e", "b{a(b)@(c\\))d\r\n .e}a@d.e"},
        {"<a@b> (c)", "m{<a@b> (c)}a@b"},
        {"<@x,@y:a@b>", "m{<@x,@y:a@b>}a@b"},
        {"\"a@b\"@c", "b{\"a@b\"@c}\"a@b\"@c"},
        {"\"\\\"\" <\">\"@c>", "m{\"\\\"\" <\">\"@c>}\">\"@c"},
        {"a@[IPv6:::1], b <c@[IPv6:::1]>;",
         "b{a@[IPv6:::1]}a@[IPv6:::1] m{b <c@[IPv6:::1]>}c@[IPv6:::1]"},
        // Names without brackets behind them.
        {"A m@b", "p{A m@b}m@b"},
        {"A \"B\"\r\n m@b, c@d", "p{A \"B\"\r\n m@b}m@b b{c@d}c@d"},
        {"Doe, A m@b, C d@e", "p{Doe, A m@b}m@b p{C d@e}d@e"},
        {"G: Doe, A m@b;", "n{G} n{Doe} p{A m@b}m@b"},
        {"a@b c@d", "b{a@b c@d}a@bc@d"},
        {"m@b A", "b{m@b A}m@bA"},
        {"A m @b", "b{A m @b}Am@b"},
        {"A (x) m@b", "b{A (x) m@b}Am@b"},
        {"\"a@b\" m@b", "b{\"a@b\" m@b}\"a@b\"m@b"},
        {"A m..@b", "b{A m..@b}Am..@b"},
        {"A =?x?q?m?=@b", "b{A =?x?q?m?=@b}A=?x?q?m?=@b"},
        {"\"A m\"@b", "b{\"A m\"@b}\"A m\"@b"},
        // Names with commas.
        {"Doe, John <j@d>", "m{Doe, John <j@d>}j@d"},
        {"a@b, Doe, John <j@d>, c@d", "b{a@b}a@b m{Doe, John <j@d>}j@d b{c@d}c@d"},
        {"Doe; John <j@d>", "m{Doe; John <j@d>}j@d"},
        {"[x, y] <j@d>", "m{[x, y] <j@d>}j@d"},
        {"Doe, John", "n{Doe, John}"},
        {"Doe, <j@d>", "n{Doe} m{<j@d>}j@d"},
        {"Doe,, John <j@d>", "n{Doe} m{John <j@d>}j@d"},
        {"Doe, a@b", "n{Doe} b{a@b}a@b"},
        {"Doe, John <j>", "n{Doe} o{John <j>}"},
        // Groups, and what is none.
        {"G: a@b, c <d@e>; f@g", "n{G} b{a@b}a@b m{c <d@e>}d@e b{f@g}f@g"},
        {"undisclosed-recipients:;", "n{undisclosed-recipients}"},
        {"G: Doe, John <j@d>;", "n{G} n{Doe} m{John <j@d>}j@d"},
        {"G <a@b>: c@d;", "o{G <a@b>}a@b b{c@d}c@d"},
        {"Printer: floor 2 <a@b>", "m{Printer: floor 2 <a@b>}a@b"},
        {"a@b; c: d <e@f>", "b{a@b}a@b m{c: d <e@f>}e@f"},
        // Not understood, one or all of them.
        {"a <b@c> d", "o{a <b@c> d}b@c"},
        {"a <b@c> <d@e>", "o{a <b@c> <d@e>}d@e"},
        {"a <>", "o{a <>}"},
        {"a <@b>", "o{a <@b>}"},
        {"a <b@>", "o{a <b@>}"},
        {"a <b", "?"},
        {"a <<b@c>>", "?"},
        {"a> b@c", "?"},
        {"a (b <c@d>", "?"},
        {"a \"b <c@d>", "?"},
        {"a \"b\\\" <c@d>", "?"},
        {"a <\"b@c>", "?"},
    };
    for (const Case& example : cases) {
        CAPTURE(example.text);
        CHECK(read(example.text) == example.elements);
    }
}
