// Errors in what secures a listener, in users and in routes.
// Each row: what is written, and every line that is said about it.
#include "support.hpp"

using namespace waxseal::config;

TEST_CASE("addresses that are no IP address") {
    check_all({
        {"[[listen]]\naddress = \"unix:\"\n",
         {R"(f:4:11: [[listen]] address: "unix:" names no socket; write unix: and the path of one, as "unix:/run/waxseal/smtp.sock")"}},
        {"[[listen]]\naddress = \"systemd:a b\"\nallow = [\"10.0.0.0/8\"]\n",
         {R"(f:4:11: [[listen]] address: "systemd:a b" names no socket of systemd; write systemd: and the FileDescriptorName of its unit)"}},
        {"[[listen]]\nmode = \"0660\"\n",
         {R"(f:4:8: [[listen]] mode: only a unix socket has permissions; remove it, or write address = "unix:/run/waxseal/smtp.sock")"}},
        {"[[listen]]\naddress = \"unix:/s\"\nmode = \"0999\"\n",
         {R"(f:5:8: [[listen]] mode: "0999" is not file permissions; write them as chmod takes them, as "0660")"}},
        {"[[listen]]\naddress = \"unix:/s\"\nallow = [\"10.0.0.0/8\"]\nproxy_protocol = "
         "[\"10.0.0.1\"]\n",
         {R"(f:5:9: warning: [[listen]] allow: has no effect on a unix socket; its permissions say who may connect, see mode)",
          R"(f:6:18: [[listen]] proxy_protocol: what connects to a unix socket has no network address; remove it, or listen on an IP address)"}},
        {"[[listen]]\naddress = \"unix:/a/s\"\n[[listen]]\naddress = \"unix:/a/b/../s\"\n",
         {R"(f:6:11: [[listen]] address: unix:/a/s is listened on already in line 4; write another one, or remove one of the two)"}},
    });
    const Lines lines = said(load_string(upstream_lines + "[[listen]]\naddress = \"unix:/" +
                                         std::string(107, 'x') + "\"\n"));
    CHECK(lines == Lines{"f:4:11: [[listen]] address: the path has 108 octets, and the system "
                         "takes 107; write a shorter one"});
}

TEST_CASE("no open relay by another way") {
    for (const std::string_view open :
         {"address = \"systemd:\"\n", "proxy_protocol = [\"127.0.0.1\"]\n",
          "address = \":25\"\nauth = \"any\"\n", "address = \":25\"\ntls = \"starttls\"\n"}) {
        CAPTURE(open);
        const Lines lines = said(load_string(upstream_lines + "[[listen]]\n" + std::string(open)));
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].contains("an open relay; name the networks of your devices"));
    }
}

TEST_CASE("TLS of a listener") {
    check_all({
        {"[[listen]]\nrequire_tls = true\nlegacy_tls = true\n",
         {R"(f:4:15: [[listen]] require_tls: has no effect without TLS; write tls = "starttls", "implicit" or "auto" beside it, or remove it)",
          R"(f:5:14: [[listen]] legacy_tls: has no effect without TLS; write tls = "starttls", "implicit" or "auto" beside it, or remove it)"}},
        {"[[listen]]\ntls = \"implicit\"\nrequire_tls = true\n",
         {R"(f:5:15: [[listen]] require_tls: with tls = "implicit" there is nothing but TLS; remove it, or write tls = "starttls" or "auto")"}},
        {"[[listen]]\ntls = \"auto\"\ncertificate_file = \"/dev/null\"\n",
         {R"(f:5:20: [[listen]] certificate_file: there is no key for it; write key_file = "tls.key" beside it)",
          R"(f:5:20: [[listen]] certificate_file: the file cannot be read: it is not a regular file)"}},
        {"[[listen]]\ntls = \"auto\"\ncertificate_file = [\"/gone/a\", \"/gone/b\"]\nkey_file = "
         "\"/gone/k\"\n",
         {R"(f:5:21: [[listen]] certificate_file: the file cannot be read: No such file or directory)",
          R"(f:5:32: [[listen]] certificate_file: the file cannot be read: No such file or directory)",
          R"(f:6:12: [[listen]] key_file: there are 2 certificates and 1 keys; write one for each, in the same order)",
          R"(f:6:12: [[listen]] key_file: the file cannot be read: No such file or directory)"}},
        {"[[listen]]\ntls = \"auto\"\nclient_certificate = \"optional\"\n",
         {R"(f:5:22: [[listen]] client_certificate: needs the authorities that sign the certificates; write client_ca_file = "clients.pem" beside it)"}},
        {"[[listen]]\ntls = \"auto\"\nclient_ca_file = \"/gone\"\nrequire_tls = false\n",
         {R"(f:5:18: [[listen]] client_ca_file: the file cannot be read: No such file or directory)",
          R"(f:6:15: [[listen]] require_tls: without TLS nobody shows the certificate that is required; remove it, or write client_certificate = "optional")"}},
        {"[[listen]]\naddress = \":25\"\nauth = \"passthrough\"\n",
         {R"(f:5:8: warning: [[listen]] auth: without TLS the passwords of the devices cross the network in clear; write tls = "starttls", "implicit" or "auto" beside it)"}},
    });
}

