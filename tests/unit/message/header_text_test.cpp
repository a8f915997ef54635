// Names, addresses and text before and after the header editor: what is quoted, encoded, or stays.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/header_editor.hpp"
#include "unit/message/editing.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using message::Edits;

TEST_CASE("header editor: display names that only a quoted string may hold") {
    check_fields({{"From: a@b <a@b>", "From: \"a@b\" <a@b>", "name_quoted"},
                  {"To: John Q. Public <a@b>", "To: \"John Q. Public\" <a@b>", "name_quoted"},
                  {"Cc: Doe, John <a@b>, c@d", "Cc: \"Doe, John\" <a@b>, c@d", "name_quoted"},
                  {"Reply-To: Printer: 2nd floor<a@b>", "Reply-To: \"Printer: 2nd floor\"<a@b>",
                   "name_quoted"},
                  {"Sender: DOMAIN\\user <a@b>", "Sender: \"DOMAIN\\\\user\" <a@b>", "name_quoted"},
                  {"Resent-To: [a] <a@b>", "Resent-To: \"[a]\" <a@b>", "name_quoted"},
                  {"bcc:x) <a@b>", "bcc:\"x)\" <a@b>", "name_quoted"},
                  {"From: \"a\\\"\" b. <a@b>", "From: \"a\\\" b.\" <a@b>", "name_quoted"},
                  {"From: a.\r\n b <a@b>", "From: \"a. b\" <a@b>", "name_quoted"},
                  {"From: a. (c. d) e <a@b>", "From: \"a.\" (c. d) e <a@b>", "name_quoted"},
                  {"From: a@b\r\n <a@b>", "From: \"a@b\"\r\n <a@b>", "name_quoted"},
                  {"From: =?x?q?a.b?= <a@b>", "From: =?x?q?a=2Eb?= <a@b>", "name_quoted"},
                  {"From: =?x?q?a?= b. =?x?q?c?= <a@b>", "From: =?x?q?a?= \"b.\" =?x?q?c?= <a@b>",
                   "name_quoted"},
                  {"From: =?x?q?Doe,_J?= <a@b>", "From: =?x?q?Doe=2C_J?= <a@b>", "name_quoted"}},
                 nothing_added());
}

TEST_CASE("header editor: names and addresses that are good, or not understood, stay") {
    std::vector<Case> cases;
    for (const std::string body :
         {"a@b, c <d@e>", "\"a@b\" <a@b>", "a b <a@b>", "=?x?q?a?= <a@b>", "a (b.) <a@b>", "<a@b>",
          "Group: a@b;", "a.b; Group: c <d@e>;", "a. <b@c", "a. <b@c>>", "a. \"b <a@b>",
          "a. (b <a@b>", "a. <b@c> d", "a. <b>", "a., b@c", "a@b <>", "a.b", "\"a\"b <a@b>",
          "a@b (c.)"})
        cases.push_back({"From: " + body, "From: " + body, ""});
    cases.push_back({"Subject: a@b <a@b>", "Subject: a@b <a@b>", ""});
    check_fields(cases, nothing_added());
}

TEST_CASE("header editor: text that is not ASCII becomes encoded words") {
    check_fields(
        {{"Subject: Gr\xFC\xDF"
          "e",
          "Subject: =?UTF-8?B?R3LDvMOfZQ==?=", "eight_bit_header"},
         {"Subject: Grüße", "Subject: =?UTF-8?B?R3LDvMOfZQ==?=", "eight_bit_header"},
         {"X-Device:\xFC", "X-Device: =?UTF-8?B?w7w=?=", "eight_bit_header"},
         {"Subject: a\r\n b é", "Subject: a b =?UTF-8?B?w6k=?=", "eight_bit_header"},
         {"From: Jürgen <a@b>", "From: =?UTF-8?Q?J=C3=BCrgen?= <a@b>", "eight_bit_header"},
         {"From: \"J. Jürgen\"<a@b>, c@d", "From: =?UTF-8?Q?J=2E_J=C3=BCrgen?= <a@b>, c@d",
          "eight_bit_header"},
         {"From: J\xFCrgen@b <a@b>", "From: =?UTF-8?B?SsO8cmdlbkBi?= <a@b>", "eight_bit_header"},
         {"To: Müller, A. <a@b>, b. <c@d>", "To: =?UTF-8?B?TcO8bGxlciwgQS4=?= <a@b>, \"b.\" <c@d>",
          "name_quoted,eight_bit_header"},
         {"To: =?x?q?a?= é <a@b>", "To: =?x?q?a?= =?UTF-8?B?IMOp?= <a@b>", "eight_bit_header"},
         {"To: a@b (é (f) \\) g)", "To: a@b (=?UTF-8?B?w6k=?= (f) \\) g)", "eight_bit_header"},
         {"To: (é) é (é) <a@b>",
          "To: (=?UTF-8?B?w6k=?=) =?UTF-8?B?w6k=?=\r\n (=?UTF-8?B?w6k=?=) <a@b>",
          "eight_bit_header"},
         {"To: é, f: a@b;", "To: =?UTF-8?B?w6k=?=, f: a@b;", "eight_bit_header"},
         {"To: é: a@b;", "To: =?UTF-8?B?w6k=?=: a@b;", "eight_bit_header"},
         {"To: é, f", "To: =?UTF-8?B?w6k=?=, f", "eight_bit_header"},
         {"Keywords: é, f", "Keywords: =?UTF-8?B?w6k=?=, f", "eight_bit_header"},
         {"Content-Type: a/b; name=\"é\"", "Content-Type: a/b; name*=UTF-8''%C3%A9",
          "eight_bit_header"},
         {"Received: from a (é (f)) by b", "Received: from a (=?UTF-8?B?w6k=?= (f)) by b",
          "eight_bit_header"},
         {"Content-Description: é", "Content-Description: =?UTF-8?B?w6k=?=", "eight_bit_header"}},
        nothing_added());
}

