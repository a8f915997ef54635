// What is done to messages, and who they may be from and to: sender rules, lists of senders and
// recipients, own domains, repairs.
// Each row of a table: what is written, and every line that is said about it.
#include "config/values.hpp"
#include "support.hpp"

using namespace waxseal::config;
using namespace std::chrono_literals;

namespace {

const std::string local_user =
    upstream_lines +
    "[[listen]]\nauth = \"local\"\n[[user]]\nname = \"a\"\npassword_hash = \"$h\"\n";

}  // namespace

TEST_CASE("a sender rule, as one value, as dotted keys, under a heading of its own") {
    for (const std::string_view rule :
         {"sender = { envelope = \"S@corp.example\", header = \"rewrite\", when = \"foreign\" }\n",
          "sender.envelope = \"S@corp.example\"\nsender.header = \"rewrite\"\nsender.when = "
          "\"foreign\"\n",
          "[listen.sender]\nenvelope = \"S@corp.example\"\nheader = \"rewrite\"\nwhen = "
          "\"foreign\"\n"}) {
        CAPTURE(rule);
        const Config config = good("[server]\nown_domains = [\"corp.example\"]\n" + upstream_lines +
                                   "[[listen]]\n" + std::string(rule));
        const SenderRule& sender = config.listen[0].sender;
        CHECK(sender.envelope == "S@corp.example");
        CHECK(sender.header);
        CHECK(sender.foreign);
        CHECK(config.upstream[0].sender.envelope.empty());
    }
    const SenderRule least =
        good(upstream_lines + "sender = { envelope = \"s@corp.example\" }\n").upstream[0].sender;
    CHECK(least.envelope == "s@corp.example");
    CHECK_FALSE(least.header);
    CHECK_FALSE(least.foreign);
    const Config of_user = good(local_user +
                                "sender.envelope = \"s@corp.example\"\nsender.when = "
                                "\"always\"\nsender.header = \"keep\"\n");
    CHECK(of_user.user[0].sender.envelope == "s@corp.example");
    CHECK_FALSE(of_user.user[0].sender.header);
    CHECK_FALSE(of_user.user[0].sender.foreign);
    // A login that is passed through does not forbid one.
    good(upstream_lines +
         "sender = { envelope = \"s@corp.example\" }\n[[listen]]\nauth = "
         "\"passthrough\"\nsender.envelope = \"t@corp.example\"\n");
}

