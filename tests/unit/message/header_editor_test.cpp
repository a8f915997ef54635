// Messages before and after the header editor: one table a rule. Each is edited under every split,
// once more by what came of it, and in front of a body that has to stay.
#include "message/header_editor.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/limits.hpp"
#include "message/header_block.hpp"
#include "unit/message/editing.hpp"
#include "unit/support/split.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using message::Edits;

namespace {

const std::string good =
    "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: \"a.b\" <a@b>\r\nMessage-ID: <x@y>\r\n"
    "Subject:  =?utf-8?Q?a?=\r\n\t folded\r\nX-Odd:\r\nx-odd:y\r\nTo: u: a@b;\r\nReceived: ()\r\n";

}  // namespace

TEST_CASE("header editor: a message that needs nothing is the same, octet for octet") {
    check({{good + "\r\nbody\r\n", good + "\r\nbody\r\n", ""},
           {good + "\r\n", good + "\r\n", ""},
           {good + "\r\n\r\n\r\n", good + "\r\n\r\n\r\n", ""},
           {good + "\r\nSubject : x\r\n.\r\nFrom x\r\n",
            good + "\r\nSubject : x\r\n.\r\nFrom x\r\n", ""}},
          all_added());
}

TEST_CASE("header editor: the block ends where no field is") {
    check({{"Subject: x\r\nhello\r\n", "Subject: x\r\n\r\nhello\r\n", "no_separator"},
           {"hello\r\n", "\r\nhello\r\n", "no_separator"},
           {" hello\r\nA: b\r\n", "\r\n hello\r\nA: b\r\n", "no_separator"},
           {"Subject: x\r\n", "Subject: x\r\n\r\n", "no_separator"},
           {"Subject: x", "Subject: x\r\n\r\n", "no_separator"},
           {"", "\r\n", "no_separator"},
           {"\r\n", "\r\n", ""},
           {"\r\nA : b\r\n", "\r\nA : b\r\n", ""}},
          nothing_added());
}

TEST_CASE("header editor: what is missing is added at the end of the block") {
    const std::string date = "Date: Sat, 28 Nov 2026 19:30:00 +0000\r\n";
    const std::string id = "Message-ID: <1@waxseal.example>\r\n";
    const std::string from = "From: device@waxseal.example\r\n";
    check({{"Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n" + date + id + from + "\r\nbody\r\n",
            "no_date,no_message_id,no_from"},
           {"", date + id + from + "\r\n", "no_separator,no_date,no_message_id,no_from"},
           {"hello\r\n", date + id + from + "\r\nhello\r\n",
            "no_separator,no_date,no_message_id,no_from"},
           {"Subject: x", "Subject: x\r\n" + date + id + from + "\r\n",
            "no_separator,no_date,no_message_id,no_from"},
           {"DATE: 1\r\nmessage-id: 2\r\nfrom: a@b\r\n\r\n",
            "DATE: 1\r\nmessage-id: 2\r\nfrom: a@b\r\n\r\n", ""},
           // An empty one is none.
           {"Date:\r\nMessage-ID: \r\nFrom:\r\n \r\nTo: a@b\r\n\r\n",
            "To: a@b\r\n" + date + id + from + "\r\n", "no_date,no_message_id,no_from"},
           {"Date: 1\r\nDate:\r\nMessage-ID: 2\r\nFrom: a@b\r\n\r\n",
            "Date: 1\r\nMessage-ID: 2\r\nFrom: a@b\r\n\r\n", "empty_field"},
           {"Message-ID: \r\nFrom:\r\nDate: 1\r\nMessage-ID: 2\r\nFrom: a@b\r\n\r\n",
            "Date: 1\r\nMessage-ID: 2\r\nFrom: a@b\r\n\r\n", "empty_field"},
           {"Date: 1\r\nMessage-ID: 2\r\nFrom: a@b\r\nSubject:\r\nsubject: x\r\nTo:\r\nX:\r\nX: "
            "y\r\nComments:\r\nComments: z\r\n\r\n",
            "Date: 1\r\nMessage-ID: 2\r\nFrom: a@b\r\nsubject: x\r\nTo:\r\nX:\r\nX: "
            "y\r\nComments:\r\nComments: z\r\n\r\n",
            "empty_field"},
           {"Resent-Date: 1\r\nResent-Message-ID: 2\r\nResent-From: a@b\r\n\r\n",
            "Resent-Date: 1\r\nResent-Message-ID: 2\r\nResent-From: a@b\r\n" + date + id + from +
                "\r\n",
            "no_date,no_message_id,no_from"}},
          all_added());
}

