// Flag before environment before file before default; what replaces what; all problems in one run.
#include "support.hpp"

using namespace waxseal::config;
using namespace std::chrono_literals;

namespace {

const std::string two_upstreams =
    "[[upstream]]\nname = \"main\"\naddress = \"a.example:465\"\n"
    "[[upstream]]\nname = \"reserve\"\naddress = \"b.example:587\"\n";

Flags with_upstream(const std::string& url) {
    Flags flags = isolated();
    flags.upstream = url;
    return flags;
}

}  // namespace

TEST_CASE("the least configuration, and every default") {
    const Config config = good(upstream_lines);
    CHECK(config.file == "f");
    CHECK_FALSE(config.hostname.empty());
    REQUIRE(config.listen.size() == 1);
    const Listen& listen = config.listen[0];
    CHECK(listen.address == ListenAddress(Endpoint{"127.0.0.1", 2525}));
    CHECK(listen.tls == ListenTls::none);
    CHECK(listen.allow == std::vector{*parse_network("127.0.0.0/8"), *parse_network("::1")});
    CHECK(listen.line_endings == LineEndings::repair);
    CHECK(listen.upstream == Lines{"default"});
    REQUIRE(config.upstream.size() == 1);
    const Upstream& upstream = config.upstream[0];
    CHECK(upstream.name == "default");
    CHECK(upstream.address == Endpoint{"a.example", 465});
    CHECK(upstream.tls == UpstreamTls::implicit);
    CHECK(upstream.server_name == "a.example");
    CHECK(upstream.ca_file.empty());
    CHECK(upstream.auth == Auth::none);
    CHECK(upstream.username.empty());
    CHECK(upstream.password_file.empty());
    CHECK(upstream.max_connections == 10);
    CHECK(config.limits.max_sessions == 1000);
    CHECK(config.limits.max_sessions_per_client == 100);
    CHECK(config.limits.max_message_size == 50 * 1024 * 1024);
    CHECK(config.limits.max_recipients == 1000);
    CHECK(config.limits.max_errors == 20);
    CHECK(config.timeouts.downstream_idle == 5min);
    CHECK(config.timeouts.connect == 10s);
    CHECK(config.timeouts.tls_handshake == 15s);
    CHECK(config.timeouts.upstream_reply == 5min);
    CHECK(config.timeouts.data_reply == 10min);
    CHECK(config.timeouts.queue == 30s);
    CHECK(config.timeouts.drain == 30s);
    CHECK(config.log.level == LogLevel::info);
    CHECK(config.log.format == LogFormat::automatic);
}

TEST_CASE("every key arrives where it belongs") {
    const Folder folder;
    folder.write("pw", "secret");
    folder.write("ca", "PEM");
    const auto loaded = load_text(R"(
[server]
hostname = "relay.example"
[[listen]]
address = "[::1]:0"
tls = "none"
auth = "none"
allow = ["192.0.2.0/24", "2001:db8::/32"]
line_endings = "reject"
upstream = ["x"]
[[upstream]]
name = "x"
address = "[2001:db8::25]:587"
tls = "starttls"
server_name = "mail.example"
ca_file = "ca"
auth = "cram-md5"
username = "u"
password_file = "pw"
max_connections = 3
idle_timeout = "7s"
[limits]
max_sessions = 1
max_sessions_per_client = 2
max_message_size = "3KiB"
max_recipients = 4
max_errors = 5
[timeouts]
downstream_idle = "1s"
connect = "2s"
tls_handshake = "3s"
upstream_reply = "6m"
data_reply = "11m"
queue = "6s"
drain = "0s"
[log]
level = "debug"
format = "logfmt"
)",
                                  "f", folder.path(), {}, {});
    REQUIRE(loaded);
    CHECK(loaded->warnings.empty());
    const Config& config = loaded->config;
    CHECK(config.hostname == "relay.example");
    CHECK(config.listen[0].address == ListenAddress(Endpoint{"::1", 0}));
    CHECK(config.listen[0].allow ==
          std::vector{*parse_network("192.0.2.0/24"), *parse_network("2001:db8::/32")});
    CHECK(config.listen[0].line_endings == LineEndings::reject);
    CHECK(config.listen[0].upstream == Lines{"x"});
    const Upstream& upstream = config.upstream[0];
    CHECK(upstream.name == "x");
    CHECK(upstream.address == Endpoint{"2001:db8::25", 587});
    CHECK(upstream.tls == UpstreamTls::starttls);
    CHECK(upstream.server_name == "mail.example");
    CHECK(upstream.ca_file == folder.path() + "/ca");
    CHECK(upstream.auth == Auth::cram_md5);
    CHECK(upstream.username == "u");
    CHECK(upstream.password_file == folder.path() + "/pw");
    CHECK(upstream.max_connections == 3);
    CHECK(upstream.idle_timeout == 7s);
    CHECK(config.limits.max_sessions == 1);
    CHECK(config.limits.max_sessions_per_client == 2);
    CHECK(config.limits.max_message_size == 3072);
    CHECK(config.limits.max_recipients == 4);
    CHECK(config.limits.max_errors == 5);
    CHECK(config.timeouts.downstream_idle == 1s);
    CHECK(config.timeouts.connect == 2s);
    CHECK(config.timeouts.tls_handshake == 3s);
    CHECK(config.timeouts.upstream_reply == 6min);
    CHECK(config.timeouts.data_reply == 11min);
    CHECK(config.timeouts.queue == 6s);
    CHECK(config.timeouts.drain == 0s);
    CHECK(config.log.level == LogLevel::debug);
    CHECK(config.log.format == LogFormat::logfmt);
}