TEST_CASE("sender rules that are none") {
    check_all({
        {"sender = \"s@corp.example\"\n",
         {R"(f:3:10: [[upstream]] sender: must be a table; write sender = { envelope = "scanner@example.com" })"}},
        {"sender = [\"s@corp.example\"]\n",
         {R"(f:3:10: [[upstream]] sender: must be a table; write sender = { envelope = "scanner@example.com" })"}},
        {"sender = {}\n",
         {R"(f:3:10: [[upstream]] sender: does not say which sender; write sender = { envelope = "scanner@example.com" })"}},
        {"sender = { header = \"rewrite\" }\n",
         {R"(f:3:10: [[upstream]] sender: does not say which sender; write sender = { envelope = "scanner@example.com" })"}},
        {"[upstream.sender]\nheader = \"rewrite\"\n",
         {R"(f:3:1: [[upstream]] sender: does not say which sender; write sender = { envelope = "scanner@example.com" })"}},
        {"sender.header = \"rewrite\"\n",
         {R"(f:3:1: [[upstream]] sender: does not say which sender; write sender = { envelope = "scanner@example.com" })"}},
        {"sender = { envelope = \"s@corp.example\", heeder = \"keep\" }\n",
         {R"(f:3:41: [[upstream]] sender heeder: unknown key; did you mean header?)"}},
        {"sender = { envelope = \"s@corp.example\", reply = \"keep\" }\n",
         {R"(f:3:41: [[upstream]] sender reply: unknown key; known here are envelope, header and when)"}},
        {"sender = { envelope = 5, header = true, when = [] }\n",
         {R"(f:3:23: [[upstream]] sender envelope: must be a text in quotes; write envelope = "scanner@example.com")",
          R"(f:3:35: [[upstream]] sender header: must be a word in quotes; write header = "keep")",
          R"(f:3:48: [[upstream]] sender when: must be a word in quotes; write when = "always")"}},
        {"sender = { envelope = \"s@corp.example\", header = \"rewrit\", when = \"never\" }\n",
         {R"(f:3:50: [[upstream]] sender header: "rewrit" is unknown; write "keep" or "rewrite"; did you mean rewrite?)",
          R"(f:3:67: [[upstream]] sender when: "never" is unknown; write "always" or "foreign")"}},
        {"sender = { envelope = \"scanner\" }\n",
         {R"(f:3:23: [[upstream]] sender envelope: "scanner" is not an address; write a whole one, as "scanner@example.com")"}},
        {"[[listen]]\nsender = { envelope = \"<s@corp.example>\" }\n",
         {R"(f:4:23: [[listen]] sender envelope: "<s@corp.example>" is not an address; write a whole one, as "scanner@example.com")"}},
        // What stands behind a heading is part of it.
        {"[[listen]]\n[listen.sender]\nenvelope = \"s@corp.example\"\nrecipients = []\n",
         {R"(f:6:1: [[listen]] sender recipients: unknown key; it belongs under [[listen]])"}},
        {"[upstream.sender]\nenvelope = \"s@corp.example\"\npassword_file = \"x\"\n",
         {R"(f:5:1: [[upstream]] sender password_file: unknown key; it belongs under [[upstream]])"}},
        {"[log]\nlevel = { envelope = \"s@corp.example\" }\n",
         {R"(f:4:9: [log] level: must be a word in quotes; write level = "info")"}},
    });
    CHECK(said(load_string(local_user + "[user.sender]\nenvelope = \"s@corp.example\"\nupstream = "
                                        "\"default\"\n")) ==
          Lines{"f:10:1: [[user]] sender upstream: unknown key; it belongs under [[user]]"});
}

TEST_CASE("foreign senders, and the domains that are not foreign") {
    const std::string why =
        "\"foreign\" is every sender who is not of your own domains, and they are not known; write "
        "own_domains = [\"example.com\"] under [server], or when = \"always\"";
    check_all({
        {"sender = { envelope = \"s@corp.example\", when = \"foreign\" }\n",
         {"f:3:48: [[upstream]] sender when: " + why}},
        {"[[listen]]\n[listen.sender]\nenvelope = \"s@corp.example\"\nwhen = \"foreign\"\n",
         {"f:6:8: [[listen]] sender when: " + why}},
        {"sender = { envelope = \"s@corp.example\", when = \"foreign\" }\n[server]\nown_domains = "
         "[]\n",
         {"f:3:48: [[upstream]] sender when: " + why}},
        {"[server]\nown_domains = [\"corp.example\"]\n",
         {R"(f:4:15: warning: [server] own_domains: has no effect, as no sender rule has when = "foreign"; write that in one, or remove it)"}},
        {"sender = { envelope = \"s@corp.example\", when = \"always\" }\n[server]\nown_domains = "
         "[\"corp.example\"]\n",
         {R"(f:5:15: warning: [server] own_domains: has no effect, as no sender rule has when = "foreign"; write that in one, or remove it)"}},
        {"[server]\nown_domains = []\n", {}},
        // One mistake is one line.
        {"sender = { envelope = \"s@corp.example\", when = \"foreign\" }\n[server]\nown_domains = "
         "[\"@Corp.example\", \"a@b\", \"a b\", \"\", 5]\n",
         {R"(f:5:16: [server] own_domains: "@Corp.example" is not a domain; write it alone, as "corp.example")",
          R"(f:5:33: [server] own_domains: "a@b" is not a domain; write it alone, as "b")",
          R"(f:5:40: [server] own_domains: "a b" is not a domain; write it alone, as "example.com")",
          R"(f:5:47: [server] own_domains: "" is not a domain; write it alone, as "example.com")",
          R"(f:5:51: [server] own_domains: each item must be a text in quotes; write own_domains = ["example.com"])"}},
        {"sender = { envelope = \"s@corp.example\", when = \"foreign\" }\n[server]\nown_domains = "
         "\"corp.example\"\n",
         {R"(f:5:15: [server] own_domains: must be a list of domains; write own_domains = ["example.com"])"}},
    });
    CHECK(said(load_string(local_user +
                           "sender = { envelope = \"s@corp.example\", when = \"foreign\" }\n")) ==
          Lines{"f:8:48: [[user]] sender when: " + why});
    const std::string_view foreign =
        "sender = { envelope = \"s@b.example\", when = \"foreign\" }\n";
    const std::string domains = "[server]\nown_domains = [\"Corp.Example\", \"b.example\"]\n";
    for (const std::string& file :
         {local_user + std::string(foreign), upstream_lines + std::string(foreign),
          upstream_lines + "[[listen]]\n" + std::string(foreign)}) {
        CAPTURE(file);
        CHECK(good(file + domains).own_domains == Lines{"corp.example", "b.example"});
        CHECK(said(load_string(file + domains)) == Lines{});
    }
}

