// Whose address From and Sender may bear.
#include "message/sender_policy.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/message/editing.hpp"

using namespace waxseal;
using namespace waxseal::testing;
using message::Edits;

namespace {

Edits with_sender(std::string sender) {
    Edits edits = nothing_added();
    edits.sender = std::move(sender);
    return edits;
}

}  // namespace

TEST_CASE("header editor: From and Sender become the sender, and replies go where they should") {
    check_fields(
        {{"From: a@b", "From: me@own.example\r\nReply-To: a@b", "from_rewritten,reply_to_added"},
         {"From: A B <a@b>\r\nTo: c@d",
          "From: A B <me@own.example>\r\nTo: c@d\r\nReply-To: A B <a@b>",
          "from_rewritten,reply_to_added"},
         {"From: a@b <a@b>", "From: \"a@b\" <me@own.example>\r\nReply-To: \"a@b\" <a@b>",
          "name_quoted,from_rewritten,reply_to_added"},
         {"From: A <a@b>,\r\n C <c@d>",
          "From: A <me@own.example>\r\nReply-To: A <a@b>,\r\n C <c@d>",
          "from_rewritten,reply_to_added"},
         {"From: é <a@b>\r\nReply-To: c@d",
          "From: =?UTF-8?B?w6k=?= <me@own.example>\r\nReply-To: c@d",
          "eight_bit_header,from_rewritten"},
         {"From: a@b\r\nReply-To: ", "From: me@own.example\r\nReply-To: a@b",
          "from_rewritten,reply_to_added"},
         {"From: a@b\r\nSender: S <s@b>\r\nReply-To: r@b",
          "From: me@own.example\r\nSender: S <me@own.example>\r\nReply-To: r@b",
          "from_rewritten,sender_rewritten"},
         {"From : a@b\r\nfrom: c@d", "From: me@own.example\r\nReply-To: a@b",
          "from_rewritten,reply_to_added"},
         {"From: iLO <host.@b>", "From: iLO <me@own.example>\r\nReply-To: \"host.\"@b",
          "from_rewritten,reply_to_added"},
         {"From: .a..b@c", "From: me@own.example\r\nReply-To: \".a..b\"@c",
          "from_rewritten,reply_to_added"},
         {"From: .a@c, b@d", "From: me@own.example", "from_rewritten"},
         {"From: A a@b", "From: A <me@own.example>\r\nReply-To: A <a@b>",
          "name_quoted,from_rewritten,reply_to_added"},
         {"From: A me@own.example", "From: A <me@own.example>", "name_quoted"},
         {"From: me@own.example\r\nFrom: a@b", "From: me@own.example", "from_rewritten"},
         {"From:\r\nFrom: me@own.example", "From: me@own.example", "empty_field"},
         // Nowhere to reply to.
         {"From: scanner", "From: me@own.example", "from_rewritten"},
         {"From: G: a@b;", "From: me@own.example", "from_rewritten"},
         {"From: \"a <a@b>", "From: me@own.example", "from_rewritten"},
         {"From: a@b b@c", "From: me@own.example", "from_rewritten"},
         {"From: <>", "From: me@own.example", "from_rewritten"},
         {"From: A <a@b@c>", "From: A <me@own.example>", "from_rewritten"},
         {"From: <@x:a@b>", "From: me@own.example\r\nReply-To: a@b",
          "from_rewritten,reply_to_added"},
         // It is already.
         {"From: A. <me@OWN.example>", "From: \"A.\" <me@OWN.example>", "name_quoted"},
         {"From: me@own.example (x)\r\nSender: <me@own.example>",
          "From: me@own.example (x)\r\nSender: <me@own.example>", ""},
         {"From: me@own.example, me@own.example",
          "From: me@own.example\r\nReply-To: me@own.example, me@own.example",
          "from_rewritten,reply_to_added"},
         {"From: me@own.example, a@b", "From: me@own.example\r\nReply-To: me@own.example, a@b",
          "from_rewritten,reply_to_added"},
         {"From: ME@own.example", "From: me@own.example\r\nReply-To: ME@own.example",
          "from_rewritten,reply_to_added"},
         {"Sender:\r\nFrom:\r\nTo: a@b", "Sender:\r\nTo: a@b\r\nFrom: me@own.example", "no_from"}},
        with_sender("me@own.example"));
}

