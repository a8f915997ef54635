// Errors in upstreams: addresses, encryption, credentials, files.
// Each row: what is written, and every line that is said about it.
#include "support.hpp"

using namespace waxseal::config;

TEST_CASE("upstreams") {
    check_all({
        {R"([[upstream]]
address = "b.example:465"
)",
         {R"(f:3:1: [[upstream]] name: "default" is the name of the one in line 1 too; write a name of its own for each)"}},
        {R"(name = ""
)",
         {R"(f:3:8: [[upstream]] name: "" is not a name; write 1 to 64 letters, digits, "-", "_" and ".")"}},
        {R"(name = "a b"
)",
         {R"(f:3:8: [[upstream]] name: "a b" is not a name; write 1 to 64 letters, digits, "-", "_" and ".")"}},
        {R"(tls = "none"
)",
         {R"(f:3:7: [[upstream]] tls: "none" sends everything in clear, the messages included; write tls = "implicit" or "starttls", or allow_cleartext = true beside it if that is meant)"}},
        {R"(tls = "none"
allow_cleartext = true
)",
         {}},
        {R"(tls = "none"
allow_cleartext = true
username = "u"
password_file = "/dev/null"
)",
         {R"(f:5:12: [[upstream]] username: with tls = "none" the password would be sent in clear; remove username and password_file, or write tls = "implicit" or "starttls")",
          R"(f:6:17: [[upstream]] password_file: the file cannot be read: it is not a regular file)"}},
        {R"(tls = "none"
allow_cleartext = true
auth = "plain"
)",
         {R"(f:5:8: [[upstream]] auth: logging in without TLS would send the password in clear; write auth = "none", or tls = "implicit" or "starttls")"}},
        {R"(tls = "none"
allow_cleartext = false
username = "u"
)",
         {R"(f:3:7: [[upstream]] tls: "none" sends everything in clear, the messages included; write tls = "implicit" or "starttls", or allow_cleartext = true beside it if that is meant)",
          R"(f:5:12: [[upstream]] username: with tls = "none" the password would be sent in clear; remove username and password_file, or write tls = "implicit" or "starttls")"}},
        {"allow_cleartext = true\n",
         {R"(f:3:19: warning: [[upstream]] allow_cleartext: has no effect without tls = "none"; remove it)"}},
        {R"(tls = "starttls"
)",
         {R"(f:3:7: warning: [[upstream]] tls: port 465 is implicit TLS nearly everywhere, and STARTTLS to it would wait for ever; write tls = "implicit" or port 587 (smtps:// in a URL))"}},
        {R"(username = "u"
)",
         {R"(f:3:12: [[upstream]] username: there is no password file for it; give it with password_file = "/run/secrets/smtp-password")"}},
        {R"(auth = "plain"
)",
         {R"(f:3:8: [[upstream]] auth: needs username and password_file; write them beside it, or auth = "none")"}},
        {R"(username = "u"
password_file = "hunter2"
)",
         {R"(f:4:17: [[upstream]] password_file: the file cannot be read: No such file or directory; it is looked for in /nonexistent)"}},
        {R"(username = "u"
password_file = "~/pw"
)",
         {R"(f:4:17: [[upstream]] password_file: the file cannot be read: No such file or directory; ~ is not expanded, write the whole path)"}},
        {R"(username = "u"
password_file = "/dev/null"
)",
         {R"(f:4:17: [[upstream]] password_file: the file cannot be read: it is not a regular file)"}},
        {R"(username = "u"
password_file = "/etc"
)",
         {R"(f:4:17: [[upstream]] password_file: the file cannot be read: it is a directory)"}},
        {R"(ca_file = "/nonexistent"
)",
         {R"(f:3:11: [[upstream]] ca_file: the file cannot be read: No such file or directory)"}},
        {R"(username = "u\u0000x"
)",
         {R"(f:3:12: [[upstream]] username: contains a control character; write it without)",
          R"(f:3:12: [[upstream]] username: there is no password file for it; give it with password_file = "/run/secrets/smtp-password")"}},
        {R"(server_name = "a b"
)",
         {R"(f:3:15: [[upstream]] server_name: "a b" is not a host name or IP address; write the name that is in the certificate)"}},
        {R"(server_name = ""
)",
         {}},
        {"max_connections = 0\n",
         {R"(f:3:19: [[upstream]] max_connections: 0 is out of range; write max_connections from 1 to 10000)"}},
    });
}