TEST_CASE("tls by the port") {
    const auto tls = [](const std::string& port) {
        return good("[[upstream]]\naddress = \"a.example:" + port + "\"\n").upstream[0].tls;
    };
    CHECK(tls("465") == UpstreamTls::implicit);
    CHECK(tls("587") == UpstreamTls::starttls);
    CHECK(tls("25") == UpstreamTls::starttls);
    CHECK(tls("4650") == UpstreamTls::starttls);
}

TEST_CASE("flag before environment before file") {
    const std::string file = upstream_lines + "[log]\nlevel = \"error\"\nformat = \"json\"\n";
    CHECK(good(file).log.level == LogLevel::error);
    const Environment environment{{"WAXSEAL_LOG_LEVEL", "warn"}, {"WAXSEAL_LOG_FORMAT", "logfmt"}};
    CHECK(good(file, {}, environment).log.level == LogLevel::warn);
    CHECK(good(file, {}, environment).log.format == LogFormat::logfmt);
    Flags flags;
    flags.log_level = "debug";
    flags.log_format = "text";
    CHECK(good(file, flags, environment).log.level == LogLevel::debug);
    CHECK(good(file, flags, environment).log.format == LogFormat::text);
    // An empty variable is none.
    CHECK(good(file, {}, {{"WAXSEAL_LOG_LEVEL", ""}}).log.level == LogLevel::error);
}

TEST_CASE("our own name") {
    const std::string file = upstream_lines + "[server]\nhostname = \"file.example\"\n";
    CHECK(good(file).hostname == "file.example");
    CHECK(good(file, {}, {{"WAXSEAL_HOSTNAME", "env.example"}}).hostname == "env.example");
    CHECK(said(load_string(file, {}, {{"WAXSEAL_HOSTNAME", "a b"}})) ==
          Lines{"WAXSEAL_HOSTNAME: \"a b\" is not a host name; write letters, digits, hyphens and "
                "dots, as "
                "relay.example.com"});
}

TEST_CASE("workers from the environment") {
    const std::string file = upstream_lines + "[server]\nworkers = 2\n";
    CHECK(good(upstream_lines).workers == 0);
    CHECK(good(file).workers == 2);
    CHECK(good(file, {}, {{"WAXSEAL_WORKERS", "4"}}).workers == 4);
    CHECK(good(file, {}, {{"WAXSEAL_WORKERS", "auto"}}).workers == 0);
    CHECK(said(load_string(file, {}, {{"WAXSEAL_WORKERS", "many"}})) ==
          Lines{"WAXSEAL_WORKERS: must be \"auto\" or a whole number; write workers = \"auto\""});
    CHECK(said(load_string(file, {}, {{"WAXSEAL_WORKERS", "65"}})) ==
          Lines{"WAXSEAL_WORKERS: \"65\" is out of range; write workers from 1 to 64"});
}