TEST_CASE("header editor: only foreign senders are rewritten where that is what is asked for") {
    Edits edits = with_sender("me@own.example");
    edits.own_domains = {"own.example", "Other.example"};
    check_fields(
        {{"From: a@OWN.example", "From: a@OWN.example", ""},
         {"From: Doe, J. <a@other.EXAMPLE>", "From: \"Doe, J.\" <a@other.EXAMPLE>", "name_quoted"},
         {"From: a@b <a@own.example>", "From: \"a@b\" <a@own.example>", "name_quoted"},
         // Whose it is is not said without a Sender.
         {"From: A <a@other.EXAMPLE>, b@own.example",
          "From: A <me@own.example>\r\nReply-To: A <a@other.EXAMPLE>, b@own.example",
          "from_rewritten,reply_to_added"},
         {"From: a@own.example\r\nSender: s@b", "From: a@own.example\r\nSender: me@own.example",
          "sender_rewritten"},
         {"From: a@own.example, b@c", "From: me@own.example\r\nReply-To: a@own.example, b@c",
          "from_rewritten,reply_to_added"},
         {"From: a@sub.own.example", "From: me@own.example\r\nReply-To: a@sub.own.example",
          "from_rewritten,reply_to_added"},
         {"From: own.example", "From: me@own.example", "from_rewritten"}},
        edits);
    edits.own_domains->clear();
    check_fields({{"From: a@own.example", "From: me@own.example\r\nReply-To: a@own.example",
                   "from_rewritten,reply_to_added"}},
                 edits);
}

TEST_CASE("header editor: what another reader could take for another's address is rewritten") {
    const std::vector<std::string> forged{
        "<ceo@bank.example> <me@own.example>",
        "ceo@bank.example me@own.example",
        "<ceo@bank.example@own.example>",
        "<ceo@bank.example:@own.example>",
        "<ceo@bank.example (@own.example>",
        "<ceo@bank.example\\@own.example>",
        "<ceo@bank.example>\xFF<me@own.example>",
        "ceo@[192.0.2.1]@own.example",
        "ceo@bank.example:me@own.example",
        "ceo@bank.example, me@own.example",
        "ceo@bank.example;me@own.example",
        "ceo@bank.example(x)@own.example",
        "(ceo@bank.example) me@own.example",
        "me@own.example (ceo@bank.example)",
        "<@bank.example:me@own.example>",
        "ceo@bank.example\x0Bme@own.example",
        "ceo@bank.example\xC2\x85me@own.example",
        "g: me@own.example;",
        "me@own.example <ceo@bank.example",
        "me@own.exam ple",
        "me@own.example.",
        "m..e@own.example",
        "\"ceo@bank.example\" me@own.example",
    };
    for (const bool foreign : {false, true}) {
        for (const bool repair : {false, true}) {
            Edits edits = with_sender("me@own.example");
            edits.repair = repair;
            if (foreign) edits.own_domains = {"own.example"};
            for (const std::string& body : forged) {
                CAPTURE(body);
                const Edited result = edit("From: " + body + "\r\nReply-To: x@y\r\n\r\n", edits);
                const auto end = result.message.find("Reply-To");
                const std::string from = result.message.substr(0, end);
                // What is left of it is a display name, in quotes, or nothing.
                const bool ours = from == "From: me@own.example\r\n" ||
                                  from == "From: \"me@own.example\" <me@own.example>\r\n";
                CHECK_MESSAGE(ours, from);
                CHECK(edit(result.message, edits).message == result.message);
            }
        }
    }
}