TEST_CASE("users") {
    const std::string before = upstream_lines + "[[listen]]\nauth = \"local\"\n";
    check_all(
        {
            {"",
             {R"(f:4:8: [[listen]] auth: "local" needs somebody who can log in; write [[user]] with name and password_file)"}},
            {"[[user]]\npassword_hash = \"$h\"\n",
             {R"(f:5:1: [[user]] name: is missing; write name = "printer-2nd-floor")"}},
            {"[[user]]\nname = \"a\"\npassword_hash = \"hunter2\"\n",
             {R"(f:7:17: [[user]] password_hash: is not a password hash, which begins with "$"; write what `waxseal hash-password` prints, or the password into a file of its own and password_file)"}},
            {"[[user]]\nname = \"a\"\npassword_hash = \"$h\"\npassword_file = \"/gone\"\n",
             {R"(f:7:17: [[user]] password_hash: there is a password_file too; remove one of the two)",
              R"(f:8:17: [[user]] password_file: the file cannot be read: No such file or directory)"}},
            {"[[user]]\nname = \"a\"\npassword_hash = \"$h\"\n[[user]]\nname = "
             "\"a\"\npassword_hash = \"$h\"\n",
             {R"(f:9:8: [[user]] name: "a" is the name of the one in line 6 too; write a name of its own for each)"}},
            {"[[user]]\nname = \"a\"\npassword_hash = \"$h\"\nupstream = \"defalt\"\nsenders = "
             "[\"a b@c.example\", \"*\"]\n",
             {R"(f:8:12: [[user]] upstream: there is no [[upstream]] named "defalt"; did you mean default?)",
              R"(f:9:12: [[user]] senders: "a b@c.example" is not a sender; write "scanner@example.com", "*@example.com" for a whole domain, or "<>")",
              R"(f:9:29: [[user]] senders: "*" is not a sender; write "scanner@example.com", "*@example.com" for a whole domain, or "<>")"}},
        },
        before);
}

TEST_CASE("routes") {
    check_all({
        {"[[route]]\n",
         {R"(f:3:1: [[route]] upstream: is missing; write the name of one, as upstream = ["default"])"}},
        {"[[route]]\nlisten = [\"127.0.0.1:2526\"]\nuser = [\"a\"]\nupstream = [\"x\"]\n",
         {R"(f:4:11: [[route]] listen: there is no [[listen]] with address "127.0.0.1:2526"; did you mean 127.0.0.1:2525?)",
          R"(f:5:9: [[route]] user: there is no [[user]] named "a"; write the name of one)",
          R"(f:6:13: [[route]] upstream: there is no [[upstream]] named "x"; write the name of one)"}},
        {"[[route]]\nsender = []\nupstream = [\"default\"]\n",
         {R"(f:4:10: [[route]] sender: is empty, so no sender would do; remove it for any)"}},
        {"[[route]]\nupstream = [\"default\"]\n[[route]]\nsender = [\"<>\"]\nupstream = "
         "[\"default\"]\n",
         {R"(f:5:1: warning: [[route]] never matches, as the one in line 3 has no condition and matches everything; move that one to the end)"}},
        {"[[listen]]\nauth = \"passthrough\"\n[[route]]\nsender = [\"<>\"]\nupstream = "
         "[\"default\"]\n",
         {R"(f:6:10: warning: [[route]] sender: never matches: with auth = "passthrough" the upstream is chosen at the login, before there is a sender; choose by listen or user)"}},
    });
}