TEST_CASE("who may be written as and to") {
    const std::string lists =
        "senders = [\"S@Corp.Example\", \"@b.example\", \"<>\"]\n"
        "recipients = [\"*@Corp.Example\", \"a.B@c.example\"]\n";
    const Config config =
        good(local_user + lists + "[[listen]]\naddress = \"127.0.0.1:1\"\n" + lists);
    CHECK(config.user[0].senders == Lines{"S@corp.example", "*@b.example", "<>"});
    CHECK(config.user[0].recipients == Lines{"*@corp.example", "a.B@c.example"});
    CHECK(config.listen[1].senders == config.user[0].senders);
    CHECK(config.listen[1].recipients == config.user[0].recipients);
    CHECK(config.listen[0].recipients.empty());
    check_all({
        {"[[listen]]\nrecipients = [\"<>\", \"corp.example\", \"a b@c.example\", \"postmaster\", "
         "1]\n",
         {R"(f:4:15: [[listen]] recipients: "<>" is the null sender, and nobody's mailbox; write "office@example.com", or "*@example.com" for a whole domain)",
          R"(f:4:21: [[listen]] recipients: "corp.example" is not a recipient; write "office@example.com", or "*@example.com" for a whole domain)",
          R"(f:4:37: [[listen]] recipients: "a b@c.example" is not a recipient; write "office@example.com", or "*@example.com" for a whole domain)",
          R"(f:4:54: [[listen]] recipients: "postmaster" is not a recipient; write "office@example.com", or "*@example.com" for a whole domain)",
          R"(f:4:68: [[listen]] recipients: each item must be a text in quotes; write recipients = ["office@example.com", "*@example.com"])"}},
        {"[[listen]]\nrecipients = []\nsenders = []\n",
         {R"(f:4:14: [[listen]] recipients: is empty, so nobody could get mail; remove it for anybody)",
          R"(f:5:11: [[listen]] senders: is empty, so no sender would do; remove it for any)"}},
        {"[[listen]]\nrecipients = \"*@corp.example\"\nsenders = [\"corp.example\"]\n",
         {R"(f:4:14: [[listen]] recipients: must be a list of recipients; write recipients = ["office@example.com", "*@example.com"])",
          R"(f:5:12: [[listen]] senders: "corp.example" is not a sender; write "scanner@example.com", "*@example.com" for a whole domain, or "<>")"}},
    });
    CHECK(said(load_string(local_user + "recipients = [\"<>\"]\n")) ==
          Lines{"f:8:15: [[user]] recipients: \"<>\" is the null sender, and nobody's mailbox; "
                "write \"office@example.com\", or \"*@example.com\" for a whole domain"});
}

