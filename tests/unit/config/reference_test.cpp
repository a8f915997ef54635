// The documentation is complete and true: conf/ loads, says every key of reference() and its real
// default, and so does the manual page.
#include <algorithm>
#include <map>
#include <sstream>

#include "support.hpp"

using namespace waxseal::config;

namespace {

std::filesystem::path conf() { return std::filesystem::path(WAXSEAL_SOURCE_DIR) / "conf"; }

std::string read(const std::filesystem::path& path) {
    const std::ifstream file(path);
    REQUIRE(file);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The lines of a file under each heading, without a leading "# ".
std::vector<std::pair<std::string, std::string>> keys_of(const std::string& toml) {
    std::vector<std::pair<std::string, std::string>> result;
    std::istringstream lines(toml);
    std::string section;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# ")) line.erase(0, 2);
        if (line.starts_with('[')) section = line;
        result.emplace_back(section, line);
    }
    return result;
}

// The paragraphs of a manual page, by the heading (.SS) and the key (.TP and .B) that they stand
// under.
std::map<std::pair<std::string, std::string>, std::string> paragraphs_of(const std::string& page) {
    std::map<std::pair<std::string, std::string>, std::string> result;
    std::istringstream lines(page);
    std::string section;
    std::string* paragraph = nullptr;
    bool tagged = false;
    for (std::string line; std::getline(lines, line);) {
        std::erase(line, '\\');
        if (line.starts_with(".S")) {
            section = line.starts_with(".SS [") ? line.substr(4) : std::string();
            paragraph = nullptr;
        } else if (tagged && line.starts_with(".B ") && !section.empty()) {
            paragraph = &result[{section, line.substr(3)}];
        } else if (paragraph != nullptr && line != ".TP") {
            *paragraph += line + ' ';
        }
        tagged = line == ".TP";
    }
    return result;
}

// What load() made of it, comparable.
std::string fingerprint(const Config& config) {
    std::ostringstream out;
    out << config.hostname << '|' << config.state_dir << '|' << config.own_domains.size()
        << config.workers << '|';
    for (const Listen& listen : config.listen) {
        out << to_string(listen.address) << listen.mode << static_cast<int>(listen.tls)
            << listen.require_tls << listen.legacy_tls << listen.certificates.size()
            << listen.client_ca_file << static_cast<int>(listen.client_certificate)
            << static_cast<int>(listen.auth) << listen.proxy_protocol.size()
            << static_cast<int>(listen.line_endings) << static_cast<int>(listen.kind)
            << listen.legacy_auth << static_cast<int>(listen.long_lines)
            << static_cast<int>(listen.buffer) << listen.received
            << static_cast<int>(listen.received_address) << listen.legacy_charset
            << listen.sender.envelope << listen.senders.size() << listen.recipients.size();
        for (const auto& network : listen.allow)
            out << waxseal::to_string(network.address) << network.prefix;
        for (const std::string& name : listen.upstream) out << name;
    }
    for (const Upstream& upstream : config.upstream) {
        out << upstream.name << upstream.address.host << upstream.address.port
            << static_cast<int>(upstream.tls) << static_cast<int>(upstream.min_tls)
            << static_cast<int>(upstream.max_tls) << upstream.server_name << upstream.ca_file
            << upstream.pin_sha256.size() << upstream.pin_only << static_cast<int>(upstream.auth)
            << upstream.username << upstream.password_file << upstream.token_file
            << upstream.certificate.certificate_file << upstream.certificate.key_file
            << upstream.sender.envelope << upstream.xclient << upstream.max_connections << ' '
            << upstream.idle_timeout.count();
    }
    out << config.user.size() << config.route.size();
    const Limits& limits = config.limits;
    out << '|' << limits.max_sessions << ' ' << limits.max_sessions_per_client << ' '
        << limits.max_message_size << ' ' << limits.max_recipients << ' ' << limits.max_errors
        << ' ' << limits.max_connections_per_minute << ' ' << limits.max_auth_failures << ' '
        << limits.min_data_rate << ' ' << limits.error_delay.count();
    const Timeouts& timeouts = config.timeouts;
    for (const Milliseconds value :
         {timeouts.downstream_idle, timeouts.connect, timeouts.tls_handshake,
          timeouts.upstream_reply, timeouts.data_reply, timeouts.queue, timeouts.drain,
          timeouts.lost_reply_memory}) {
        out << ' ' << value.count();
    }
    out << '|' << static_cast<int>(config.log.level) << static_cast<int>(config.log.format);
    return out.str();
}

}  // namespace