TEST_CASE("header editor: a boundary stays as the body has it") {
    const std::string field =
        "Content-Type: multipart/mixed; boundary=\"St\xF6rung\"; charset=\xFC";
    check_fields({{field, field, ""}}, nothing_added());
}

TEST_CASE("header editor: no line ends between a backslash and what it escapes") {
    const std::string name = "\"" + std::string(60, 'x') + "\\ " + std::string(60, 'y') + "\"";
    check_fields({{"To: (é) " + name + " <a@b>",
                   "To: (=?UTF-8?B?w6k=?=)\r\n " + name + "\r\n <a@b>", "eight_bit_header"}},
                 nothing_added());
}

TEST_CASE("header editor: an address behind a name gets its brackets") {
    check_fields(
        {{"From: Scanner m@b.test", "From: Scanner <m@b.test>", "name_quoted"},
         {"To: c@d, 2. Scanner  m@b, e@f", "To: c@d, \"2. Scanner\"  <m@b>, e@f", "name_quoted"},
         {"To: Doe, J m@b", "To: \"Doe, J\" <m@b>", "name_quoted"},
         {"From: \"A B\"\r\n m@b", "From: \"A B\"\r\n <m@b>", "name_quoted"},
         {"From: Müller m@b.test", "From: =?UTF-8?Q?M=C3=BCller?= <m@b.test>",
          "name_quoted,eight_bit_header"},
         {"From: M\xFCller m@b.test", "From: =?UTF-8?Q?M=C3=BCller?= <m@b.test>",
          "name_quoted,eight_bit_header"}},
        nothing_added());
}

TEST_CASE("header editor: what a fold has torn apart is no name with an address") {
    for (const std::string& start : std::vector<std::string>{
             "To: ", "To: a. <b@c>,\r\n ", "To: G" + std::string(700, 'g') + ":"}) {
        const std::string field = start + std::string(1200, 'x') + "a@b;";
        const Edited once = edit(field + "\r\n\r\n", nothing_added());
        CHECK(once.message.find("x\r\n x") != std::string::npos);
        const Edited twice = edit(once.message, nothing_added());
        CHECK(twice.message == once.message);
        CHECK(twice.repairs == "");
    }
    const std::string name(900, 'x');
    check_fields({{"To: " + name + "\r\n a@b", "To: " + name + "\r\n <a@b>", "name_quoted"}},
                 nothing_added());
}

TEST_CASE("header editor: what has no other form is encoded word by word") {
    const std::string e = "=?UTF-8?B?w6k=?=";
    check_fields(
        {{"To: é@b", "To: " + e + "@b", "eight_bit_header"},
         {"To: a <é@é.b>, c@d", "To: a <" + e + "@" + e + ".b>, c@d", "eight_bit_header"},
         {"To: a é@b", "To: a <" + e + "@b>", "name_quoted,eight_bit_header"},
         {"To: c@d a é@b", "To: c@d a " + e + "@b", "eight_bit_header"},
         {"Date: é, 1", "Date: " + e + ", 1", "eight_bit_header"},
         {"Message-ID: <é@b>", "Message-ID: <" + e + "@b>", "eight_bit_header"},
         {"References:  <a@b>\r\n é", "References:  <a@b> " + e, "eight_bit_header"},
         {"Content-Type: a/é; b=é x", "Content-Type: a/" + e + "; b=" + e + " x",
          "eight_bit_header"},
         {"From: é \"x <a@b>", "From: " + e + " \"x <a@b>", "eight_bit_header"},
         {"From: é <a@b", "From: " + e + " <a@b", "eight_bit_header"},
         {"From: (é a@b", "From: (" + e + " a@b", "eight_bit_header"},
         {"From: \"\\é <a@b", "From: \"=?UTF-8?B?XMOp?= <a@b", "eight_bit_header"},
         {"From: \"\\\\é \\\" <a@b", "From: \"=?UTF-8?B?XFzDqQ==?= \\\" <a@b", "eight_bit_header"},
         {"From: \xFC@\xFC", "From: =?UTF-8?B?w7w=?=@=?UTF-8?B?w7w=?=", "eight_bit_header"}},
        nothing_added());
    // A long one gets more of them, and is then no name with an address.
    std::string local;
    for (int i = 0; i < 60; ++i) local += "é";
    for (const std::string& body :
         {local + "@b", "<" + local + "@" + local + ">", "x." + local + "@b"}) {
        const Edited once = edit("To: " + body + "\r\n\r\n", nothing_added());
        CHECK(text::ascii(once.message));
        const Edited twice = edit(once.message, nothing_added());
        CHECK(twice.message == once.message);
        CHECK(twice.repairs == "");
    }
}

