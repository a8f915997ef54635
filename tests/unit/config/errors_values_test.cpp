// Errors in single values: types, ranges, words.
// Each row: what is written, and every line that is said about it.
#include "support.hpp"

using namespace waxseal::config;

TEST_CASE("wrong types say what to write") {
    check_all({
        {R"([limits]
max_sessions = "1000"
)",
         {R"(f:4:16: [limits] max_sessions: must be a whole number; write max_sessions = 1000)"}},
        {R"([limits]
max_errors = 2.5
)",
         {R"(f:4:14: [limits] max_errors: must be a whole number; write max_errors = 20)"}},
        {R"([limits]
max_errors = true
)",
         {R"(f:4:14: [limits] max_errors: must be a whole number; write max_errors = 20)"}},
        {R"([limits]
max_errors = {}
)",
         {R"(f:4:14: [limits] max_errors: must be a whole number; write max_errors = 20)"}},
        {R"([limits]
max_message_size = 5
)",
         {R"(f:4:20: [limits] max_message_size: must be a size in quotes; write max_message_size = "50MiB")"}},
        {R"([timeouts]
connect = 10
)",
         {R"(f:4:11: [timeouts] connect: must be a duration in quotes; write connect = "10s")"}},
        {R"([timeouts]
connect = 10:00:00
)",
         {R"(f:4:11: [timeouts] connect: must be a duration in quotes; write connect = "10s")"}},
        {R"([log]
level = 3
)",
         {R"(f:4:9: [log] level: must be a word in quotes; write level = "info")"}},
        {R"(allow_cleartext = "yes"
)",
         {R"(f:3:19: [[upstream]] allow_cleartext: must be true or false; write allow_cleartext = false)"}},
        {"username = 5\n",
         {R"(f:3:12: [[upstream]] username: must be a text in quotes; write username = "scanner@example.com")",
          R"(f:3:12: [[upstream]] username: there is no password file for it; give it with password_file = "/run/secrets/smtp-password")"}},
        {R"([[listen]]
allow = "10.0.0.0/8"
)",
         {R"(f:4:9: [[listen]] allow: must be a list of networks; write allow = ["127.0.0.0/8", "::1/128"])"}},
        {R"([[listen]]
allow = [1, "x", []]
)",
         {R"(f:4:10: [[listen]] allow: each item must be a text in quotes; write allow = ["127.0.0.0/8", "::1/128"])",
          R"(f:4:13: [[listen]] allow: "x" is not a network; write one as "192.168.1.0/24", "2001:db8::/32" or "192.0.2.7")",
          R"(f:4:18: [[listen]] allow: each item must be a text in quotes; write allow = ["127.0.0.0/8", "::1/128"])"}},
        {R"([[listen]]
upstream = "default"
)",
         {R"(f:4:12: [[listen]] upstream: must be a list of names; write upstream = ["default"])"}},
        {"address = 5\n",
         {R"(f:3:11: this is not TOML: Error while parsing key-value pair: cannot redefine existing string 'address'; remove one of the two)"}},
    });
}

TEST_CASE("ranges") {
    check_all({
        {R"([limits]
max_sessions = 0
)",
         {R"(f:4:16: [limits] max_sessions: 0 is out of range; write max_sessions from 1 to 1000000)"}},
        {R"([limits]
max_sessions = -1
)",
         {R"(f:4:16: [limits] max_sessions: -1 is out of range; write max_sessions from 1 to 1000000)"}},
        {R"([limits]
max_sessions = 1000001
)",
         {R"(f:4:16: [limits] max_sessions: 1000001 is out of range; write max_sessions from 1 to 1000000)"}},
        {R"([limits]
max_message_size = "1023"
)",
         {R"(f:4:20: [limits] max_message_size: "1023" is out of range; write max_message_size from 1KiB to 1024GiB)"}},
        {R"([limits]
max_message_size = "2000GB"
)",
         {R"(f:4:20: [limits] max_message_size: "2000GB" is out of range; write max_message_size from 1KiB to 1024GiB)"}},
        {R"([limits]
max_message_size = "50M"
)",
         {R"(f:4:20: [limits] max_message_size: "50M" is not a size; write a whole number with KiB, MiB, GiB, KB, MB or GB, as "50MiB")"}},
        {R"([limits]
max_message_size = "99999999999999999999"
)",
         {R"(f:4:20: [limits] max_message_size: "99999999999999999999" is not a size; write a whole number with KiB, MiB, GiB, KB, MB or GB, as "50MiB")"}},
        {R"([timeouts]
connect = "0s"
)",
         {R"(f:4:11: [timeouts] connect: "0s" is out of range; write connect from 1ms to 24h)"}},
        {R"([timeouts]
connect = "25h"
)",
         {R"(f:4:11: [timeouts] connect: "25h" is out of range; write connect from 1ms to 24h)"}},
        {R"([timeouts]
connect = "10"
)",
         {R"(f:4:11: [timeouts] connect: "10" is not a duration; write a whole number with ms, s, m or h, as "30s")"}},
        {R"([timeouts]
connect = "-1s"
)",
         {R"(f:4:11: [timeouts] connect: "-1s" is not a duration; write a whole number with ms, s, m or h, as "30s")"}},
        {R"([timeouts]
queue = "0s"
)",
         {}},
        {R"([timeouts]
upstream_reply = "1m"
)",
         {R"(f:4:18: warning: [timeouts] upstream_reply: RFC 5321 4.5.3.2 asks for at least 5m; a slow provider will be given up too early)"}},
        {R"([timeouts]
data_reply = "9m"
)",
         {R"(f:4:14: warning: [timeouts] data_reply: RFC 5321 4.5.3.2 asks for at least 10m; when it is cut short the message may have been accepted, and the device sends it twice)"}},
    });
}