TEST_CASE("header editor: nothing is added that nobody has given") {
    check({{"Date:\r\nX: y\r\n\r\n", "Date:\r\nX: y\r\n\r\n", ""}}, nothing_added());
}

TEST_CASE("header editor: an mbox line is dropped") {
    const std::string line = "From a@b Mon Jan  1 00:00:00 2026\r\n";
    check({{line + "A: b\r\n\r\n", "A: b\r\n\r\n", "mbox_from"},
           {">" + line + line + "A: b\r\n\r\n", "A: b\r\n\r\n", "mbox_from"},
           {line, "\r\n", "mbox_from,no_separator"},
           {line + " x\r\n", "\r\n x\r\n", "mbox_from,no_separator"},
           {"A: b\r\n" + line, "A: b\r\n\r\n" + line, "no_separator"},
           {"From root\r\nA: b\r\n\r\n", "A: b\r\n\r\n", "mbox_from"},
           {"From root\r\n\r\nA: b\r\n", "\r\nA: b\r\n", "mbox_from"},
           {"From here\r\non\r\n", "\r\nFrom here\r\non\r\n", "no_separator"}},
          nothing_added());
}

TEST_CASE("header editor: the form of a field") {
    check_fields({{"Subject : x", "Subject: x", "space_before_colon"},
                  {"Subject\t :x", "Subject:x", "space_before_colon"},
                  {"Subject: x\r\n \r\n y", "Subject: x\r\n y", "blank_fold"},
                  {"Subject: x\r\n \r\n\t", "Subject: x", "blank_fold"},
                  {"Subject:\r\n y", "Subject:\r\n y", ""},
                  {"Subject :\r\n \r\n y", "Subject:\r\n y", "space_before_colon,blank_fold"}},
                 nothing_added());
}

TEST_CASE("header editor: lines above 998 octets are folded") {
    const std::string x(990, 'x');
    const std::string y(990, 'y');
    check_fields({{"References: <" + x + "> <" + y + ">",
                   "References:\r\n <" + x + ">\r\n <" + y + ">", "header_folded"},
                  {"From: a. " + x + " b <a@b>", "From: \"a.\r\n " + x + " b\"\r\n <a@b>",
                   "name_quoted,header_folded"}},
                 nothing_added());
}

TEST_CASE("header editor: no address, identifier or parameter is torn apart") {
    std::string to;
    std::string references;
    for (int i = 0; i < 90; ++i) {
        to += (i > 0 ? "," : "") + std::string("first.lastname@department.example.test");
        references += "<1234567890@department.example.test>";
    }
    for (const std::string& field : {"To: " + to, "References: " + references, "Cc: A<a@b>," + to,
                                     "Reply-To:" + to, "In-Reply-To:" + references,
                                     "Content-Type: a/b;name=\"" + std::string(600, 'x') +
                                         "\";x=\"" + std::string(600, 'y') + "\""}) {
        CAPTURE(field);
        const Edited result = edit(field + "\r\n\r\n", nothing_added());
        CHECK(result.repairs == "header_folded");
        std::string_view rest = result.message;
        for (std::string_view line; !(line = message::take_line(rest)).empty();) {
            CHECK(line.size() <= 1000);
            const std::string_view text = message::without_line_end(line);
            const bool last = rest.starts_with("\r\n");
            CHECK((text.empty() || last || text.ends_with(',') || text.ends_with('>') ||
                   text.ends_with(';')));
        }
    }
}