TEST_CASE("the reference configuration loads, and is the defaults") {
    const auto loaded =
        load_text(read(conf() / "waxseal.toml"), "waxseal.toml", "/etc/waxseal", {}, {});
    CHECK(said(loaded) == Lines{});
    REQUIRE(loaded);
    CHECK(fingerprint(loaded->config) ==
          fingerprint(good("[[upstream]]\naddress = \"smtp.example.com:465\"\n")));
}

TEST_CASE("the reference configuration has every key, with the value that reference() says") {
    const auto lines = keys_of(read(conf() / "waxseal.toml"));
    for (const Reference& row : reference()) {
        const std::string line = std::string(row.key) + " = " + std::string(row.example);
        CAPTURE(row.section);
        CAPTURE(line);
        CHECK(std::ranges::find(lines, std::pair{std::string(row.section), line}) != lines.end());
    }
}

TEST_CASE("the manual page has every key with its default, and no other") {
    const auto paragraphs = paragraphs_of(read(conf() / "man" / "waxseal.toml.5"));
    for (const Reference& row : reference()) {
        CAPTURE(row.section);
        CAPTURE(row.key);
        const auto found = paragraphs.find({std::string(row.section), std::string(row.key)});
        REQUIRE(found != paragraphs.end());
        CAPTURE(found->second);
        if (row.absent.empty()) CHECK(found->second.contains(row.example));
    }
    CHECK(paragraphs.size() == reference().size());
}

TEST_CASE("what reference() calls a default is the default") {
    for (const Reference& row : reference()) {
        if (!row.absent.empty()) continue;
        const std::string line = std::string(row.key) + " = " + std::string(row.example) + '\n';
        // The upstream has to be written, so its keys go under the one that is there.
        const std::string toml = row.section == "[[upstream]]"
                                     ? upstream_lines + line
                                     : upstream_lines + std::string(row.section) + '\n' + line;
        CAPTURE(toml);
        CHECK(said(load_string(toml)) == Lines{});
        CHECK(fingerprint(good(toml)) == fingerprint(good(upstream_lines)));
    }
}

TEST_CASE("every row of reference() is fit to print") {
    CHECK(reference().size() >= 30);
    for (const Reference& row : reference()) {
        CAPTURE(row.key);
        CHECK(row.section.starts_with('['));
        CHECK_FALSE(row.type.empty());
        CHECK_FALSE(row.example.empty());
        CHECK(row.text.ends_with('.'));
        CHECK(row.text.size() <= 110);
    }
}

TEST_CASE("the examples are right but for the files they name, which are not here") {
    int seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(conf() / "examples")) {
        if (entry.path().extension() != ".toml") continue;
        ++seen;
        CAPTURE(entry.path().string());
        for (const std::string& line :
             said(load_text(read(entry.path()), "f", "/nonexistent", {}, {}))) {
            CHECK(line.contains("_file: the file cannot be read: No such file or directory"));
        }
    }
    CHECK(seen >= 5);
}

TEST_CASE("the environment of the sidecar example is right, likewise") {
    Environment environment;
    std::istringstream lines(read(conf() / "examples" / "kubernetes-sidecar.env"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# WAXSEAL_") && line.contains('=')) line.erase(0, 2);
        if (line.empty() || line.starts_with('#')) continue;
        environment[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    }
    CHECK(environment.size() >= 7);
    CHECK(said(load_string("", {}, environment)) ==
          Lines{"WAXSEAL_PASSWORD_FILE: the file cannot be read: No such file or directory"});
}