TEST_CASE("words, and what this version does not have") {
    check_all({
        {R"([log]
level = "debog"
)",
         {R"(f:4:9: [log] level: "debog" is unknown; write "debug", "info", "warn" or "error"; did you mean debug?)"}},
        {R"([log]
level = "INFO"
)",
         {R"(f:4:9: [log] level: "INFO" is unknown; write "debug", "info", "warn" or "error"; did you mean info?)"}},
        {R"([log]
format = "xml"
)",
         {R"(f:4:10: [log] format: "xml" is unknown; write "auto", "text", "json" or "logfmt")"}},
        {R"(tls = "ssl"
)",
         {R"(f:3:7: [[upstream]] tls: "ssl" is unknown; write "implicit", "starttls" or "none")"}},
        {R"(auth = "digest-md5"
)",
         {R"(f:3:8: [[upstream]] auth: "digest-md5" is unknown; write "auto", "none", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer" or "external")"}},
        {R"([[listen]]
tls = "ssl"
)",
         {R"(f:4:7: [[listen]] tls: "ssl" is unknown; write "none", "starttls", "implicit" or "auto")"}},
        {R"([[listen]]
auth = "lokal"
)",
         {R"(f:4:8: [[listen]] auth: "lokal" is unknown; write "none", "any", "local" or "passthrough"; did you mean local?)"}},
        {R"([[listen]]
line_endings = "fix"
)",
         {R"(f:4:16: [[listen]] line_endings: "fix" is unknown; write "repair" or "reject")"}},
        {R"([[listen]]
require_tls = false
certificate_file = ""
key_file = ""
proxy_protocol = []
)",
         {}},
        {R"(idle_connections = 2
idle_timeout = "30s"
max_transactions_per_connection = 1
)",
         {}},
        {"max_transactions_per_connection = 0\n",
         {R"(f:3:35: [[upstream]] max_transactions_per_connection: 0 is out of range; write max_transactions_per_connection from 1 to 1000000)"}},
        {"idle_connections = 0\n", {}},
    });
}

TEST_CASE("workers") {
    check_all({
        {"[server]\nworkers = 0\n",
         {"f:4:11: [server] workers: 0 is out of range; write workers from 1 to 64"}},
        {"[server]\nworkers = 65\n",
         {"f:4:11: [server] workers: 65 is out of range; write workers from 1 to 64"}},
        {"[server]\nworkers = \"4\"\n",
         {"f:4:11: [server] workers: must be \"auto\" or a whole number; write workers = "
          "\"auto\""}},
        {"[server]\nworkers = true\n",
         {"f:4:11: [server] workers: must be \"auto\" or a whole number; write workers = "
          "\"auto\""}},
        {"[server]\nworkers = 64\n", {}},
        {"[server]\nworkers = \"auto\"\n", {}},
    });
}

TEST_CASE("our own name") {
    check_all({
        {R"([server]
hostname = "a_b"
)",
         {R"(f:4:12: [server] hostname: "a_b" is not a host name; write letters, digits, hyphens and dots, as relay.example.com)"}},
        {R"([server]
hostname = "127.0.0.1"
)",
         {R"(f:4:12: [server] hostname: "127.0.0.1" is not a host name; write letters, digits, hyphens and dots, as relay.example.com)"}},
        {R"([server]
hostname = "-a.example"
)",
         {R"(f:4:12: [server] hostname: "-a.example" is not a host name; write letters, digits, hyphens and dots, as relay.example.com)"}},
        {R"([server]
hostname = "ok.example"
)",
         {}},
    });
}