TEST_CASE("listeners from flag or environment replace those of the file") {
    const std::string file =
        upstream_lines +
        "[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:2\"\n";
    CHECK(good(file).listen.size() == 2);
    const Environment environment{{"WAXSEAL_LISTEN", "127.0.0.1:3, [::1]:4 ,"}};
    Config config = good(file, {}, environment);
    REQUIRE(config.listen.size() == 2);
    CHECK(config.listen[0].address == ListenAddress(Endpoint{"127.0.0.1", 3}));
    CHECK(config.listen[1].address == ListenAddress(Endpoint{"::1", 4}));
    CHECK(config.listen[1].upstream == Lines{"default"});
    Flags flags;
    flags.listen = {"127.0.0.1:5"};
    config = good(file, flags, environment);
    REQUIRE(config.listen.size() == 1);
    CHECK(std::get<Endpoint>(config.listen[0].address).port == 5);
}

TEST_CASE(
    "a listener that is not loopback needs an allow, and gets it from flag or environment too") {
    Flags flags;
    flags.listen = {"0.0.0.0:25"};
    const std::string relay =
        " can be reached from other hosts, and whoever connects sends mail in your name: an open "
        "relay; name the networks of your devices with ";
    CHECK(said(load_string(upstream_lines, flags)) ==
          Lines{"--listen: 0.0.0.0:25" + relay + "--allow CIDR, or listen on 127.0.0.1"});
    CHECK(said(load_string(upstream_lines, {}, {{"WAXSEAL_LISTEN", ":25"}})) ==
          Lines{"WAXSEAL_LISTEN: [::]:25" + relay + "WAXSEAL_ALLOW, or listen on 127.0.0.1"});
    flags.allow = {"192.0.2.0/24", "198.51.100.7"};
    Config config = good(upstream_lines, flags);
    CHECK(config.listen[0].allow ==
          std::vector{*parse_network("192.0.2.0/24"), *parse_network("198.51.100.7/32")});
    config = good(upstream_lines, {},
                  {{"WAXSEAL_LISTEN", ":25"}, {"WAXSEAL_ALLOW", "192.0.2.0/24,10.0.0.0/8"}});
    CHECK(config.listen[0].address == ListenAddress(Endpoint{"::", 25}));
    CHECK(config.listen[0].allow.size() == 2);
    // What is wrong with it is said once, however many listeners there are; and everyone is warned
    // about.
    flags.listen = {"127.0.0.1:1", "127.0.0.1:2"};
    flags.allow = {"x"};
    CHECK(said(load_string(upstream_lines, flags)).size() == 1);
    flags.listen = {"127.0.0.1:1"};
    flags.allow = {"0.0.0.0/0"};
    const auto loaded = load_string(upstream_lines, flags);
    REQUIRE(loaded);
    REQUIRE(loaded->warnings.size() == 1);
    CHECK(loaded->warnings[0].to_string().starts_with(
        "--allow: warning: this lets in practically everyone"));
}

TEST_CASE("an upstream by URL needs no file") {
    const Config config = good("", with_upstream("smtps://smtp.example.com"));
    CHECK(config.upstream[0].name == "default");
    CHECK(config.upstream[0].address == Endpoint{"smtp.example.com", 465});
    CHECK(config.upstream[0].tls == UpstreamTls::implicit);
    CHECK(config.upstream[0].server_name == "smtp.example.com");
    const Config starttls =
        good("", isolated(), {{"WAXSEAL_UPSTREAM", "smtp://smtp.example.com:2587"}});
    CHECK(starttls.upstream[0].address.port == 2587);
    CHECK(starttls.upstream[0].tls == UpstreamTls::starttls);
}

