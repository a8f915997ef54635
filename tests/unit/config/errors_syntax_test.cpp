// Errors in the shape of a file: syntax, sections, keys.
// Each row: what is written, and every line that is said about it.
#include "support.hpp"

using namespace waxseal::config;

// How the parser words it is the parser's; where it is, and what to write instead, is ours.
TEST_CASE("what is no TOML") {
    struct Row {
        std::string toml;
        std::string begin;
        std::string end;
    };
    const std::vector<Row> rows{
        {"a", R"(f:1:2: this is not TOML: )", R"()"},
        {R"([log
level = "info")",
         R"(f:1:5: this is not TOML: )", R"()"},
        {"x = 1\nx = 2", R"(f:2:5: this is not TOML: )", R"(remove one of the two)"},
        {R"([[upstream]]
address = "a.example:465"
[log]
level = info
)",
         R"(f:4:12: this is not TOML: )", R"(a text needs quotes: level = "…")"},
        {R"([[upstream]]
address = "a.example:465"
[log]
level = "info
)",
         R"(f:4:14: this is not TOML: )", R"()"},
        {R"([[upstream]]
address = "a.example:465"
[log]
[log]
)",
         R"(f:4:1: this is not TOML: )", R"(remove one of the two)"},
        {"\n[.a]\n", R"(f:2:)", R"()"},
        {"\xFF", R"(f:1:1: this is not TOML: )", R"()"},
        {"address = smtp.example.com:465\n", R"(f:1:11: this is not TOML: )",
         R"(a text needs quotes: address = "…")"},
        {R"([[upstream]]
address = "a.example:465"
tls = tru
)",
         R"(f:3:10: this is not TOML: )", R"(a text needs quotes: tls = "…")"},
        {R"([[upstream]]
address = "a.example:465"
[log]
level == "info"
)",
         R"(f:4:8: this is not TOML: )", R"()"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.toml);
        const Lines lines = said(load_string(row.toml));
        REQUIRE(lines.size() == 1);
        CAPTURE(lines[0]);
        CHECK(lines[0].starts_with(row.begin));
        CHECK(lines[0].ends_with(row.end));
    }
}

TEST_CASE("sections") {
    check_all({
        {"[listen]\n",
         {R"(f:3:1: listen is a list of sections; write [[listen]] on a line of its own and the keys under it)"}},
        {"[[log]]\n",
         {R"(f:3:1: log is a section that exists once; write [log] on a line of its own and the keys under it)"}},
        {R"([[limits]]
max_errors = 5
[[limits]]
)",
         {R"(f:3:1: limits is a section that exists once; write [limits] on a line of its own and the keys under it)"}},
        {"listen = 5\n",
         {R"(f:3:1: [[upstream]] listen: unknown key; it belongs under [[route]])"}},
        {R"([[user]]
name = "x"
)",
         {R"(f:3:1: [[user]] password_file: is missing; write password_file = "/run/secrets/printer-password", or password_hash and what `waxseal hash-password` prints)",
          R"(f:4:8: warning: [[user]] name: nobody can log in as "x", as no listener has auth = "local"; write that under [[listen]], or remove the user)"}},
        {R"([admin]
address = "127.0.0.1:8025"
)",
         {R"(f:4:11: [admin] address: is not in this version yet; remove it, or write address = "")"}},
        {R"([admin]
address = ""
)",
         {}},
        {"[limit]\n", {R"(f:3:1: [limit]: unknown section; did you mean limits?)"}},
        {"[frobnicate]\n",
         {R"(f:3:1: [frobnicate]: unknown section; known are [server], [[listen]], [[upstream]], [[user]], [[route]], [limits], [timeouts] and [log])"}},
        {"[[listeners]]\n", {R"(f:3:1: [listeners]: unknown section; did you mean listen?)"}},
        {R"([log.more]
x = 1
)",
         {R"(f:3:6: [log] more: unknown key; known here are level and format)"}},
        {R"(log.level = "debug"
)",
         {R"(f:3:1: [[upstream]] log: unknown key; known here are name, address, tls, allow_cleartext, server_name, ca_file, min_tls, max_tls, pin_sha256, pin_only, auth, username, password_file, token_file, certificate_file, key_file, sender, xclient, max_connections, idle_connections, idle_timeout and max_transactions_per_connection)"}},
    });
}

TEST_CASE("sections, as whole files") {
    check_all(
        {
            {R"(listen = 5
[[upstream]]
address = "a.example:465"
)",
             {R"(f:1:1: listen is a list of sections; write [[listen]] on a line of its own and the keys under it)"}},
            {R"(log = "debug"
[[upstream]]
address = "a.example:465"
)",
             {R"(f:1:1: log is a section that exists once; write [log] on a line of its own and the keys under it)"}},
            {"max_sessions = 5\n",
             {R"(f:1:1: max_sessions: stands before the first section; it belongs under [limits])",
              R"(f:1:1: there is no upstream to send mail to; write [[upstream]] with address = "smtp.example.com:465" in the file, or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM))"}},
            {"quux = 5\n",
             {R"(f:1:1: quux: unknown key; every key stands under a section, as [log])",
              R"(f:1:1: there is no upstream to send mail to; write [[upstream]] with address = "smtp.example.com:465" in the file, or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM))"}},
        },
        "");
}

TEST_CASE("unknown keys") {
    check_all({
        {R"(adress = "x"
)",
         {R"(f:3:1: [[upstream]] adress: unknown key; did you mean address?)"}},
        {"max_sessions = 5\n",
         {R"(f:3:1: [[upstream]] max_sessions: unknown key; it belongs under [limits])"}},
        {"frobnicate = 1\n",
         {R"(f:3:1: [[upstream]] frobnicate: unknown key; known here are name, address, tls, allow_cleartext, server_name, ca_file, min_tls, max_tls, pin_sha256, pin_only, auth, username, password_file, token_file, certificate_file, key_file, sender, xclient, max_connections, idle_connections, idle_timeout and max_transactions_per_connection)"}},
        {R"(password = "hunter2"
)",
         {R"(f:3:1: [[upstream]] password: a password does not belong in this file; write it into a file of its own and password_file = "/path/of/it")"}},
        {R"([log]
lvl = "x"
)",
         {R"(f:4:1: [log] lvl: unknown key; known here are level and format)"}},
    });
}