TEST_CASE("header editor: with SMTPUTF8 valid UTF-8 stays, and nothing else") {
    Edits edits = nothing_added();
    edits.utf8_headers = true;
    check_fields({{"Subject: Grüße", "Subject: Grüße", ""},
                  {"From: é <é@b>", "From: é <é@b>", ""},
                  {"From: é. <a@b>", "From: \"é.\" <a@b>", "name_quoted"},
                  {"Content-Type: a/b; name=\"é\"", "Content-Type: a/b; name=\"é\"", ""},
                  {"Subject: \xFC", "Subject: =?UTF-8?B?w7w=?=", "eight_bit_header"},
                  {"From: \xFC <a@b>", "From: =?UTF-8?B?w7w=?= <a@b>", "eight_bit_header"},
                  {"To: \xFC@b", "To: ü@b", "eight_bit_header"}},
                 edits);
}

TEST_CASE("header editor: the charset is the one that was given") {
    Edits edits = nothing_added();
    edits.legacy_charset = "koi8-r";
    check_fields({{"Subject: \xF0\xD2\xC9", "Subject: =?UTF-8?B?0J/RgNC4?=", "eight_bit_header"}},
                 edits);
}

TEST_CASE("header editor: octets of a character are not taken for ASCII") {
    Edits edits = nothing_added();
    edits.legacy_charset = "shift_jis";
    // The second octet of 能 and 表 is a backslash.
    check_fields(
        {{"Subject: \x94\x5C\x97\xCD\x95\x5C",
          "Subject: =?UTF-8?B?6IO95Yqb6KGo?=", "eight_bit_header"},
         {"Content-Disposition: attachment; filename=\"\x94\x5C\x97\xCD\x95\x5C.pdf\"",
          "Content-Disposition: attachment;\r\n filename*=UTF-8''%E8%83%BD%E5%8A%9B%E8%A1%A8.pdf",
          "eight_bit_header"},
         {"From: \"\x95\x5C\" <a@b>", "From: =?UTF-8?B?6KGo?= <a@b>", "eight_bit_header"},
         {"To: a@b (\x95\x5C)", "To: a@b (=?UTF-8?B?6KGo?=)", "eight_bit_header"}},
        edits);
    edits.utf8_headers = true;
    check_fields({{"From: \"\x95\x5C\" <a@b>", "From: =?UTF-8?B?6KGo?= <a@b>", "eight_bit_header"}},
                 edits);
}

TEST_CASE("header editor: lines with encoded words have 76 octets where there is a place to fold") {
    const std::string word = "=?x?q?" + std::string(63, 'a') + "?=";
    const std::string e = "=?UTF-8?B?w6k=?=";
    const std::string x(70, 'x');
    const std::string y(30, 'y');
    check_fields(
        {{"To: é," + x, "To: " + e + ",\r\n " + x, "eight_bit_header"},
         {"To: " + x + ",é", "To: " + x + ",\r\n " + e, "eight_bit_header"},
         {"To: a. " + word + " <a@b>", "To: \"a.\"\r\n " + word + "\r\n <a@b>", "name_quoted"},
         {"To: a. <a@b>," + word + ",b", "To: \"a.\" <a@b>,\r\n " + word + ",b", "name_quoted"},
         {"To: a. <a@b>, \"" + y + "," + y + "\" =?x?q?b?= <c@d>",
          "To: \"a.\" <a@b>,\r\n \"" + y + "," + y + "\" =?x?q?b?=\r\n <c@d>", "name_quoted"},
         // What came so, and is good, stays.
         {"To: a " + word + " <a@b>", "To: a " + word + " <a@b>", ""}},
        nothing_added());
}