TEST_CASE("an upstream by URL replaces the file's, and inherits nothing") {
    const Folder folder;
    const std::string password = folder.write("pw", "x");
    const std::string file = two_upstreams + "username = \"u\"\npassword_file = \"" + password +
                             "\"\n" + "[[listen]]\nupstream = [\"reserve\"]\n";
    Config config = good(file, with_upstream("smtp://c.example"));
    REQUIRE(config.upstream.size() == 1);
    CHECK(config.upstream[0].address == Endpoint{"c.example", 587});
    CHECK(config.upstream[0].username.empty());
    CHECK(config.upstream[0].password_file.empty());
    CHECK(config.upstream[0].auth == Auth::none);
    // The listener's list was about upstreams that are gone.
    CHECK(config.listen[0].upstream == Lines{"default"});
    // Flag before environment.
    config =
        good(file, with_upstream("smtps://c.example"), {{"WAXSEAL_UPSTREAM", "smtps://d.example"}});
    CHECK(config.upstream[0].address.host == "c.example");
}

TEST_CASE("credentials from flag or environment") {
    const Folder folder;
    const std::string password = folder.write("pw", "x");
    const std::string other = folder.write("other", "y");
    const Environment environment{{"WAXSEAL_USERNAME", "env"},
                                  {"WAXSEAL_PASSWORD_FILE", password},
                                  {"WAXSEAL_CA_FILE", other}};
    Flags flags = with_upstream("smtps://c.example");
    Config config = good("", flags, environment);
    CHECK(config.upstream[0].username == "env");
    CHECK(config.upstream[0].password_file == password);
    CHECK(config.upstream[0].ca_file == other);
    CHECK(config.upstream[0].auth == Auth::automatic);
    flags.username = "flag";
    flags.password_file = other;
    flags.ca_file = password;
    config = good("", flags, environment);
    CHECK(config.upstream[0].username == "flag");
    CHECK(config.upstream[0].password_file == other);
    CHECK(config.upstream[0].ca_file == password);
    // Without a URL they are for the only upstream of the file, each over what stands there.
    const std::string file =
        upstream_lines + "username = \"file\"\npassword_file = \"" + password + "\"\n";
    config = good(file, {}, {{"WAXSEAL_USERNAME", "env"}});
    CHECK(config.upstream[0].username == "env");
    CHECK(config.upstream[0].password_file == password);
    // With several nobody knows which is meant, and a password must not go to the wrong one.
    CHECK(said(load_string(two_upstreams, {}, {{"WAXSEAL_USERNAME", "env"}})) ==
          Lines{"WAXSEAL_USERNAME: the file has 2 [[upstream]], and it is not clear which is "
                "meant; write username "
                "under the one in the file"});
}

TEST_CASE("a sender from flag or environment is who everything is sent as") {
    const Environment environment{{"WAXSEAL_SENDER", "env@corp.example"}};
    Flags flags = with_upstream("smtps://c.example");
    Config config = good("", flags, environment);
    CHECK(config.upstream[0].sender.envelope == "env@corp.example");
    CHECK(config.upstream[0].sender.header);
    CHECK_FALSE(config.upstream[0].sender.foreign);
    CHECK(config.listen[0].sender.envelope.empty());
    flags.sender = "flag@corp.example";
    config = good("", flags, environment);
    CHECK(config.upstream[0].sender.envelope == "flag@corp.example");
    // It takes the place of the whole rule that stands in the file, as an upstream by URL does.
    const std::string file = "[server]\nown_domains = [\"corp.example\"]\n" + upstream_lines +
                             "sender = { envelope = \"file@corp.example\", when = \"foreign\" }\n";
    CHECK(good(file).upstream[0].sender.foreign);
    config = good(file, {}, environment);
    CHECK(config.upstream[0].sender.envelope == "env@corp.example");
    CHECK(config.upstream[0].sender.header);
    CHECK_FALSE(config.upstream[0].sender.foreign);
    CHECK(good(file, with_upstream("smtps://c.example")).upstream[0].sender.envelope.empty());
    CHECK(good(file, {}, {{"WAXSEAL_SENDER", ""}}).upstream[0].sender.envelope ==
          "file@corp.example");
    flags.sender = "scanner";
    CHECK(said(load_string("", flags)) ==
          Lines{"--sender: \"scanner\" is not an address; write a whole one, as "
                "\"scanner@example.com\""});
    CHECK(said(load_string(upstream_lines, {}, {{"WAXSEAL_SENDER", "<>"}})) ==
          Lines{"WAXSEAL_SENDER: \"<>\" is not an address; write a whole one, as "
                "\"scanner@example.com\""});
    CHECK(said(load_string(two_upstreams, {}, environment)) ==
          Lines{"WAXSEAL_SENDER: the file has 2 [[upstream]], and it is not clear which is meant; "
                "write sender under the one in the file"});
}