TEST_CASE("logins at an upstream") {
    check_all({
        {"auth = \"external\"\n",
         {R"(f:3:8: [[upstream]] auth: "external" logs in with a certificate; write certificate_file and key_file beside it)"}},
        {"auth = \"xoauth2\"\nusername = \"u\"\n",
         {R"(f:4:12: [[upstream]] username: there is no token for it; write token_file = "/run/secrets/smtp-token")"}},
        {"auth = \"oauthbearer\"\n",
         {R"(f:3:8: [[upstream]] auth: needs username and token_file; write them beside it, or auth = "none")"}},
        {"username = \"u\"\npassword_file = \"/dev/null\"\ntoken_file = \"/dev/null\"\n",
         {R"(f:4:17: [[upstream]] password_file: the file cannot be read: it is not a regular file)",
          R"(f:5:14: [[upstream]] token_file: an upstream has one secret, and there is a password_file too; remove one of the two)",
          R"(f:5:14: [[upstream]] token_file: the file cannot be read: it is not a regular file)"}},
        {"tls = \"none\"\nallow_cleartext = true\ntoken_file = \"/gone\"\npin_sha256 = [\"x\"]\n",
         {R"(f:5:14: [[upstream]] token_file: with tls = "none" the token would be sent in clear; remove username and token_file, or write tls = "implicit" or "starttls")",
          R"(f:5:14: [[upstream]] token_file: the file cannot be read: No such file or directory)",
          R"(f:6:14: [[upstream]] pin_sha256: has no effect without TLS; remove it, or write tls = "implicit" or "starttls")",
          R"(f:6:15: [[upstream]] pin_sha256: "x" is not the SHA-256 of a public key; write it as 64 hexadecimal digits or 44 characters of base64)"}},
        {"pin_only = true\nmin_tls = \"1.3\"\nmax_tls = \"1.2\"\n",
         {R"(f:3:12: [[upstream]] pin_only: without a pin nothing would be verified; write pin_sha256 beside it, or remove it)",
          R"(f:4:11: [[upstream]] min_tls: no version is left from min_tls to max_tls; write min_tls = "1.2" or max_tls = "1.3")"}},
        {"tls = \"none\"\nallow_cleartext = true\n[[listen]]\nauth = \"passthrough\"\n",
         {R"(f:3:7: [[upstream]] tls: a listener with auth = "passthrough" leads here, and with "none" the passwords of its devices would be sent in clear; write "implicit" or "starttls", or name other upstreams under that listener)"}},
        {"auth = \"none\"\n[[listen]]\nauth = \"passthrough\"\n",
         {R"(f:3:8: [[upstream]] auth: "none" cannot log in with the credentials of a device, yet a listener with auth = "passthrough" leads here; write "auto", or name other upstreams under that listener)"}},
        {"auth = \"xoauth2\"\n[[listen]]\nauth = \"passthrough\"\n",
         {R"(f:3:8: [[upstream]] auth: "xoauth2" cannot log in with the credentials of a device, yet a listener with auth = "passthrough" leads here; write "auto", or name other upstreams under that listener)"}},
    });
}

TEST_CASE("what is good arrives where it belongs") {
    const Folder folder;
    const std::string crt = folder.write("a.crt", "x");
    const std::string key = folder.write("a.key", "x");
    const Config config =
        good(upstream_lines + "pin_sha256 = [\"" + std::string(64, '0') +
                 "\"]\n[[listen]]\naddress = "
                 "\":25\"\ntls = \"starttls\"\nclient_ca_file = \"" +
                 crt + "\"\ncertificate_file = \"" + crt + "\"\nkey_file = \"" + key +
                 "\"\n[[listen]]\naddress = \"unix:s\"\nauth = "
                 "\"local\"\nmode = \"0600\"\n[[user]]\nname = \"a\"\npassword_hash = "
                 "\"$h\"\n[[route]]\n"
                 "listen = [\"unix:s\"]\nsender = [\"@B.Example\"]\nupstream = [\"default\"]\n",
             {}, {{"STATE_DIRECTORY", "/state:/other"}});
    CHECK(config.state_dir == "/state");
    CHECK(config.upstream[0].pin_sha256 == std::vector{Sha256{}});
    CHECK(config.listen[0].client_certificate == ClientCertificate::required);
    CHECK(config.listen[0].require_tls);
    CHECK(config.listen[0].allow.size() == 2);
    CHECK(config.listen[0].certificates[0].key_file == key);
    CHECK(to_string(config.listen[1].address) == "unix:/nonexistent/s");
    CHECK(config.listen[1].mode == 0600);
    CHECK(requires_login(config.listen[1]));
    CHECK(config.route[0].listen == Lines{"unix:/nonexistent/s"});
    CHECK(config.route[0].sender == Lines{"*@b.example"});
    // With passthrough it is for the devices' accounts.
    CHECK(good(upstream_lines + "[[listen]]\nauth = \"passthrough\"\n").upstream[0].auth ==
          Auth::automatic);
}
