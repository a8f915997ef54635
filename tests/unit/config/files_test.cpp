// What touches the file system: which file is read, and the files it names.
#include "config/files.hpp"

#include <unistd.h>

#include "support.hpp"

using namespace waxseal::config;

namespace {

// Root reads everything; a test of what cannot be read would then prove nothing.
bool root() { return ::geteuid() == 0; }

}  // namespace

TEST_CASE("-c, then WAXSEAL_CONFIG, then the default file, then none") {
    const Folder folder;
    const auto file = [&](const std::string& name, const std::string& host) {
        return folder.write(name, "[[upstream]]\naddress = \"" + host + ":465\"\n");
    };
    const std::string by_flag = file("flag.toml", "flag.example");
    const std::string by_variable = file("env.toml", "env.example");
    Flags flags;
    flags.default_config = file("default.toml", "default.example");
    const auto host = [](const Flags& with, const Environment& environment) {
        const auto loaded = load(with, environment);
        REQUIRE(loaded);
        return loaded->config.upstream[0].address.host;
    };
    CHECK(host(flags, {}) == "default.example");
    CHECK(host(flags, {{"WAXSEAL_CONFIG", by_variable}}) == "env.example");
    Flags explicit_file = flags;
    explicit_file.config = by_flag;
    CHECK(host(explicit_file, {{"WAXSEAL_CONFIG", by_variable}}) == "flag.example");
    CHECK(load(explicit_file, {})->config.file == by_flag);
}

TEST_CASE("an upstream by URL leaves the default file unread, but not one that was named") {
    const Folder folder;
    Flags flags;
    flags.default_config = folder.write("bad.toml", "not toml");
    flags.upstream = "smtps://a.example";
    const auto loaded = load(flags, {});
    REQUIRE(loaded);
    CHECK(loaded->config.file.empty());
    flags.upstream.reset();
    CHECK(load(flags, {{"WAXSEAL_UPSTREAM", "smtps://a.example"}}));
    CHECK_FALSE(load(flags, {}));
    Flags named = isolated();
    named.config = flags.default_config;
    named.upstream = "smtps://a.example";
    CHECK_FALSE(load(named, {}));
}

TEST_CASE("nothing at all says the two things to write") {
    CHECK(said(load(isolated(), {})) ==
          Lines{"configuration: there is no upstream to send mail to; write [[upstream]] with "
                "address = "
                "\"smtp.example.com:465\" in a file and give it with -c FILE, or give --upstream "
                "smtps://smtp.example.com (WAXSEAL_UPSTREAM)"});
}

TEST_CASE("a file that cannot be read") {
    const Folder folder;
    Flags flags = isolated();
    flags.config = "/nonexistent/x.toml";
    CHECK(said(load(flags, {})) ==
          Lines{"-c: \"/nonexistent/x.toml\" cannot be read: No such file or directory"});
    flags.config = folder.path();
    CHECK(said(load(flags, {}))[0].ends_with("is a directory; give the file in it"));
    flags.config = "";
    CHECK(said(load(flags, {})) ==
          Lines{"-c: names no file; write the path of one, or leave it out"});
    CHECK(said(load(isolated(), {{"WAXSEAL_CONFIG", "/nonexistent/y"}}))[0].starts_with(
        "WAXSEAL_CONFIG: "));
    if (!root()) {
        flags.config = folder.write("closed.toml", upstream_lines, 0);
        CHECK(said(load(flags, {}))[0].ends_with("cannot be read: Permission denied"));
    }
}

TEST_CASE("a file over 1 MiB is no configuration; one of 1 MiB may be") {
    const Folder folder;
    Flags flags = isolated();
    std::string text = upstream_lines;
    text += '#';
    text.append(1024 * 1024 - text.size(), 'x');
    flags.config = folder.write("large.toml", text);
    CHECK(load(flags, {}));
    flags.config = folder.write("large.toml", text + 'x');
    CHECK(said(load(flags, {}))[0].ends_with("is larger than 1 MiB, so it is no configuration"));
}

TEST_CASE("paths in a file are relative to it, those of flags and environment to where we are") {
    const Folder folder;
    folder.write("sub/pw", "x");
    Flags flags = isolated();
    flags.config = folder.write("sub/waxseal.toml",
                                upstream_lines + "username = \"u\"\npassword_file = \"pw\"\n");
    const auto loaded = load(flags, {});
    REQUIRE(loaded);
    CHECK(loaded->config.upstream[0].password_file == folder.path() + "/sub/pw");

    flags.config = folder.write("sub/none.toml",
                                upstream_lines + "username = \"u\"\npassword_file = \"gone\"\n");
    CHECK(said(load(flags, {})) ==
          Lines{*flags.config +
                ":4:17: [[upstream]] password_file: the file cannot be read: No such file or "
                "directory; it is looked for in " +
                folder.path() + "/sub"});

    const std::string before = working_directory();
    REQUIRE(::chdir(folder.path().c_str()) == 0);
    Flags url = isolated();
    url.upstream = "smtps://a.example";
    url.username = "u";
    url.password_file = "sub/pw";
    const auto relative = load(url, {});
    url.password_file = "pw";
    const auto gone = load(url, {});
    REQUIRE(::chdir(before.c_str()) == 0);
    REQUIRE(relative);
    CHECK(relative->config.upstream[0].password_file == folder.path() + "/sub/pw");
    REQUIRE_FALSE(gone);
    CHECK(said(gone)[0].starts_with(
        "--password-file: the file cannot be read: No such file or directory"));
}