TEST_CASE("header editor: body lines are folded when that is asked for, repairs or not") {
    Edits edits = nothing_added();
    edits.fold_body = true;
    const std::string x(998, 'x');
    const std::vector<Case> cases{
        {"A: b\r\n\r\n" + x + "y\r\n", "A: b\r\n\r\n" + x + "\r\n y\r\n", "body_folded"},
        {"A: b\r\n\r\n" + x + "\r\ny", "A: b\r\n\r\n" + x + "\r\ny", ""}};
    check(cases, edits);
    edits.repair = false;
    check(cases, edits);
}

TEST_CASE("header editor: the lines of a signed body stay") {
    Edits edits = nothing_added();
    edits.fold_body = true;
    const std::string body = "\r\n\r\n" + std::string(999, 'x') + "\r\n";
    for (const std::string type :
         {"Content-Type: multipart/signed; a=b", "content-type :\r\n Multipart/SIGNED"}) {
        const Edited result = edit(type + body, edits);
        CHECK(result.message.ends_with(body));
        CHECK(result.repairs.find("body_folded") == std::string::npos);
    }
    CHECK(edit("Content-Type: multipart/mixed; a=multipart/signed" + body, edits).repairs ==
          "body_folded");
    CHECK(edit("Subject: multipart/signed" + body, edits).repairs == "body_folded");
}

TEST_CASE("header editor: the end of a long line is not lost") {
    Edits edits = nothing_added();
    edits.fold_body = true;
    const std::string x(998, 'x');
    check({{"A: b\r\n\r\n" + x, "A: b\r\n\r\n" + x, ""},
           {x, "\r\n" + x, "no_separator"},
           {x + "y", "\r\n" + x + "\r\n y", "no_separator,body_folded"}},
          edits);
}

TEST_CASE("header editor: Received goes first") {
    Edits edits = nothing_added();
    edits.received = "from a\r\n by b; Sat, 28 Nov 2026 19:30:00 +0000";
    const std::string field = "Received: " + edits.received + "\r\n";
    const std::string line = "From a@b Mon Jan  1 00:00:00 2026\r\n";
    check({{"A: b\r\n\r\n", field + "A: b\r\n\r\n", ""},
           {line + "A: b\r\n\r\n", field + "A: b\r\n\r\n", "mbox_from"},
           {"", field + "\r\n", "no_separator"}},
          edits);
    edits.repair = false;
    check({{"A: b\r\n\r\n", field + "A: b\r\n\r\n", ""},
           {line + "A: b\r\n\r\n", line + field + "A: b\r\n\r\n", ""},
           {line, line + field, ""},
           // It would be a part of our field.
           {" x\r\n", field + "\r\n x\r\n", "no_separator"},
           {"", field, ""}},
          edits);
}

TEST_CASE("header editor: without repairs nothing is repaired") {
    Edits edits = all_added();
    edits.repair = false;
    std::vector<Case> cases;
    for (const std::string text :
         {"", "hello\r\n",
          "From a@b Mon Jan  1 00:00:00 2026\r\nSubject : \xFC\r\n \r\nFrom: a@b <a@b>\r\nx\r\n"})
        cases.push_back({text, text, ""});
    cases.push_back({"X: " + std::string(2000, 'x'), "X: " + std::string(2000, 'x'), ""});
    check(cases, edits);
    edits.sender = "me@own.example";
    // What is ours is right all the same.
    check({{"From: a@b <a@b>\r\nX : \xFC\r\n\r\n",
            "From: \"a@b\" <me@own.example>\r\nX : \xFC\r\nReply-To: \"a@b\" <a@b>\r\n\r\n",
            "from_rewritten,reply_to_added"},
           {"X : y", "X : y\r\nFrom: me@own.example\r\n", "no_from"},
           {"From: a@b", "From: me@own.example\r\nReply-To: a@b\r\n",
            "from_rewritten,reply_to_added"},
           {"X: y\r\ngarbage\r\nFrom: a@b\r\n",
            "X: y\r\nFrom: me@own.example\r\n\r\ngarbage\r\nFrom: a@b\r\n", "no_separator,no_from"},
           {"From: me@own.example\r\ngarbage\r\n", "From: me@own.example\r\ngarbage\r\n", ""},
           {"Date:\r\nDate: 1\r\nFrom:\r\nFrom: me@own.example\r\n\r\n",
            "Date:\r\nDate: 1\r\nFrom: me@own.example\r\n\r\n", "empty_field"},
           {"hello\r\n", "From: me@own.example\r\n\r\nhello\r\n", "no_separator,no_from"}},
          edits);
}