TEST_CASE("kinds of listeners, and their messages") {
    const Config plain = good(upstream_lines);
    CHECK(plain.listen[0].kind == ListenKind::device);
    CHECK(plain.listen[0].line_endings == LineEndings::repair);
    CHECK(plain.listen[0].long_lines == LongLines::pass);
    CHECK(plain.listen[0].buffer == Buffer::stream);
    CHECK_FALSE(plain.listen[0].received);
    CHECK(plain.listen[0].received_address == ReceivedAddress::show);
    CHECK(plain.listen[0].legacy_charset == "windows-1252");
    CHECK(plain.listen[0].legacy_charset_place.empty());
    CHECK_FALSE(plain.listen[0].legacy_auth);
    CHECK(plain.timeouts.lost_reply_memory == 10min);
    const Config other =
        good(upstream_lines +
             "[[listen]]\nkind = \"device\"\nlong_lines = \"fold\"\nbuffer = "
             "\"auto\"\nreceived = true\nreceived_address = \"hide\"\n"
             "legacy_charset = \"iso-8859-2\"\nauth = \"any\"\nlegacy_auth = true\n"
             "[timeouts]\nlost_reply_memory = \"0s\"\n");
    CHECK(other.listen[0].line_endings == LineEndings::repair);
    CHECK(other.listen[0].long_lines == LongLines::fold);
    CHECK(other.listen[0].buffer == Buffer::automatic);
    CHECK(other.listen[0].received);
    CHECK(other.listen[0].received_address == ReceivedAddress::hide);
    CHECK(other.listen[0].legacy_charset == "iso-8859-2");
    CHECK(other.listen[0].legacy_charset_place == "f:9:18");
    CHECK(other.listen[0].legacy_auth);
    CHECK(other.timeouts.lost_reply_memory == 0s);
    const Config strict = good(upstream_lines +
                               "[[listen]]\nkind = \"strict\"\nlong_lines = \"reject\"\nbuffer = "
                               "\"whole\"\n[[listen]]\naddress = \"127.0.0.1:1\"\nkind = "
                               "\"strict\"\nline_endings = \"repair\"\n");
    CHECK(strict.listen[0].kind == ListenKind::strict);
    CHECK(strict.listen[0].line_endings == LineEndings::reject);
    CHECK(strict.listen[0].long_lines == LongLines::reject);
    CHECK(strict.listen[0].buffer == Buffer::whole);
    CHECK(strict.listen[1].line_endings == LineEndings::repair);
}