TEST_CASE("half a credential, in the words of where it came from") {
    Flags flags = with_upstream("smtps://c.example");
    flags.username = "u";
    CHECK(said(load_string("", flags)) ==
          Lines{"--username: there is no password file for it; give it with --password-file FILE"});
    CHECK(said(load_string("", with_upstream("smtps://c.example"), {{"WAXSEAL_USERNAME", "u"}})) ==
          Lines{"WAXSEAL_USERNAME: there is no password file for it; give it with "
                "WAXSEAL_PASSWORD_FILE"});
}

TEST_CASE("URLs that are none") {
    const auto error = [](const std::string& url) {
        const Lines lines = said(load_string("", with_upstream(url)));
        return lines.size() == 1 ? lines[0] : "not one line";
    };
    CHECK(error("smtp.example.com:465") ==
          "--upstream: \"smtp.example.com:465\" is not an upstream; write smtps://HOST for "
          "implicit TLS or smtp://HOST "
          "for STARTTLS");
    CHECK(error("https://a.example").contains("is not an upstream"));
    CHECK(error("").contains("is not an upstream"));
    CHECK(error("smtps://").contains("has no host"));
    CHECK(error("smtps://:465").contains("has no host"));
    CHECK(error("smtps://a.example/x").contains("something behind the host"));
    CHECK(error("smtps://a.example?tls=no").contains("something behind the host"));
    CHECK(error("smtps://2001:db8::1").contains("without brackets"));
    CHECK(error("smtps://a.example:0").contains("is not a port"));
    CHECK(error("smtps://a.example:65536").contains("is not a port"));
    CHECK(error("smtps://a_b c").contains("is not a host name"));
    CHECK(error("smtps://[a.example]").contains("in brackets is not an IPv6 address"));
}

TEST_CASE("all problems in one run, in the order of the file and then of what is not in it") {
    Flags flags;
    flags.log_format = "xml";
    const Lines lines = said(load_string(R"([log]
level = "loud"
[[upstream]]
adress = "a.example:465"
[limits]
max_errors = "x"
max_sessions = 0
[[listen]]
address = ":25"
)",
                                         flags, {{"WAXSEAL_HOSTNAME", "-"}}));
    REQUIRE(lines.size() == 8);
    CHECK(lines[0].starts_with("f:2:9: [log] level: "));
    CHECK(lines[1].starts_with("f:3:1: [[upstream]] address: is missing"));
    CHECK(lines[2].starts_with("f:4:1: [[upstream]] adress: "));
    CHECK(lines[3].starts_with("f:6:14: [limits] max_errors: "));
    CHECK(lines[4].starts_with("f:7:16: [limits] max_sessions: "));
    CHECK(lines[5].starts_with("f:9:11: [[listen]] address: "));
    CHECK(lines[6].starts_with("--log-format: "));
    CHECK(lines[7].starts_with("WAXSEAL_HOSTNAME: "));
}

TEST_CASE("a file that is no TOML does not hide what is wrong elsewhere") {
    Flags flags;
    flags.log_level = "loud";
    const Lines lines = said(load_string("[", flags));
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].starts_with("f:1:"));
    CHECK(lines[1].starts_with("--log-level: "));
}

TEST_CASE("thousands of problems are not thousands of lines") {
    std::string toml = upstream_lines;
    for (int i = 0; i < 5000; ++i) toml += "x" + std::to_string(i) + " = 1\n";
    const Lines lines = said(load_string(toml));
    REQUIRE(lines.size() == 101);
    CHECK(lines.back() == "f: and 4900 more problems");
}