TEST_CASE("header editor: a signed message is not touched") {
    Edits edits = all_added();
    edits.sender = "me@own.example";
    edits.received = "from a";
    edits.fold_body = true;
    const std::string rest = "Subject : \xFC\r\nFrom: a@b <a@b>\r\n";
    const std::string body = std::string(1200, 'x') + "\r\n";
    const std::vector<std::string> messages{
        rest + "DKIM-Signature: x\r\n\r\n" + body, "dkim-signature : x\r\n" + rest + body,
        rest + "DKIM-Signature:", "From a@b Mon Jan  1 00:00:00 2026\r\nDKIM-Signature: x\r\n\r\n"};
    for (const std::string& text : messages) {
        for_each_split(text.substr(0, 200), [&](const Chunks& chunks) {
            std::vector<std::string_view> pieces(chunks.begin(), chunks.end());
            pieces.push_back(
                std::string_view(text).substr(std::min<std::size_t>(200, text.size())));
            const Edited result = edit_pieces(pieces, edits);
            if (result.message != text || result.untouched != "dkim" || !result.repairs.empty())
                FAIL("a signed message was touched");
        });
    }
    // In the body it signs nothing.
    CHECK(edit("\r\nDKIM-Signature: x\r\n", edits).untouched == "");
}

TEST_CASE("header editor: a block that is too large is passed on as it is") {
    Edits edits = all_added();
    edits.fold_body = true;
    const auto message = [](std::size_t size) {
        std::string text;
        while (text.size() + 1000 < size - 2) text += "X : " + std::string(994, 'x') + "\r\n";
        return text + "Y: " + std::string(size - 2 - text.size() - 5, 'y') + "\r\n\r\n" +
               std::string(1200, 'b');
    };
    const std::string most = message(limits::header_block);
    const std::string more = message(limits::header_block + 1);
    for (const std::size_t longest : {std::size_t{1}, std::size_t{16384}, more.size()}) {
        CAPTURE(longest);
        for (const std::string* text : {&most, &more}) {
            std::vector<std::string_view> pieces;
            for (std::string_view rest = *text; !rest.empty();
                 rest.remove_prefix(pieces.back().size()))
                pieces.push_back(rest.substr(0, longest));
            const Edited result = edit_pieces(pieces, edits);
            CHECK((result.message == *text) == (text == &more));
            CHECK(result.untouched == (text == &more ? "header_too_large" : ""));
            CHECK(result.repairs.empty() == (text == &more));
        }
    }
}

TEST_CASE("header editor: the body flows by without a copy, and holds nothing back") {
    message::HeaderEditor editor(all_added());
    CHECK(editor.edit("Subject: x\r\n\r").empty());
    CHECK(editor.edit("\nbody").ends_with("\r\n\r\nbody"));
    const std::string piece = "more\r\nDKIM-Signature: x\r\n";
    CHECK(editor.edit(piece).data() == piece.data());
    CHECK(editor.edit(piece).size() == piece.size());
    CHECK(editor.finish().empty());
    CHECK(editor.untouched().empty());
}