TEST_CASE("what does not go together, or is no such word") {
    check_all({
        {"[[listen]]\nkind = \"printer\"\nlong_lines = \"wrap\"\nbuffer = \"all\"\nreceived = "
         "\"yes\"\nreceived_address = \"hidden\"\n",
         {R"(f:4:8: [[listen]] kind: "printer" is unknown; write "device" or "strict")",
          R"(f:5:14: [[listen]] long_lines: "wrap" is unknown; write "pass", "fold" or "reject")",
          R"(f:6:10: [[listen]] buffer: "all" is unknown; write "stream", "auto" or "whole")",
          R"(f:7:12: [[listen]] received: must be true or false; write received = false)",
          R"(f:8:20: [[listen]] received_address: "hidden" is unknown; write "show" or "hide"; did you mean hide?)"}},
        {"[[listen]]\nreceived_address = \"hide\"\n",
         {R"(f:4:20: warning: [[listen]] received_address: has no effect, as no Received line is added; write received = true beside it, or remove it)"}},
        {"[[listen]]\nreceived = false\nreceived_address = \"hide\"\n",
         {R"(f:5:20: warning: [[listen]] received_address: has no effect, as no Received line is added; write received = true beside it, or remove it)"}},
        {"[[listen]]\nreceived_address = \"show\"\n", {}},
        {"[[listen]]\nlegacy_auth = true\n",
         {R"(f:4:15: [[listen]] legacy_auth: has no effect with auth = "none", which offers no login; write auth = "any" or "local" beside it, or remove it)"}},
        {"[[listen]]\nlegacy_auth = true\nauth = \"none\"\n",
         {R"(f:4:15: [[listen]] legacy_auth: has no effect with auth = "none", which offers no login; write auth = "any" or "local" beside it, or remove it)"}},
        {"[[listen]]\nlegacy_auth = true\nauth = \"locl\"\n",
         {R"(f:5:8: [[listen]] auth: "locl" is unknown; write "none", "any", "local" or "passthrough"; did you mean local?)"}},
        {"[[listen]]\nlegacy_auth = false\n", {}},
        {"[[listen]]\nkind = \"strict\"\nlong_lines = \"fold\"\nlegacy_charset = "
         "\"windows-1252\"\n",
         {R"(f:5:14: [[listen]] long_lines: "fold" repairs a message, and kind = "strict" is for mail that needs no repair; write "reject" or "pass", or kind = "device")",
          R"(f:6:18: warning: [[listen]] legacy_charset: has no effect with kind = "strict", which repairs no header; remove it, or write kind = "device")"}},
        {"[[listen]]\nkind = \"strict\"\nlong_lines = \"pass\"\nreceived = true\nreceived_address "
         "= \"hide\"\n",
         {}},
        {"[[listen]]\nlegacy_charset = \"\"\n",
         {R"(f:4:18: [[listen]] legacy_charset: "" is not the name of a charset; write one as "windows-1252")"}},
        {"[[listen]]\nlegacy_charset = \"UTF-8//IGNORE\"\n",
         {R"(f:4:18: [[listen]] legacy_charset: "UTF-8//IGNORE" is not the name of a charset; write one as "windows-1252")"}},
        {"[[listen]]\nlegacy_charset = 1252\n",
         {R"(f:4:18: [[listen]] legacy_charset: must be a text in quotes; write legacy_charset = "windows-1252")"}},
        {"[timeouts]\nlost_reply_memory = \"61m\"\n",
         {R"(f:4:21: [timeouts] lost_reply_memory: "61m" is out of range; write lost_reply_memory from 0s to 1h)"}},
        {"[timeouts]\nlost_reply_memory = \"1h\"\n", {}},
    });
}

TEST_CASE("addresses that every upstream takes") {
    const std::string local(64, 'l');
    const std::string label(60, 'd');
    const std::string domain = label + '.' + label + '.' + label;
    for (const std::string& good :
         Lines{"a@b.example", "a.b+c_d@B.example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
               "\"a b@c\"@b.example", R"("a\"\\"@b.example)", local + "@b.example", "a@localhost",
               local + '@' + domain}) {
        CAPTURE(good);
        CHECK(parse_mailbox(good) == good);
    }
    for (const std::string& bad : Lines{"",
                                        "@",
                                        "a",
                                        "a@",
                                        "@b.example",
                                        "*@b.example",
                                        "a@b@c.example",
                                        ".a@b.example",
                                        "a.@b.example",
                                        "a..b@c.example",
                                        "a b@c.example",
                                        "a%c@b.example",
                                        "ü@b.example",
                                        "a@ü.example",
                                        "a@b_c.example",
                                        "a@b.example.",
                                        "a@[192.0.2.300]",
                                        "a@[2001:db8::1]",
                                        "a@[IPv6:192.0.2.1]",
                                        "a@[]",
                                        "a@[",
                                        "a@192.0.2.1",
                                        "\"\"@b.example",
                                        "\"a\"b\"@c.example",
                                        "\"a\\\"@b.example",
                                        "\"a%\"@b.example",
                                        "\"ü\"@b.example",
                                        "<a@b.example>",
                                        "<>",
                                        "a@b.example\r\n",
                                        local + "l@b.example",
                                        local + '@' + domain + "." + std::string(10, 'd')}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_mailbox(bad));
    }
    CHECK(parse_domain("Corp.Example") == "corp.example");
    CHECK(parse_domain("[192.0.2.1]") == "[192.0.2.1]");
    CHECK(parse_domain("büro.example") == "büro.example");
    for (const char* bad : {"", "*", "*@a.example", "a@büro.example", "a b", "a..b", ".a", "<>"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_domain(bad));
    }
}