TEST_CASE("upstreams, as whole files") {
    check_all(
        {
            {"",
             {R"(f:1:1: there is no upstream to send mail to; write [[upstream]] with address = "smtp.example.com:465" in the file, or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM))"}},
            {R"([log]
level = "info"
)",
             {R"(f:1:1: there is no upstream to send mail to; write [[upstream]] with address = "smtp.example.com:465" in the file, or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM))"}},
            {"[[upstream]]\n",
             {R"(f:1:1: [[upstream]] address: is missing; write address = "smtp.example.com:465")"}},
            {R"([[upstream]]
name = "a"
)",
             {R"(f:1:1: [[upstream]] address: is missing; write address = "smtp.example.com:465")"}},
            {"upstream = []\n",
             {R"(f:1:1: there is no upstream to send mail to; write [[upstream]] with address = "smtp.example.com:465" in the file, or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM))"}},
            {R"([[upstream]]
address = "smtp.example.com"
)",
             {R"(f:2:11: [[upstream]] address: "smtp.example.com" has no port; write "smtp.example.com:465" for implicit TLS or "smtp.example.com:587" for STARTTLS)"}},
            {R"([[upstream]]
address = "smtps://smtp.example.com"
)",
             {R"(f:2:11: [[upstream]] address: an address has no scheme; write "smtp.example.com:465", and tls = "implicit" or "starttls" beside it)"}},
            {R"([[upstream]]
address = "u:hunter2@smtp.example.com:465"
)",
             {R"(f:2:11: [[upstream]] address: a user name or password does not belong here; give the user with --username, WAXSEAL_USERNAME or username, and the password in a file with --password-file, WAXSEAL_PASSWORD_FILE or password_file)"}},
            {R"([[upstream]]
address = "2001:db8::1"
)",
             {R"(f:2:11: [[upstream]] address: "2001:db8::1" is IPv6 without brackets; write one as "[2001:db8::25]:465")"}},
            {R"([[upstream]]
address = "[smtp.example.com]:465"
)",
             {R"(f:2:11: [[upstream]] address: "smtp.example.com" in brackets is not an IPv6 address; write one as [2001:db8::25])"}},
            {R"([[upstream]]
address = ":465"
)",
             {R"(f:2:11: [[upstream]] address: ":465" is not an address; write one as "smtp.example.com:465")"}},
            {R"([[upstream]]
address = "a b:465"
)",
             {R"(f:2:11: [[upstream]] address: "a b" is not a host name; write one as smtp.example.com)"}},
            {R"([[upstream]]
address = "grüße.example:465"
)",
             {R"(f:2:11: [[upstream]] address: "grüße.example" is not ASCII; write the name in its xn-- form)"}},
            {R"([[upstream]]
address = "a.example:0"
)",
             {R"(f:2:11: [[upstream]] address: "0" is not a port; write 465 for implicit TLS or 587 for STARTTLS)"}},
            {R"([[upstream]]
address = "a.example:smtps"
)",
             {R"(f:2:11: [[upstream]] address: "smtps" is not a port; write 465 for implicit TLS or 587 for STARTTLS)"}},
            {R"([[upstream]]
address = "256.1.1.1:465"
)",
             {R"(f:2:11: [[upstream]] address: "256.1.1.1" is not a host name; write one as smtp.example.com)"}},
            {R"([[upstream]]
address = "a.example:587"
tls = "implicit"
)",
             {R"(f:3:7: warning: [[upstream]] tls: port 587 is STARTTLS nearly everywhere; write tls = "starttls" or port 465 (smtp:// in a URL))"}},
        },
        "");
}