TEST_CASE("a password file that others can read is a warning, an empty one an error") {
    const Folder folder;
    const auto lines = [&](::mode_t mode, std::string_view text) {
        folder.write("pw", text, mode);
        return said(load_text(upstream_lines + "username = \"u\"\npassword_file = \"pw\"\n", "f",
                              folder.path(), {}, {}));
    };
    CHECK(lines(0600, "x").empty());
    CHECK(lines(0400, "x").empty());
    const Lines warning{
        "f:4:17: warning: [[upstream]] password_file: other users of this host can read the file; "
        "chmod 600 it"};
    CHECK(lines(0640, "x") == warning);
    CHECK(lines(0604, "x") == warning);
    CHECK(
        lines(0600, "") ==
        Lines{"f:4:17: [[upstream]] password_file: the file is empty; write the password into it"});
    if (!root()) CHECK(lines(0, "x")[0].ends_with("the file cannot be read: Permission denied"));
}

TEST_CASE("a pipe is not opened: that would take the password away") {
    const Folder folder;
    const std::string pipe = folder.path() + "/fifo";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(load_text(upstream_lines + "username = \"u\"\npassword_file = \"fifo\"\n", "f",
                    folder.path(), {}, {}));
}

TEST_CASE("contradictory credentials") {
    const Folder folder;
    folder.write("pw", "x");
    const auto lines = [&](const std::string& more) {
        return said(load_text(upstream_lines + more, "f", folder.path(), {}, {}));
    };
    CHECK(lines("password_file = \"pw\"\n") == Lines{"f:3:17: [[upstream]] password_file: there is "
                                                     "no user name for it; give it with username = "
                                                     "\"scanner@example.com\""});
    CHECK(lines("auth = \"none\"\nusername = \"u\"\npassword_file = \"pw\"\n") ==
          Lines{"f:3:8: [[upstream]] auth: \"none\" does not log in, yet there is a username; "
                "remove one of the two"});
    CHECK(lines("auth = \"xoauth2\"\nusername = \"u\"\npassword_file = \"pw\"\n").size() == 1);
    CHECK(lines("auth = \"login\"\nusername = \"u\"\npassword_file = \"pw\"\n").empty());
    CHECK(lines("username = \"\"\npassword_file = \"\"\n").empty());
}

TEST_CASE("a password is never said back") {
    const std::string secret = "hunter2-S3CR3T";
    const auto silent = [&](const Lines& lines) {
        REQUIRE_FALSE(lines.empty());
        for (const std::string& line : lines) {
            CAPTURE(line);
            CHECK_FALSE(line.contains(secret));
        }
    };
    silent(said(load_string(upstream_lines + "password = \"" + secret + "\"\n")));
    silent(said(load_string(upstream_lines + "Password = \"" + secret + "\"\n")));
    silent(said(load_string(upstream_lines + "password = " + secret + "\n")));
    silent(said(
        load_string(upstream_lines + "username = \"u\"\npassword_file = \"" + secret + "\"\n")));
    silent(said(load_string("[[upstream]]\naddress = \"u:" + secret + "@a.example:465\"\n")));
    silent(said(load_string("[[user]]\nname = \"a\"\npassword = \"" + secret + "\"\n")));
    Flags flags = isolated();
    flags.upstream = "smtps://u:" + secret + "@a.example";
    silent(said(load(flags, {})));
    flags.upstream = "smtps://a.example";
    flags.username = "u";
    flags.password_file = secret;
    silent(said(load(flags, {})));
    silent(said(load(isolated(), {{"WAXSEAL_PASSWORD", secret}})));
    silent(said(load(isolated(), {{"WAXSEAL_UPSTREAM", "smtp://" + secret + "@x"}})));
}

TEST_CASE("variables: the password is refused, typos are warned about, Kubernetes is left alone") {
    CHECK(said(load_string(upstream_lines, {}, {{"WAXSEAL_PASSWORD", "x"}})) ==
          Lines{"WAXSEAL_PASSWORD: a password in the environment can be read by every process of "
                "the user; put it into "
                "a file and set WAXSEAL_PASSWORD_FILE to its path"});
    CHECK(said(load_string(upstream_lines, {}, {{"WAXSEAL_USRNAME", "x"}})) ==
          Lines{"WAXSEAL_USRNAME: warning: unknown variable; did you mean WAXSEAL_USERNAME?"});
    CHECK(said(load_string(upstream_lines, {},
                           {{"WAXSEAL_SERVICE_HOST", "10.0.0.1"},
                            {"WAXSEAL_PORT", "tcp://10.0.0.1:25"},
                            {"WAXSEAL_PORT_25_TCP_ADDR", "10.0.0.1"},
                            {"PATH", "/bin"}}))
              .empty());
}

TEST_CASE("the host's own name, as others may be told it") {
    CHECK(choose_hostname("relay.example.com", "") == "relay.example.com");
    const std::string hosts =
        "127.0.0.1 localhost\n# x.example x\n127.0.1.1\trelay.example.com relay\n";
    CHECK(choose_hostname("relay", hosts) == "relay.example.com");
    CHECK(choose_hostname("x", hosts) == "x");
    CHECK(choose_hostname("rel", hosts) == "rel");
    CHECK(choose_hostname("relay", "127.0.0.1 relay.localdomain relay") == "[127.0.0.1]");
    for (const char* bad : {"localhost", "localhost.localdomain", "a.localdomain", "a.localhost",
                            "my_app", "(none)", "", "10.0.0.1", "a..b"}) {
        CAPTURE(bad);
        CHECK(choose_hostname(bad, "") == "[127.0.0.1]");
    }
}
